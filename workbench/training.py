"""`omni train`: the stages of micro, in the order in which they are run.

    omni train codec --minutes 60     # sound <-> codes
    omni train ear --minutes 60       # sounds -> phones and tokens: it hears before it reads
    omni train render --minutes 60    # codes -> sound, the codes stay; the ear, if it ran, judges
    omni train hear --minutes 120     # sounds and text -> text
    omni train look --minutes 40      # pictures -> what is where, in the Thinker's words
    omni train world --minutes 240    # pictures, films, sounds and all of hear -> text
    omni train answer --minutes 30    # questions -> answers; the Thinker alone, the rest stays
    omni train tongues --minutes 40   # other languages, voices, sounds; the ear alone
    omni train spell --minutes 10     # the ear's states -> tokens every 40 ms, the ear stays
    omni train speak --minutes 180    # text -> codes
    omni train talk --minutes 30      # spoken questions -> spoken answers
    omni train reinforce --minutes 60 # text -> attempts, of which ears like some better
    omni train mtp --minutes 60       # Talker's states -> codebooks 1 to 7, the rest stays
    omni train turns --steps 500      # dialogues -> whose turn it is; the head alone
    omni train pack                   # all of them -> model/checkpoints/micro

Each keeps its checkpoint and metrics.jsonl in a folder of its own below `runs` and goes on where it
stopped when called again. Imports that take time stand inside the commands.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg
from tyro.extras import SubcommandApp

if TYPE_CHECKING:
    from model.data.shelf import Shelf
    from model.omni import Omni
    from model.train.listener import Listener
    from model.train.loop import Recipe, Result, Run

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
    start: Path | None = None
    """checkpoint to begin with, or the folder of a whole model; else the stage before, if it ran"""
    lr: float | None = None
    """highest learning rate; else the stage's own"""
    decay: float = 1.0
    """this share of the run falls to a learning rate of 0; only with --lr"""

    def run(self, stage: str) -> "Run":
        from model.train.loop import Run

        return Run(self.out or self.runs / stage, self.steps, self.minutes, self.seed)

    @property
    def recipe(self) -> "Recipe | None":
        from model.train.loop import Recipe

        return None if self.lr is None else Recipe(self.lr, decay=self.decay)

    @property
    def features(self) -> Path:
        return self.runs / "features"


@train.command
def codec(budget: OmitArgPrefixes[Budget]) -> None:
    """The codec: sound to codes and back."""
    from model.train.codec import CodecStage, train_codec

    stage = CodecStage() if budget.lr is None else CodecStage(lr=budget.lr)
    _told(train_codec(budget.data, budget.run("codec"), stage, start=budget.start))


@train.command
def render(budget: OmitArgPrefixes[Budget]) -> None:
    """The codec's renderer alone: the codes keep their meaning, the sound gets better."""
    from model.train.codec import CodecStage, load_codec, train_renderer

    stage = CodecStage.later() if budget.lr is None else CodecStage.later(budget.lr)
    omni, start = _begun(budget)
    if start or not budget.start:
        omni.codec = load_codec(start or _needed(budget.runs, "codec"))
    run = budget.run("render")
    _told(train_renderer(budget.data, run, omni.codec, stage, _listener(budget)))


@train.command
def ear(budget: OmitArgPrefixes[Budget]) -> None:
    """AuT alone: name the sounds that are heard."""
    from model.data.store import Store
    from model.train import stages

    (omni, start), store = _begun(budget), Store(budget.data)
    _told(stages.ear(omni, store, budget.features, budget.run("ear"), budget.recipe, start))


@train.command
def hear(budget: OmitArgPrefixes[Budget]) -> None:
    """AuT and Thinker: transcribe, answer questions."""
    from model.data.store import Store
    from model.train import stages
    from model.train.pack import checkpoint

    (omni, start), store, run = _begun(budget), Store(budget.data), budget.run("hear")
    start = start if budget.start else checkpoint(budget.runs, "ear")
    _told(stages.hear(omni, store, budget.features, run, budget.recipe, start))


@train.command
def look(budget: OmitArgPrefixes[Budget]) -> None:
    """The eye alone: name what is where in pictures, in the words of a Thinker that can hear."""
    from model.omni import Omni
    from model.train.look import look
    from model.train.pack import HEAR, assemble

    omni, start = _begun(budget)
    if not budget.start:
        omni = assemble(budget.runs, (HEAR,), seed=budget.seed)
    elif start:  # an eye of before: in the words of the Thinker below `runs`, or of micro
        omni = assemble(budget.runs, (HEAR,), start=Omni.load("micro"))
    _told(look(omni, _shelves(budget), budget.run("look"), budget.recipe, start))


