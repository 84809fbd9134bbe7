"""What recording costs: time, room on disk, and the wait for the first picture.

    omni bench record                # each kind of record: time of the turn over the bare one
    omni bench room                  # bytes of an .omnirun
    omni bench picture               # from arrays to the page, and to the picture, of a view

The turn is micro's, a recorded question and an answer of about 10 s; its words are given, so that
every repetition says the same. Time is that of the processor, so that other work on the machine
does not count; a ratio is to the bare turns before and after, the median over repetitions. The long
views show the records of that turn over and over.

Left out: what a browser needs to draw the page.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np

from model.omni import Omni
from model.senses.message import Message, load_audio
from widgets.align import AlignView
from widgets.routing import RoutingView
from widgets.view import View
from workbench.bench import Speed
from workbench.record import Recording
from workbench.run import Inputs, Run

QUESTION = "datasets/samples/question.wav"
ANSWER = (
    "The old harbour lies below the hill, and when the wind turns north the fishing boats come home"
    " before dark. You can hear their bells from the old light house, and see the lamp above the"
    " water."
)
KINDS = (
    "routing", "router-logits", "attn", "attn:talker", "align", "delta", "codes", "logits",
    "latency",
)  # fmt: skip
TOKENS = (1000, 20_000)


@cache
def omni() -> Omni:
    return Omni.load("micro")


def _turn(*kinds: str) -> tuple[float, Run]:
    """Seconds that the processor spent on the turn, and its Run."""
    words = tuple(omni().tokenizer.encode(ANSWER))
    ask = (Message.of("user", load_audio(QUESTION)),)
    recording = Recording(omni(), Inputs(ask, words=words, most=len(words)), kinds)
    start = time.process_time()
    for _chunk in recording:
        pass
    return time.process_time() - start, recording.run()


def record(row: str, repeats: int) -> Iterator[Speed]:
    _, run = _turn()
    ratios: dict[str, list[float]] = {kind: [] for kind in (*KINDS, "all")}
    for _ in range(repeats):
        before, _ = _turn()
        times = {kind: _turn(*(KINDS[1:] if kind == "all" else (kind,)))[0] for kind in ratios}
        after, _ = _turn()
        for kind, seconds in times.items():
            ratios[kind].append(2 * seconds / (before + after))
    for kind, found in ratios.items():
        what = f"recording {kind}, {run.seconds:.1f} s of speech"
        yield Speed(row, what, "x the bare turn", statistics.median(found))


def room(row: str, repeats: int) -> Iterator[Speed]:
    for told, kinds in (("nothing", ()), ("routing", ("routing",)), ("all", KINDS[1:])):
        _, run = _turn(*kinds)
        with tempfile.TemporaryDirectory() as folder:
            size = run.save(Path(folder) / "turn.omnirun").stat().st_size
        what = f".omnirun of {run.seconds:.1f} s, {told} recorded"
        yield Speed(row, what, "kB", size / 1e3)


def picture(row: str, repeats: int) -> Iterator[Speed]:
    _, run = _turn("router-logits", "align")
    for tokens in TOKENS:
        for name, view in (("routing", _routing), ("alignment", _alignment)):
            for told, show in (("page", "html"), ("picture", "png")):
                call = partial(_shown, view, show, run, tokens)
                times = [_seconds(call) for _ in range(repeats)]
                what = f"{name} of {tokens:,} tokens, arrays to {told}"
                yield Speed(row, what, "ms", 1e3 * statistics.median(times))


def _shown(view: Callable[[Run, int], View], show: str, run: Run, tokens: int) -> None:
    getattr(view(run, tokens), show)()


def _routing(run: Run, tokens: int) -> RoutingView:
    """The Thinker's routing over and over."""
    one, stage = run.routing.thinker, run.thinker
    at = np.arange(tokens) % len(stage)
    return RoutingView(
        topk_ids=one.experts[at], topk_w=one.weights[at], logits=one.logits[at], E=one.count,
        modality=stage.modality[at], phase=stage.phase[at],
        tokens=[run.pieces.get(str(i), "") for i in stage.id[at].tolist()],
    )  # fmt: skip


def _alignment(run: Run, tokens: int) -> AlignView:
    """The answer over and over, cut at its end; at 12.5 frames a second."""
    units, words = run.units, len(run.words)
    times = -(-tokens // words)
    text = np.concatenate([np.where(units.text < 0, -1, units.text + i * words)
                           for i in range(times)])  # fmt: skip
    texts = [run.pieces[str(i)] for i in run.words.tolist()] * times
    return AlignView(
        units={"kind": np.tile(units.kind, times), "text_idx": text},
        tokens={"str": texts},
        frame_s=run.meta.frame_s,
        audio=np.tile(run.audio, times),
        sr=run.meta.rate,
    )


def _seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


ROWS: dict[str, Callable[[str, int], Iterator[Speed]]] = {
    "record": record,
    "room": room,
    "picture": picture,
}
