"""Below the cards: what happened inside. The views of A and B together, of B, or of A.

The views that stand there share one selection. Left out: more than two runs.
"""

from dataclasses import replace

import panel as pn

from widgets.view import Selection, View, escape
from workbench.dashboard.live import Hosted, hosted
from workbench.dashboard.look import html, line, put, stack
from workbench.dashboard.tab import Tab

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


class Inside:
    def __init__(self, tab: Tab):
        self.tab = tab
        self.drawn: tuple[View, ...] = ()
        self.panels: dict[str, Hosted] = {}
        self.listed: list[Hosted] = []
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
            line(self.names, self.which, gap="8px 20px"),
            self.note,
            self.views,
        )
        self.which.param.watch(lambda _event: self.show(), "value")
        self.names.param.watch(lambda _event: self._choose(), "value")

    def show(self) -> None:
        """What the tab holds now."""
        tab, job = self.tab, self.tab.compared
        self.which.visible = job is not None
        if tab.shown is None:
            return
        views = tab.shown.views
        if job is not None and self.which.value != ONE:
            views = (job.both or job.views) if self.which.value == BOTH else tab.pinned.views
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
            given = vars(replace(selection, time=_rounded(selection.time))).items()
            told = ", ".join(
                f"{name}={value!r}" for name, value in given if value not in (None, ())
            )
            text = (
                f"Selected; in a notebook: <code>view.selection = Selection({escape(told)})</code>"
            )
        put(self.note, f'<p class="soft">{text}</p>')


def _rounded(time: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if time is None else (round(time[0], 3), round(time[1], 3))