@train.command
def copies(budget: OmitArgPrefixes[Budget], shards: int = 24) -> None:
    """No training: clips after the codec (micro's, or `--start`'s), for `world` to hear as well.

    Args:
        shards: of the speech, 500 clips each
    """
    from model.data.store import Store
    from model.omni import Omni
    from model.train.features import Features

    codec, out = Omni.load(budget.start or "micro").codec, budget.runs / "copies"
    made = Features.build(Store(budget.data), "train", out, codec, shards)
    _note(f"{out}: {len(made)} clips")


@train.command
def world(budget: OmitArgPrefixes[Budget]) -> None:
    """Eye, ear and Thinker together, on scenes and on what `hear` trains on."""
    from model.data.store import Store
    from model.train import world as stage

    (omni, start), store, eye = _begun(budget), Store(budget.data), None
    if not budget.start:
        start, eye = (_needed(budget.runs, name) for name in ("hear", "look"))
    _told(stage.world(omni, store, budget.features, _shelves(budget), budget.run("world"),
                      budget.recipe, start, eye, budget.runs / "copies"))  # fmt: skip


@train.command
def answer(budget: OmitArgPrefixes[Budget]) -> None:
    """The Thinker alone: answer questions; what it hears and sees stays as it is."""
    from model.data.store import Store
    from model.train.answer import answer

    omni, store, shelves = _whole(budget), Store(budget.data), _shelves(budget)
    run = budget.run("answer")
    _told(answer(omni, store, budget.features, shelves, run, budget.recipe))


@train.command
def tongues(budget: OmitArgPrefixes[Budget]) -> None:
    """Ear and speller: other languages, voices and sounds, for the Thinker that is."""
    from model.data.store import Store
    from model.train.tongues import tongues

    omni, store, shelves = _whole(budget), Store(budget.data), _shelves(budget)
    run = budget.run("tongues")
    _told(tongues(omni, store, budget.features, shelves, run, budget.recipe))


@train.command
def spell(budget: OmitArgPrefixes[Budget]) -> None:
    """The speller alone: what the ear hears, in the Thinker's tokens; both stay as they are."""
    from model.data.store import Store
    from model.train.spell import spell

    omni, store, shelves = _whole(budget), Store(budget.data), _shelves(budget)
    run = budget.run("spell")
    _told(spell(omni, store, budget.features, shelves, run, budget.recipe))


@train.command
def speak(budget: OmitArgPrefixes[Budget]) -> None:
    """Talker and MTP: say sentences, in the codes of the trained codec."""
    from model.data.store import Store
    from model.train import stages

    (omni, start), store, codes = _begun(budget), Store(budget.data), _codes(budget)
    _told(stages.speak(omni, store, codes, budget.run("speak"), budget.recipe, start))


@train.command
def talk(budget: OmitArgPrefixes[Budget]) -> None:
    """Talker and MTP: say the Thinker's answers; the ear, if it ran, judges."""
    from model.data.store import Store
    from model.train import stages
    from model.train.hearing import Hearing
    from model.train.pack import ANSWER, HEAR, assemble, checkpoint

    omni, start = _begun(budget)
    if not budget.start:
        omni = assemble(budget.runs, (HEAR, ANSWER), seed=budget.seed)
        start = checkpoint(budget.runs, "speak")
    store, codes, run = Store(budget.data), _codes(budget), budget.run("talk")
    listener = _listener(budget)
    hearing = Hearing(omni.codec.renderer, listener) if listener else None
    _told(stages.talk(omni, store, budget.features, codes, run, budget.recipe, start, hearing))


@train.command
def reinforce(budget: OmitArgPrefixes[Budget]) -> None:
    """Post-training of the Talker: what ears understand of its attempts gets likelier."""
    from model.data.store import Store
    from model.train.reinforce import reinforce

    omni, store, codes = _whole(budget), Store(budget.data), _codes(budget)
    run, ear = budget.run("reinforce"), _listener(budget)
    _told(reinforce(omni, store, budget.features, codes, run, budget.recipe, listener=ear))


@train.command
def mtp(budget: OmitArgPrefixes[Budget]) -> None:
    """MTP alone: the other codebooks, for a Talker that stays; the ear, if it ran, judges."""
    from model.data.store import Store
    from model.train.mtp import mtp
    from model.train.pack import ANSWER, HEAR, TALKER, assemble

    omni, start = _begun(budget)
    if not (budget.start and budget.start.is_dir()):
        omni = assemble(budget.runs, (HEAR, ANSWER, TALKER), seed=budget.seed)
    store, codes, run = Store(budget.data), _codes(budget), budget.run("mtp")
    _told(mtp(omni, store, budget.features, codes, run, budget.recipe, start, _listener(budget)))


