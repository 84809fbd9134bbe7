"""The page of one tab: three cards and what lies below them, and what happens between them.

    page = Page(Tab(desk)); page.template()

While a job is live, the page looks at it several times a second; else it does nothing.
Left out: the cards themselves (goes_in.py, changes.py, comes_out.py, inside.py).
"""

from dataclasses import replace

import panel as pn

from workbench.dashboard.changes import Changes
from workbench.dashboard.comes_out import ComesOut
from workbench.dashboard.form import with_edits
from workbench.dashboard.goes_in import GoesIn
from workbench.dashboard.inside import Inside
from workbench.dashboard.job import LIVE, Order
from workbench.dashboard.look import FOLDER, code, html, line, put, sentence, stack
from workbench.dashboard.tab import Tab

PERIOD = 150  # ms between two looks at a job that is live
MICRO = (
    "micro is a tiny model ({}), trained here on two CPU cores. It hears, thinks and speaks, and is"
    " often wrong."
)
COPY, COPIED = "Copy this turn as Python", "Copied"
TO_CLIPBOARD = f"""
navigator.clipboard.writeText(script.value);
cb_obj.origin.label = "{COPIED}";
setTimeout(() => {{ cb_obj.origin.label = "{COPY}"; }}, 1500);
"""


class Page:
    def __init__(self, tab: Tab, ranges: dict[str, str]):
        self.tab = tab
        lab = tab.desk.lab
        self.goes_in = GoesIn(lab.seed)
        self.changes = Changes(ranges)
        self.comes_out = ComesOut()
        self.inside = Inside(tab)
        self.go = pn.widgets.Button(label="Run", color="primary", css_classes=["run"])
        self.halt = pn.widgets.Button(label="Stop", css_classes=["run"], disabled=True, width=90)
        self.go.sizing_mode = "stretch_width"
        self.again = pn.widgets.Checkbox(
            label="let B say the words of A, so that each can be compared", visible=False
        )
        self.again.param.watch(lambda _event: self._changed(), "value")
        self.status, self.code = html(), html()
        self.script = pn.widgets.TextAreaInput(visible=False, max_length=100_000)
        self.copy = pn.widgets.Button(label=COPY, css_classes=["plain"])
        self.copy.js_on_click(args={"script": self.script}, code=TO_CLIPBOARD)
        self.timer = None
        self.go.on_click(lambda _event: self.run())
        self.halt.on_click(lambda _event: tab.stop())
        self.comes_out.pin.on_click(lambda _event: self.pin())
        self.comes_out.unpin.on_click(lambda _event: self.unpin())
        self.goes_in.changed = self.changes.changed = self._changed
        self._changed()

    def template(self) -> pn.template.Template:
        lab = self.tab.desk.lab
        millions = f"{lab.about.parameters / 1e6:.1f} million parameters"
        about = MICRO if lab.name == "micro" else f"The model is {lab.name} ({{}})."
        page = pn.template.Template((FOLDER / "page.html").read_text())
        page.add_variable("frame_css", (FOLDER / "frame.css").read_text())
        page.add_variable("about", about.format(millions))
        for name, panel in (
            ("goes_in", self.goes_in.panel),
            ("changes", stack(
                self.changes.panel, self.code, self.again,
                line(self.go, self.halt, flex_wrap="nowrap"),
                self.status, self.copy, self.script,
            )),
            ("comes_out", self.comes_out.panel),
            ("inside", self.inside.panel),
        ):  # fmt: skip
            page.add_panel(name, panel)
        return page

    # --- what is asked for ------------------------------------------------------------------------

    def order(self) -> Order:
        order = self.goes_in.order()
        if self.again.visible and self.again.value and "aloud" not in order.turn:
            words = tuple(self.tab.pinned.run.words.tolist())
            order = replace(order, turn={**order.turn, "words": words, "most": max(1, len(words))})
        return replace(order, choices=self.changes.choices())

    def run(self) -> None:
        try:
            self.tab.run(self.order())
        except ValueError as error:
            put(self.status, sentence(error))
            return
        self.go.disabled, self.halt.disabled = True, False
        self.look()
        if pn.state.curdoc:
            self.timer = pn.state.add_periodic_callback(self.look, PERIOD)

    def _changed(self) -> None:
        """Say what a click on Run would do, as Python and in megabytes."""
        self.script.value, self.copy.disabled = "", True
        try:
            self.goes_in.order()
        except ValueError as error:
            if not self.tab.busy:
                put(self.status, sentence(error, "soft"))
            return
        try:
            order = self.order()
            self.copy.disabled = False
            self.script.value = order.code(self.tab.desk.lab.name)
            put(self.code, code(with_edits(order.choices)) if order.choices else "")
            self.code.visible = bool(order.choices)
            if not self.tab.busy:
                put(self.status, f'<p class="soft">{self._size(order)}</p>')
        except ValueError as error:
            if not self.tab.busy:
                put(self.status, sentence(error))

    def _size(self, order: Order) -> str:
        if not order.record:
            return "Nothing is recorded besides text and sound."
        estimate = self.tab.desk.estimate(order.ask)
        if estimate is None:
            return "Another turn is being run; yours will wait for it."
        return f'<span title="{estimate}">It will record up to {estimate.total:.2g} MB.</span>'

    # --- what comes of it -------------------------------------------------------------------------

    def look(self) -> None:
        """Show how far the job of this tab is."""
        job = self.tab.job
        state, before = job.state, job.place  # as they are now
        told = {
            "waiting": f"Waiting: {before} turn{'s' * (before != 1)} before yours.",
            "running": f"Running for {job.seconds:.1f} s: {job.words} words,"
            f" {job.speech:.1f} s of speech.",
            "drawing": "Drawing the views.",
            "stopped": f"Stopped after {job.seconds:.1f} s.",
            "done": f"Done in {job.seconds:.1f} s.",
            "failed": "",
        }[state]
        still = "" if state in LIVE else " still"
        put(self.status, f'<div class="going{still}"><i></i></div>'
            f'<p class="soft" role="status">{told}</p>')  # fmt: skip
        if state in LIVE:
            self.comes_out.stream(job)
            return
        if self.timer is not None:
            self.timer.stop()
            self.timer = None
        self.go.disabled, self.halt.disabled = False, True
        if job.run is None and job.error:
            self.comes_out.failed(job)
        if self.tab.look():
            self.comes_out.show(job)
            self.comes_out.compare(self.tab)
            self.inside.show()

    def pin(self) -> None:
        self.tab.pin()
        self._pinned()

    def unpin(self) -> None:
        self.tab.unpin()
        self._pinned()

    def _pinned(self) -> None:
        self.again.visible = self.tab.pinned is not None
        self.comes_out.compare(self.tab)
        self.inside.show()
        self._changed()
