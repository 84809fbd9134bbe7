"""Below the cards: what happened inside. A beside B, and the views of both, of B, or of A.

The views that stand there share one selection. Left out: more than two runs.
"""

import panel as pn

from widgets.view import Selection, View, escape
from workbench.compare import Measure
from workbench.dashboard.desk import Turn
from workbench.dashboard.live import Hosted, hosted
from workbench.dashboard.look import html, line, player, put, stack
from workbench.dashboard.tab import Tab
from workbench.run import Run

NAMES = {
    "align": "Text and speech",
    "routing": "Experts",
    "attention": "Attention",
    "latency": "Latency",
}
BOTH, ONE, PINNED = "A beside B", "B", "A"
HALF = {"flex": "1 1 600px", "min-width": "0", "gap": "14px"}
HINT = (
    "Four views will open here: how text and speech were interleaved, which experts each token went"
    " to, where the attention looked, and when each part ran. A click in one moves the others."
)
CLICK = "Click a word, a frame or an expert: every view shows the same moment."
MEASURES = ("words changed", "KL, mean", "speech", "mel distance", "first output")


class Inside:
    def __init__(self, tab: Tab):
        self.tab = tab
        self.drawn: tuple[View, ...] = ()
        self.panels: dict[str, Hosted] = {}
        self.listed: list[Hosted] = []
        self.compared = html(visible=False, css_classes=["panel"])
        self.unpin = pn.widgets.Button(name="Unpin A", css_classes=["plain"], visible=False)
        self.note = html(f'<p class="soft">{HINT}</p>')
        self.which = pn.widgets.RadioButtonGroup(
            options=[BOTH, ONE, PINNED], value=BOTH, visible=False
        )
        self.names = pn.widgets.CheckButtonGroup(
            options={name: module for module, name in NAMES.items()}, value=list(NAMES),
            visible=False,
        )  # fmt: skip
        self.views = line(gap="14px", align_items="flex-start")
        self.panel = stack(
            self.compared,
            line(self.names, self.which, self.unpin, gap="8px 20px", align_items="center"),
            self.note,
            self.views,
        )
        self.which.param.watch(lambda _event: self.show(), "value")
        self.names.param.watch(lambda _event: self._choose(), "value")

    def show(self) -> None:
        """What the tab holds now."""
        tab, turn = self.tab, self.tab.compared
        put(self.compared, "" if turn is None else comparison(turn))
        self.compared.visible = self.which.visible = turn is not None
        self.unpin.visible = tab.pinned is not None
        if tab.shown is None:
            return
        views = tab.shown.views
        if turn is not None and self.which.value != ONE:
            views = turn.both if self.which.value == BOTH else tab.pinned.views
        self.names.visible = len(views) > 1
        if views is not self.drawn:
            self.drawn = views
            modules = [view.module for view in views]
            self.panels = dict(zip(modules, hosted(views, self._told), strict=True))
            for panel in self.panels.values():
                panel.css_classes = ["panel"]
            self._told(Selection())
        self._choose()

    def _choose(self) -> None:
        """Those views that are wished for, in two columns where there is room."""
        shown = [panel for module, panel in self.panels.items() if module in self.names.value]
        if shown != self.listed:
            self.listed, half = shown, (len(shown) + 1) // 2
            columns = [part for part in (shown[:half], shown[half:]) if part]
            self.views.objects = [stack(*part, styles=HALF) for part in columns]

    def _told(self, selection: Selection) -> None:
        text = CLICK
        if selection != Selection():
            line = f"view.selection = {selection!r}"
            text = f"Selected; in a notebook: <code>{escape(line)}</code>"
        put(self.note, f'<p class="soft">{text}</p>')


# --- A beside B -----------------------------------------------------------------------------------


def comparison(turn: Turn) -> str:
    """What was changed and what came of it, with both sounds."""
    change = turn.change
    lines = {repr(choice.edit): choice.line for choice in turn.ask.choices}
    changed = escape(", ".join(lines.get(one, one) for one in change.changed) or "nothing", 1000)
    mine = "".join(f"<del>{escape(p.run)}</del>" if not p.same else escape(p.run)
                   for p in change.text if p.run)  # fmt: skip
    yours = "".join(f"<ins>{escape(p.alt)}</ins>" if not p.same else escape(p.alt)
                    for p in change.text if p.alt)  # fmt: skip
    pair = _side("A", mine, change.run) + _side("B", yours, change.alt)
    measures = change.measures()
    short = "".join(_figure(m) for m in measures if m.name in MEASURES)
    rows = "".join(_row(measure) for measure in measures)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "A", "B", "change"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return (
        f'<div class="beside"><h2>A beside B</h2><p>Changed: <code>{changed}</code></p>'
        f'<div class="pair">{pair}</div><div class="chips">{short}</div>'
        f"<details><summary>All that was measured</summary>{table}</details></div>"
    )


def _side(letter: str, text: str, run: Run) -> str:
    sound = player(run.audio, run.meta.rate, f"sound of {letter}") if len(run.audio) else ""
    text = text or "(no words)"
    return f'<div><p><span class="letter">{letter}</span><bdi>{text}</bdi></p>{sound}</div>'


def _figure(measure: Measure) -> str:
    pair = "" if measure.run is None else f"{_short(measure.run)} \u2192 {_short(measure.alt)} "
    told = pair + (measure.unit if pair else f"{_short(measure.change)} {measure.unit}")
    return f"<span>{escape(measure.name)} <b>{escape(told)}</b></span>"


def _row(measure: Measure) -> str:
    change = "" if measure.change is None else f"{_short(measure.change)} {measure.unit}"
    cells = (_short(measure.run), _short(measure.alt), change)
    told = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(measure.name)}</th>{told}</tr>'


def _short(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
