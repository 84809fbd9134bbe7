"""The third card: what comes out. The answer as it streams, its sound, figures, files.

Left out: the views (inside.py).
"""

import io
import tempfile
import warnings
from pathlib import Path

import panel as pn

from widgets.view import escape
from workbench.dashboard.beside import comparison
from workbench.dashboard.job import Job
from workbench.dashboard.look import html, line, player, put, sentence, stack
from workbench.dashboard.tab import Tab
from workbench.run import Run

NOTHING = "Press Run: the answer appears here while it is made."
HINT = "Pin this run as A, change something, and run again: what comes out is B, beside A."
WAIT = "This run is A. Change something and run again: what comes out is B, beside it."


class ComesOut:
    def __init__(self):
        self.run: Run | None = None
        self.said = html(f'<div class="said none">{NOTHING}</div>')
        self.sound, self.figures = html(visible=False), html()
        self.keep = pn.widgets.FileDownload(
            callback=lambda: _file(self.run, ".omnirun"), filename="turn.omnirun",
            label="Keep the run (.omnirun)",
        )  # fmt: skip
        self.page = pn.widgets.FileDownload(
            callback=lambda: _file(self.run, ".html"), filename="turn.html",
            label="Keep the views (.html)",
        )  # fmt: skip
        self.pin = pn.widgets.Button(label="Pin as A")
        self.unpin = pn.widgets.Button(label="Unpin A")
        self.files = line(self.pin, self.unpin, self.keep, self.page, visible=False)
        self.hint = html(f'<p class="soft">{HINT}</p>', visible=False)
        self.panel = stack(self.said, self.sound, self.figures, self.files, self.hint)

    def stream(self, job: Job) -> None:
        """What has come so far."""
        kind = "said" if job.text.strip() else "said none"
        text = escape(job.text.strip(), 4000) or "\u2026"
        put(self.said, f'<div class="{kind}">{text}</div>')
        self.sound.visible = self.files.visible = self.hint.visible = False
        put(self.figures, "")

    def failed(self, job: Job) -> None:
        put(self.said, sentence(job.error))

    def show(self, job: Job) -> None:
        """A job that is over."""
        run = self.run = job.run
        text = escape(run.text.strip(), 4000) or "(no words)"
        put(self.said, f'<div class="said">{text}</div>')
        if len(run.audio):
            put(self.sound, player(run.audio, run.meta.rate, "the answer"))
        self.sound.visible = bool(len(run.audio))
        put(self.figures, chips(job))
        self.files.visible = True

    def compare(self, tab: Tab) -> None:
        """What is pinned, and what the shown run is beside it."""
        pinned, both = tab.pinned, tab.compared
        if both is not None:
            put(self.said, comparison(both))
            self.sound.visible = False
        elif tab.shown is not None:
            self.show(tab.shown)
        self.pin.visible = tab.shown is not pinned
        self.unpin.visible = pinned is not None
        hint = HINT if pinned is None else WAIT
        trouble = tab.shown is not None and tab.shown.error
        put(self.hint, sentence(trouble) if trouble else f'<p class="soft">{hint}</p>')
        self.hint.visible = tab.shown is not None and (both is None or bool(trouble))


def chips(job: Job) -> str:
    """The figures of a run, in a line."""
    run = job.run
    end = run.marks.get("end", 0) / 1e9
    told = [("words", f"{len(run.words)}")]
    if "first word" in run.marks:
        told.append(("first word", f"{run.marks['first word'] / 1e6:.0f} ms"))
    if "first audio" in run.marks:
        told.append(("first sound", f"{run.marks['first audio'] / 1e6:.0f} ms"))
    if len(run.audio):
        told.append(("speech", f"{run.seconds:.1f} s"))
    if end:
        told.append(("made in", f"{end:.1f} s while recorded"))
    told.append(("seed", str(run.inputs.seed)))
    if job.order.choices and job.change is None:
        told.append(("changed", ", ".join(choice.line for choice in job.order.choices)))
    each = "".join(f"<span>{name} <b>{escape(value)}</b></span>" for name, value in told)
    return f'<div class="chips">{each}</div>'


def _file(run: Run | None, suffix: str) -> io.BytesIO:
    """The run as a file of this kind."""
    out = io.BytesIO()
    if run is not None:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a page that is kept may be large
            path = Path(folder) / f"turn{suffix}"
            if suffix == ".html":
                run.export(path, force=True)
            else:
                run.save(path)
            out = io.BytesIO(path.read_bytes())
    return out
