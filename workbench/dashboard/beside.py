"""A beside B, as HTML: what was changed, both texts and sounds, and by how much they differ.

Left out: the pictures of both (inside.py shows those views).
"""

from collections.abc import Sequence

from widgets.view import escape
from workbench.compare import Measure, Passage
from workbench.dashboard.job import Job
from workbench.dashboard.look import player
from workbench.run import Run

MEASURES = ("words changed", "KL, mean", "speech", "mel distance", "first output")


def comparison(job: Job) -> str:
    """What was changed and what came of it, with both sounds."""
    change = job.change
    lines = {repr(choice.edit): choice.line for choice in job.order.choices}
    changed = escape(", ".join(lines.get(one, one) for one in change.changed) or "nothing", 1000)
    pair = _side("A", change.text, change.run) + _side("B", change.text, change.alt)
    measures = change.measures()
    short = "".join(_figure(m) for m in measures if m.name in MEASURES)
    rows = "".join(_row(measure) for measure in measures)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "A", "B", "change"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return (
        f'{pair}<p class="soft">Changed: <code>{changed}</code></p>'
        f'<div class="chips">{short}</div>'
        f"<details><summary>All that was measured</summary>{table}</details>"
    )


def _side(letter: str, passages: Sequence[Passage], run: Run) -> str:
    """One answer; what the other one has not is marked."""
    mark, at = ("del", 1) if letter == "A" else ("ins", 2)
    said = [(escape(p[at], 2000), p.same) for p in passages if p[at]]
    text = "".join(one if same else f"<{mark}>{one}</{mark}>" for one, same in said)
    sound = player(run.audio, run.meta.rate, f"sound of {letter}") if len(run.audio) else ""
    head = f'<span class="letter">{letter}</span><bdi>{text or "(no words)"}</bdi>'
    return f'<div class="side"><p>{head}</p>{sound}</div>'


def _figure(measure: Measure) -> str:
    pair = "" if measure.run is None else f"{_short(measure.run)} \u2192 {_short(measure.alt)} "
    told = pair + (measure.unit if pair else f"{_short(measure.change)} {measure.unit}")
    if measure.unit.startswith("share"):
        told = f"{measure.change:.0%}{measure.unit.removeprefix('share')}"
    return f"<span>{escape(measure.name)} <b>{escape(told)}</b></span>"


def _row(measure: Measure) -> str:
    change = "" if measure.change is None else f"{_short(measure.change)} {measure.unit}"
    cells = (_short(measure.run), _short(measure.alt), change)
    told = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(measure.name)}</th>{told}</tr>'


def _short(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
