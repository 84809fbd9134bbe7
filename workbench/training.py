"""`omni train`: the stages of micro, in the order in which they are run.

    omni train codec --minutes 60     # sound <-> codes
    omni train ear --minutes 40       # sounds -> phones, so that it hears before it reads
    omni train hear --minutes 60      # sounds and text -> text
    omni train speak --minutes 60     # text -> codes
    omni train talk --minutes 30      # spoken questions -> spoken answers
    omni train pack                   # all of them -> model/checkpoints/micro

Each keeps its checkpoint and metrics.jsonl in a folder of its own below `runs` and goes on where it
stopped when called again. Imports that take time stand inside the commands.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, arg
from tyro.extras import SubcommandApp

if TYPE_CHECKING:
    from model.train.loop import Result, Run

train = SubcommandApp()


@dataclass(frozen=True)
class Budget:
    """How long, on what, and where to."""

    minutes: float | None = None
    """of training, over all calls; the learning rate ends with it"""
    steps: int | None = None
    """of training; with minutes too, the first of both ends it"""
    seed: int = 0
    """of the weights and of every batch"""
    data: Path = Path("datasets")
    """folder of the data sets"""
    runs: Path = Path("runs")
    """folder below which every stage has its own"""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """another folder for this stage's checkpoint"""

    def run(self, stage: str) -> "Run":
        from model.train.loop import Run

        return Run(self.out or self.runs / stage, self.steps, self.minutes, self.seed)

    @property
    def features(self) -> Path:
        return self.runs / "features"


@train.command
def codec(budget: OmitArgPrefixes[Budget]) -> None:
    """The codec: sound to codes and back."""
    from model.train.codec import train_codec

    _told(train_codec(budget.data, budget.run("codec")))


@train.command
def ear(budget: OmitArgPrefixes[Budget]) -> None:
    """AuT alone: name the sounds that are heard."""
    from model.data.store import Store
    from model.train import stages
    from model.train.pack import assemble

    omni = assemble(budget.runs, (), seed=budget.seed)
    _told(stages.ear(omni.ear, Store(budget.data), budget.features, budget.run("ear")))


@train.command
def hear(budget: OmitArgPrefixes[Budget]) -> None:
    """AuT and Thinker: transcribe, answer questions. Begins with what `ear` learned, if it ran."""
    from model.data.store import Store
    from model.train import stages
    from model.train.pack import assemble, checkpoint

    omni = assemble(budget.runs, (), seed=budget.seed)
    start = checkpoint(budget.runs, "ear")
    run = budget.run("hear")
    _told(stages.hear(omni, Store(budget.data), budget.features, run, start=start))


@train.command
def speak(budget: OmitArgPrefixes[Budget]) -> None:
    """Talker and MTP: say sentences, in the codes of the trained codec."""
    from model.data.store import Store
    from model.train import stages
    from model.train.pack import assemble

    omni = assemble(budget.runs, (), seed=budget.seed)
    codes = _codes(budget)
    _told(stages.speak(omni, Store(budget.data), codes, budget.run("speak")))


@train.command
def talk(budget: OmitArgPrefixes[Budget]) -> None:
    """Talker and MTP: say the Thinker's answers. Begins with what `speak` learned, if it ran."""
    from model.data.store import Store
    from model.train import stages
    from model.train.pack import HEAR, assemble, checkpoint

    omni = assemble(budget.runs, (HEAR,), seed=budget.seed)
    start, codes = checkpoint(budget.runs, "speak"), _codes(budget)
    store, run = Store(budget.data), budget.run("talk")
    _told(stages.talk(omni, store, budget.features, codes, run, start=start))


@train.command
def pack(
    runs: Path = Path("runs"),
    out: Annotated[Path, arg(aliases=["-o"])] = Path("model/checkpoints/micro"),
    seed: int = 0,
) -> None:
    """Put the trained stages together into a model that `--model` opens.

    Args:
        runs: folder of the stages
        out: folder of the model
        seed: of the weights that no stage has trained
    """
    from model.train.pack import assemble

    assemble(runs, seed=seed).save(out)
    _note(f"{out}: packed from {runs}")


def _codes(budget: Budget) -> Path:
    """The folder of the codes of all clips; they are made again when the codec is newer."""
    from model.data.store import Store
    from model.train.codec import load_codec, tokenise
    from model.train.pack import checkpoint

    trained = checkpoint(budget.runs, "codec")
    folder = budget.runs / "codes"
    for split in ("train", "valid"):
        made = folder / f"{split}.npz"
        if trained and (not made.exists() or made.stat().st_mtime < trained.stat().st_mtime):
            tokenise(Store(budget.data).spoken(split), load_codec(trained), made)
    return folder


def _told(result: "Result") -> None:
    state = "finished" if result.finished else "stopped, call again to go on"
    minutes = result.seconds / 60
    _note(f"{result.checkpoint}: step {result.step}, {minutes:.1f} min of training, {state}")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
