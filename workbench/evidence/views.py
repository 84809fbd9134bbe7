"""Pictures of the views for the README: a real turn of micro and the same turn after an edit.

    python -m workbench.evidence.views            # writes workbench/evidence/pictures/*.png

The question is a recording (datasets/samples/question_male.wav); what is drawn is what `view.png()`
draws, in light and dark. The latency picture has further recordings of the same turn behind it,
without the first one, which is warm-up; record them while the machine has nothing else to do (its
load stands in the title). Left out: pictures of the pages in a browser.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import workbench as wb
from widgets.view import View
from workbench.lab import Lab

QUESTION = "datasets/samples/question_male.wav"
FOLDER = Path(__file__).with_name("pictures")
KINDS = ("router-logits", "attn", "align", "delta", "latency", "logits")
REPEATS = 12
LARGEST = 250_000  # bytes of one picture


def views(
    lab: Lab, question: str | Path = QUESTION, repeats: int = REPEATS, **how
) -> Iterator[View]:
    """The four views of a turn (`how`: any of its inputs), then both runs in one layout."""
    how = {"audio": question, "interval": 0.5, **how}
    lab.run(**how)  # warm-up
    run = lab.run(**how, record=KINDS)
    yield run.view.align(f'Text and speech: "{run.text.strip()}"')
    yield run.view.routing()
    yield run.view.attention()
    more = [lab.rerun(run, ["latency"]) for _ in range(repeats)]
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    yield run.view.latency(f"Streaming latency ({load})", repeats=more)
    busiest = int(run.routing.thinker.load()[2].argmax())
    with lab.edit(wb.ban_expert(2, busiest)):
        alt = lab.rerun(run)
    yield wb.diff(run, alt).layout


def write(lab: Lab, folder: Path = FOLDER, **how) -> list[Path]:
    """A light and a dark picture of every view, each below a quarter of a megabyte."""
    folder.mkdir(exist_ok=True)
    written = []
    for view in views(lab, **how):
        for theme in ("light", "dark"):
            data = next(
                (png for png in (view.png(theme, dpi) for dpi in (150, 110, 80))
                 if len(png) <= LARGEST),
                None,
            )  # fmt: skip
            if data is None:
                raise ValueError(f"a picture of {view.module} is larger than {LARGEST} bytes")
            written.append(folder / f"{view.module}-{theme}.png")
            written[-1].write_bytes(data)
    return written


def lines(paths: list[Path]) -> str:
    """What the README says to show the pictures, dark where its reader's page is."""
    out = []
    for light, dark in zip(paths[::2], paths[1::2], strict=True):
        view = light.stem.removesuffix("-light")
        out.append(
            f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
            f'<img src="{light}" alt="{ALTS[view]}"></picture>'
        )
    return "\n\n".join(out)


ALTS = {
    "align": "Text and speech of an answer of micro on one time axis",
    "routing": "Which experts the tokens of a turn of micro went to, by layer and modality",
    "attention": "Where the heads of the Thinker look, over seconds of the question",
    "latency": "When each part of a turn of micro ran, and whether the sound kept up",
    "pair": "A turn of micro beside the same turn without one expert",
}

if __name__ == "__main__":
    import sys

    root = Path(__file__).parents[2]
    found = write(wb.load("micro", seed=0))
    sys.stdout.write(lines([path.relative_to(root) for path in found]) + "\n")
