"""Sliders for a notebook: move one, and the turn is run again and compared with what it was.

    wb.controls.top_k(lab, run)                       # experts a token
    wb.controls.temperature(lab, run)                 # of the words; speech=True: of the speech
    wb.controls.rate(lab, run)                        # frames a word, in place of the run's pace
    wb.controls.clock_shift(lab, run)                 # seconds that every timestamp says more
    control = wb.controls.control(lab, run, slider, lambda value: wb.router_temperature(value))
    control.value = 2.0; control.wait()               # the same from code; returns the Run

A control waits until the slider has rested for 0.3 s, runs the turn in a thread of its own, and
stops it between two chunks when the slider moves on. Until the picture is that of the slider, it
says "stale". It works on a twin of the model that shares the weights, so cells that run meanwhile
are not disturbed, and one turn at a time is run for all controls. The run's own edits stay on.

Left out: several sliders of one turn (make a control of a control's `run`), and views that stay
where they were scrolled to.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from functools import cache
from html import escape
from typing import Any

from model.omni import Omni
from widgets import view
from widgets.badge import badge_class
from workbench import edits
from workbench.compare import diff
from workbench.edits import Edit, edited
from workbench.lab import Lab
from workbench.record import BUDGET
from workbench.run import STAGES, Inputs, Run
from workbench.sweep import recording_of

REST = 0.3  # seconds that a slider must rest

Change = Callable[[Any], Edit | Mapping[str, Any] | None]  # None: the turn as it was
Show = Callable[[Run, Run], Any]


def top_k(lab: Lab, run: Run, stage: str = "thinker", layer: int | None = None, **how: Any):
    """How many experts work on each token of a stage, in one layer or in all."""
    _check(lab, run)
    if stage not in STAGES:
        raise ValueError(f"no stage {stage!r}, expected {' or '.join(STAGES)}")
    routers = lab.parts(f"{stage}.stack.blocks.{'*' if layer is None else layer}.ffn.router")
    router = lab.omni.get_submodule(next(iter(routers)).path)
    own, experts = router.chosen, len(router.weight)
    slider = _widgets().IntSlider(own, 1, experts, description="experts a token")
    return control(
        lab, run, slider, lambda k: None if k == own else edits.top_k(k, layer, stage), **how
    )


def temperature(lab: Lab, run: Run, speech: bool = False, **how: Any):
    """How freely words are chosen, or how freely speech is."""
    _check(lab, run)
    name = "speech_temperature" if speech else "temperature"
    own = float(getattr(run.inputs, name))
    slider = _widgets().FloatSlider(
        own, min=0, max=max(2.0, own), step=0.1, description=name.replace("_", " ")
    )
    return control(lab, run, slider, lambda t: None if t == own else {name: t}, **how)


def rate(lab: Lab, run: Run, words: int = 1, most: int = 8, **how: Any):
    """A fixed ratio: so many frames after every `words` words; first, the run's own pace."""
    _check(lab, run)
    names = [(f"as it was ({run.inputs.pace})", 0), *((f"{n}", n) for n in range(1, most + 1))]
    unit = "a word" if words == 1 else f"per {words} words"
    slider = _widgets().SelectionSlider(options=names, value=0, description=f"frames {unit}")
    return control(lab, run, slider, lambda n: edits.fixed_ratio(words, n) if n else None, **how)


def clock_shift(lab: Lab, run: Run, most: float = 10.0, **how: Any):
    """Every timestamp says so many seconds more, or less."""
    _check(lab, run)
    edited(run.inputs, (*run.edits, edits.shift_timestamps(1.0)), lab.omni)  # are there any?
    slider = _widgets().FloatSlider(
        0.0, min=-most, max=most, step=0.5, description="clock shift, s", readout_format="+.1f"
    )
    return control(lab, run, slider, lambda s: edits.shift_timestamps(s) if s else None, **how)


def control(lab: Lab, run: Run, slider: Any, change: Change, show: Show = diff, **how: Any):
    """Any ipywidgets control whose `value` changes one thing of a turn.

    Args:
        slider: stands at what the run was; give it a `description`
        change: from a value to an edit, to fields of `Inputs`, or to None for the turn as it was
        show: from the run and the new one to what is shown under the slider, such as
            `lambda run, alt: alt.view.align()`
        how: record=[...], budget=MB, rest=seconds
    """
    return Control(lab, run, slider, change, show, **how)


