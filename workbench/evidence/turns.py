"""Taking turns: does it stop when it should, go on when it should, and answer in time?

Dialogues with known truth (model/data/dialogues.py): sentences, phrasings, voices and recordings of
the test. Native (the model's own head) and the baseline (silero-vad, and a time-out) hear the same
samples, with the settings they have in use (model/attend.py).

    omni eval world-turns --items 200

Left out: real people; what a wrong decision does to the rest of the dialogue.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from model.attend import Listener, Silero
from model.data.dialogues import Cast, Dialogue, render, sample
from workbench.evidence.candidate import Candidate
from workbench.evidence.experiment import Experiment
from workbench.evidence.figure import Figure, Row, figure, mean, median, quantile
from workbench.evidence.items import Held

NEVER = 2.4  # seconds after the end of a turn at which waiting ends
TOUCH = 0.16  # seconds before the end of a turn that count as its end: a moment
GRACE = 0.5  # seconds after the end of an interruption in which stopping still counts
JUDGE = "the script"

Events = list[tuple[str, float]]  # kind and time


@dataclass(frozen=True)
class Subject:
    id: str
    dialogue: Dialogue
    cast: Cast


@dataclass(frozen=True)
class Attended:
    id: str
    clips: list[str]  # who spoke, far away or not
    begin: float  # of what the other side said; 0 where it said nothing
    end: float
    pauses: list[tuple[float, float]]  # begin and end of each
    native: Events | None  # None: its head is not trained
    silero: Events


@cache
def _cast(root: str) -> Cast:
    return Cast("test", root)


def choose(what: str, held: Held, n: int) -> list[Subject]:
    cast = _cast(str(held.store.root))
    return [Subject(f"{what}-{i}", sample(i, cast, what), cast) for i in range(n)]


def measure(candidate: Candidate, subject: Subject) -> Attended:
    dialogue = subject.dialogue
    samples, talking = render(dialogue, subject.cast), bool(dialogue.talks)
    own = next((line for line in dialogue.lines if line.kind != "far"), None)
    begin, end = (own.start, own.end) if own else (0.0, 0.0)
    pauses, waited = [], begin
    for place, rest in own.pauses if own else ():
        pauses.append((waited + place, waited + place + rest))
        waited += rest
    listener = candidate.listener()
    return Attended(
        subject.id, [line.clip for line in dialogue.lines], begin, end, pauses,
        None if listener is None else _events(listener, samples, talking),
        _events(_silero(), samples, talking),
    )  # fmt: skip


def _events(listener: Listener, samples: np.ndarray, talking: bool) -> Events:
    events, _ = listener.hear(samples, listener.begin(), talking)
    return [(event.kind, event.time) for event in events]


_silero = cache(Silero)


def _times(events: Events, kind: str) -> list[float]:
    return [time for name, time in events if name == kind]


def _stopped(item: Attended, events: Events) -> float | None:
    """Seconds from the begin of an interruption until it was noticed; None: never, or before."""
    first = next(iter(_times(events, "interrupt")), -1.0)
    return first - item.begin if item.begin <= first <= item.end + GRACE else None


def _waited(item: Attended, events: Events) -> float:
    """Seconds from the end of a turn until it was answered."""
    after = [time - item.end for time in _times(events, "turn") if time >= item.end - TOUCH]
    return max(0.0, min([*after, NEVER]))


def _cut(item: Attended, events: Events) -> bool:
    """Was the turn taken for over before it was?"""
    return any(time < item.end - TOUCH for time in _times(events, "turn"))


# --- the rows -------------------------------------------------------------------------------------


def _rows(name: str, what: str, unit: str, bar: float | None, stretch: float | None):
    """A row of ours, and the same of the baseline."""
    own = Row(f"world-turns-{name}", f"turns: {what}", unit, bar, stretch)
    return own, Row(f"{own.name}-silero", f"{own.what}, silero-vad", unit, None, None)


BACKCHANNEL = _rows("backchannel", "false interruptions on backchannels", "%", 10, 3)
OTHERS = _rows("others", "false interruptions by far people, sounds, music", "%", None, None)
MISSED = _rows("missed", "interruptions missed", "%", 10, 3)
STOPS = _rows("stops", "from the begin of an interruption to stopping, median", "ms", None, None)
DELAY = _rows("delay", "delay after the end of a turn, median", "ms", 480, 320)
LATE = _rows("late", "delay after the end of a turn, 90 of 100 are below", "ms", None, None)
EARLY = _rows("early", "turns taken for over in a pause", "%", None, None)

Two = tuple[Row, Row]


def _both(items: Sequence[Attended], make: Callable[[int, Callable], list[Figure]]):
    """Figures of both listeners; of the baseline alone where the head is not trained."""
    made: list[Figure] = []
    if all(item.native is not None for item in items):
        made += make(0, lambda item: item.native)
    return tuple([*made, *make(1, lambda item: item.silero)])


def _false(rows: Two) -> Callable[[Sequence[Attended]], tuple[Figure, ...]]:
    def figures(items: Sequence[Attended]) -> tuple[Figure, ...]:
        def make(which: int, of: Callable) -> list[Figure]:
            wrong = [bool(_times(of(item), "interrupt")) for item in items]
            named = sum(bool(_times(of(item), "backchannel")) for item in items)
            note = f"called backchannels: {named} of {len(items)}"
            return [figure(rows[which], mean(wrong, 100), len(items), JUDGE, note=note)]

        return _both(items, make)

    return figures


def _missed(items: Sequence[Attended]) -> tuple[Figure, ...]:
    def make(which: int, of: Callable) -> list[Figure]:
        found = [_stopped(item, of(item)) for item in items]
        times = [seconds for seconds in found if seconds is not None] or [NEVER]
        missed = mean([seconds is None for seconds in found], 100)
        note = f"90 of 100 below {1000 * np.quantile(times, 0.9):.0f} ms"
        stops = figure(STOPS[which], median(times, 1000), len(times), JUDGE, note=note)
        return [figure(MISSED[which], missed, len(items), JUDGE), stops]

    return _both(items, make)


def _ends(items: Sequence[Attended]) -> tuple[Figure, ...]:
    def make(which: int, of: Callable) -> list[Figure]:
        n, waits = len(items), [_waited(item, of(item)) for item in items]
        never = f"never: {sum(wait == NEVER for wait in waits)}"
        cut = [_cut(item, of(item)) for item in items]
        pauses = sum(len(item.pauses) for item in items)
        note = f"{pauses} pauses of 0.3 to 1.2 s"
        return [figure(DELAY[which], median(waits, 1000), n, JUDGE, note=never),
                figure(LATE[which], quantile(waits, 0.9, 1000), n, JUDGE),
                figure(EARLY[which], mean(cut, 100), n, JUDGE, note=note)]  # fmt: skip

    return _both(items, make)


def _experiment(what: str, rows: tuple[Row, ...], figures: Callable) -> Experiment:
    def chosen(held: Held, n: int) -> list[Subject]:
        return choose(what, held, n)

    return Experiment(f"world-turns-{what}", rows, Attended, chosen, measure, figures)


TURNS = (
    _experiment("backchannel", BACKCHANNEL, _false(BACKCHANNEL)),
    _experiment("others", OTHERS, _false(OTHERS)),
    _experiment("interrupt", (*MISSED, *STOPS), _missed),
    _experiment("turn", (*DELAY, *LATE, *EARLY), _ends),
)