@train.command
def turns(budget: OmitArgPrefixes[Budget], dialogues: int = 700) -> None:
    """The head for turns alone: what the other side does, heard by the ear and Thinker of before.

    Args:
        dialogues: of 24 s to train on; made once below `runs`
    """
    from model.train import turns as stage

    omni = _whole(budget)
    cache, run = budget.runs / "turns" / "heard", budget.run("turns")
    _told(stage.turns(omni, budget.data, cache, run, budget.recipe, dialogues))


@train.command
def blend(
    before: Positional[Path],
    after: Positional[Path],
    share: float = 0.5,
    out: Annotated[Path, arg(aliases=["-o"])] = Path("runs/blend/last.safetensors"),
) -> None:
    """Weights between two checkpoints of a stage, of which one began with the other.

    Args:
        before: the first
        after: what further training made of it
        share: of the way from the first to the second
        out: the checkpoint to write
    """
    from model.train import pack

    pack.blend(before, after, share, out)
    _note(f"{out}: {share:g} of the way from {before} to {after}")


@train.command
def pack(
    runs: Path = Path("runs"),
    out: Annotated[Path, arg(aliases=["-o"])] = Path("model/checkpoints/micro"),
    seed: int = 0,
    start: Path | None = None,
) -> None:
    """Put the trained stages together into a model that `--model` opens.

    Args:
        runs: folder of the stages
        out: folder of the model
        seed: of the weights that no stage has trained
        start: folder of a whole model, in which the stages found below `runs` are replaced
    """
    from model.omni import Omni
    from model.train.pack import assemble

    assemble(runs, seed=seed, start=Omni.load(start) if start else None).save(out)
    _note(f"{out}: packed from {runs}")


def _begun(budget: Budget) -> "tuple[Omni, Path | None]":
    """The model to train and the checkpoint its stage begins with: a whole model that was given,
    else micro with the random weights of the seed."""
    from model.omni import Omni
    from model.train.pack import assemble

    if budget.start and budget.start.is_dir():
        return Omni.load(budget.start), None
    return assemble(budget.runs, (), seed=budget.seed), budget.start


def _whole(budget: Budget) -> "Omni":
    """A model that hears: the one that was given, else what the stages have made so far."""
    from model.train.pack import ANSWER, HEAR, assemble

    omni, start = _begun(budget)
    if start:
        raise ValueError(f"{start}: this stage starts with the folder of a whole model, or none")
    return omni if budget.start else assemble(budget.runs, (HEAR, ANSWER), seed=budget.seed)


def _listener(budget: Budget) -> "Listener | None":
    """The ear of the stages that have run, to judge sounds with."""
    from model.omni import Omni, OmniConfig
    from model.train.listener import Listener
    from model.train.pack import HEAR, checkpoint

    ear = checkpoint(budget.runs, *HEAR, "ear")
    return Listener.of(ear, Omni(OmniConfig.micro())) if ear else None


def _shelves(budget: Budget) -> "tuple[Shelf, Shelf]":
    """What scenes are made of, to train on and to validate with."""
    from model.data.shelf import shelf

    return shelf("train", budget.data), shelf("valid", budget.data)


def _needed(runs: Path, stage: str) -> Path:
    from model.train.pack import checkpoint

    found = checkpoint(runs, stage)
    if found is None:
        raise FileNotFoundError(
            f"{runs / stage} holds no checkpoint: run `omni train {stage}` first"
        )
    return found


def _codes(budget: Budget) -> Path:
    """The folder of the codes of all clips; they are made again when the codec or the clips are
    newer. A whole model that training begins with brings its own codec."""
    from model.data.store import Store
    from model.omni import Omni
    from model.train.codec import load_codec, tokenise

    whole = budget.start and budget.start.is_dir()
    trained = budget.start / "model.safetensors" if whole else _needed(budget.runs, "codec")
    codec, folder = None, budget.runs / "codes"
    for split, copies in (("valid", 1), ("train", 3)):
        made, clips = folder / f"{split}.npz", Store(budget.data).spoken(split)
        newest = max(path.stat().st_mtime for path in (trained, *clips.shards))
        if not made.exists() or made.stat().st_mtime < newest:
            codec = codec or (Omni.load(budget.start).codec if whole else load_codec(trained))
            tokenise(clips, codec, made, copies, jobs=2)
    return folder


def _told(result: "Result") -> None:
    state = "finished" if result.finished else "stopped, call again to go on"
    minutes = result.seconds / 60
    _note(f"{result.checkpoint}: step {result.step}, {minutes:.1f} min of training, {state}")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