class Control:
    """A slider, what it says of itself, and what came of it."""

    def __init__(
        self,
        lab: Lab,
        run: Run,
        slider: Any,
        change: Change,
        show: Show = diff,
        record: tuple[str, ...] | list[str] | None = None,
        budget: float = BUDGET,
        rest: float = REST,
    ):
        _check(lab, run)
        self.lab, self.base, self.change, self.show = twin(lab), run, change, show
        self.record = run.recorded if record is None else tuple(record)
        self.budget, self.rest = budget, rest
        self.run = run  # the last that was made: what is shown
        self.shown = self.first = slider.value
        self._newest, self._timer, self._guard = 0, None, threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._error: Exception | None = None
        widgets = _widgets()
        label = slider.description
        slider.style.description_width = "initial"
        slider.layout.width = "min(100%, 520px)"
        slider.tooltip = label
        self.slider, self.result = slider, widgets.Output()
        self.badge = badge_class()(label=label)
        self.button = widgets.Button(
            description="Stop", disabled=True, tooltip=f"stop the turn that runs for: {label}"
        )
        self.button.layout.width = "auto"
        row = widgets.HBox([slider, self.badge, self.button])
        row.layout.flex_flow, row.layout.align_items = "row wrap", "center"
        self.box = widgets.VBox([row, self.result])
        self._tell("the turn as it was: move the slider")
        slider.observe(self._moved, "value")
        self.button.on_click(lambda _button: self.stop())

    # --- from code ------------------------------------------------------------------------------

    @property
    def value(self) -> Any:
        return self.slider.value

    @value.setter
    def value(self, value: Any) -> None:
        self.slider.value = value

    @property
    def stale(self) -> bool:
        """Is what is shown older than the slider?"""
        return self.shown != self.slider.value

    def wait(self, seconds: float = 60.0) -> Run:
        """The run that is shown when the slider has come to rest; raises what went wrong."""
        if not self._idle.wait(seconds):
            raise TimeoutError(f"the turn was not done in {seconds:g} s")
        if self._error is not None:
            raise self._error
        return self.run

    def stop(self) -> None:
        """Stop what runs; what was shown stays."""
        with self._guard:
            self._newest += 1
            if self._timer is not None:
                self._timer.cancel()
        self._rests("stopped; shown is")

    # --- the turn -------------------------------------------------------------------------------

    def _moved(self, event: Any) -> None:
        with self._guard:
            self._newest += 1  # a turn that runs is out of date now
            self._error = None
            self._idle.clear()
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(self.rest, self._start, (self._newest, event["new"]))
            self._timer.daemon = True
            self._timer.start()
        self.button.disabled = False
        self._tell("stale: shown is", self.shown)

    def _start(self, number: int, value: Any) -> None:
        _worker().submit(self._work, number, value)

    def _work(self, number: int, value: Any) -> None:
        if number != self._newest:
            return
        self._tell("stale, running; shown is", self.shown)
        try:
            alt = self._again(number, value)
            bundle = None if alt is None else _bundle(self.show(self.base, alt))
        except Exception as error:
            with self._guard:
                if number != self._newest:
                    return
                self._error = error
            self._rests(f"failed: {error}; shown is")
            return
        with self._guard:
            if alt is None or number != self._newest:
                return
            self.run, self.shown = alt, value
            self.result.outputs = ({"output_type": "display_data", "data": bundle, "metadata": {}},)
        self._rests("shown is")

    def _again(self, number: int, value: Any) -> Run | None:
        """The turn under a value; None if the slider moved on."""
        change = self.change(value)
        if change is None:
            return self.base
        given, more = (change, ()) if isinstance(change, Mapping) else ({}, (change,))
        inputs: Inputs = replace(self.base.inputs, **given)
        with self.lab.edit(*self.base.edits, *more):
            recording = recording_of(self.lab, inputs, self.record, self.budget)
            for _chunk in recording:
                if number != self._newest:
                    return None
        return recording.run()

    # --- what is said ---------------------------------------------------------------------------

    def _rests(self, what: str) -> None:
        self.button.disabled = True
        self._tell(what, self.shown)
        self._idle.set()

    def _tell(self, what: str, value: Any = None) -> None:
        self.badge.stale = self.stale
        self.badge.value = what if value is None else f"{what} {self._name(value)}"

    def _name(self, value: Any) -> str:
        if value == self.first:
            return "the turn as it was"
        return f"{value:g}" if isinstance(value, float) else str(value)

    def _repr_mimebundle_(self, include=None, exclude=None):
        """The live control; in its place where there is no kernel, what it shows."""
        told = f"{self.slider.description}: {self._name(self.shown)}"
        held = self.result.outputs[0]["data"] if self.result.outputs else {}
        inside = held.get("text/html") or f"<pre>{escape(held.get('text/plain', ''))}</pre>"
        plain = {
            "text/plain": f"Control({told})",
            "text/html": f"<p>{escape(told)} (a slider in a live notebook)</p>{inside}",
        }
        if view._render == "static":
            return plain
        return plain | self.box._repr_mimebundle_()


def _check(lab: Lab, run: Run) -> None:
    if not isinstance(run, Run):
        raise ValueError(f"a control starts from a run, not from a {type(run).__name__}")
    if lab.edits:
        raise ValueError("edits are on: make the control outside of `with lab.edit(...)`")


def twin(lab: Lab) -> Lab:
    """A lab around a model with modules of its own and the same weights in memory."""
    omni = lab.omni
    same = [*omni.parameters(), *omni.buffers(), omni.tokenizer]
    copy: Omni = deepcopy(omni, {id(one): one for one in same})
    other = Lab(copy, lab.name, lab.seed, lab.source)
    other.about = lab.about
    return other


@cache
def _worker() -> ThreadPoolExecutor:
    """The thread of all controls: turns share the cores, so there is one at a time."""
    return ThreadPoolExecutor(1, "controls")


def _bundle(value: Any) -> dict[str, str]:
    """What a notebook would show for a value."""
    for name in ("_repr_mimebundle_", "_repr_html_"):
        if hasattr(value, name):
            made = getattr(value, name)()
            return made if name == "_repr_mimebundle_" else {"text/html": made}
    return {"text/plain": repr(value)}


def _widgets():
    try:
        import ipywidgets
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "controls need ipywidgets, which `pip install -e '.[lab]'` installs", name="ipywidgets"
        ) from None
    return ipywidgets
