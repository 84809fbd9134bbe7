"""From the stages' checkpoints to one model that can be saved and shipped.

    runs/render, world, eye, tongues, spell, answer, reinforce, mtp, turns: last.safetensors
    (or of an earlier: codec, hear, talk, speak)
    assemble(Path("runs")).save("model/checkpoints/micro")

What no stage has trained (without `world`, the vision encoder; without `turns`, the head for turns)
keeps the random weights of the seed, or those of the model that is given. `blend` is the straight
line between two checkpoints of which one began with the other: where a second training learnt new
things and lost some of the old, a point between them has both (weight averaging, Wortsman et al.,
2022).
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from model.omni import Omni, OmniConfig
from model.train.loop import weights

CODEC = ("render", "codec")  # the later stage first
HEAR = ("world", "hear")
EYE = ("eye",)  # if `omni train look -o runs/eye` went on with the eye that `HEAR` has made
TONGUES = ("tongues",)  # if it ran: ear and speller, of the model that `HEAR` has made
SPELL = ("spell",)  # if it ran, as the next: of the model that `HEAR` has made
ANSWER = ("answer",)
TALKER = ("reinforce", "talk", "speak")
MTP = ("mtp",)  # if it ran: `talk` has trained it already
TURNS = ("turns",)
STAGES = (CODEC, HEAR, EYE, TONGUES, SPELL, ANSWER, TALKER, MTP, TURNS)


def assemble(
    runs: str | Path, stages: Sequence[Sequence[str]] = STAGES,
    config: OmniConfig | None = None, seed: int = 0, start: Omni | None = None,
) -> Omni:  # fmt: skip
    """The model with the weights of these stages below `runs`; each must be there but for `eye`,
    `tongues`, `spell`, `answer`, `mtp` and `turns`, and but for those that `start` has already."""
    torch.manual_seed(seed)
    omni = start or Omni(config or OmniConfig.micro())
    for names in stages:
        path = checkpoint(Path(runs), *names)
        if path is None and (start or names in (EYE, TONGUES, SPELL, ANSWER, MTP, TURNS)):
            continue
        if path is None:
            raise FileNotFoundError(
                f"{Path(runs) / names[-1]} holds no checkpoint: run `omni train {names[-1]}` first"
            )
        state = weights(path)
        for module, prefixes in (
            (omni.codec, ("codec.",)),
            (omni.ear, ("aut.", "ear.aut.", "hear.ear.aut.")),
            (omni.speller, ("speller.", "ear.spell.", "hear.ear.spell.")),
            (omni.eye, ("look.eye.", "eye.")),
            (omni.thinker, ("thinker.", "hear.thinker.")),
            (omni.thinker.turns, ("turns.",)),
            (omni.talker, ("talker.", "speak.talker.")),
            (omni.talker.mtp.enter, ("mtp.enter.",)),
            (omni.talker.mtp.stack, ("mtp.stack.",)),
            (omni.talker.mtp.heads, ("mtp.heads.",)),
        ):
            for prefix in prefixes:
                _put(module, state, prefix, path)
    return omni


def blend(before: Path, after: Path, share: float, out: Path) -> None:
    """Write the weights that lie `share` of the way (0 to 1) from one checkpoint to another."""
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie between 0 and 1, not {share}")
    one, other = weights(before), weights(after)
    if {k: v.shape for k, v in one.items()} != {k: v.shape for k, v in other.items()}:
        raise ValueError(f"{before} and {after} are of different models")
    mixed = {f"model.{k}": torch.lerp(v.float(), other[k].float(), share).to(v.dtype)
             if v.is_floating_point() else other[k] for k, v in one.items()}  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    try:
        save_file(mixed, part)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def checkpoint(runs: Path, *names: str) -> Path | None:
    """The checkpoint of the first of these stages that has one."""
    paths = (runs / name / "last.safetensors" for name in names)
    return next((path for path in paths if path.exists()), None)


def _put(module: nn.Module, state: dict[str, Tensor], prefix: str, path: Path) -> None:
    part = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    if part:
        try:
            module.load_state_dict(part)
        except RuntimeError as error:
            raise ValueError(f"{path} is of another model: {error}") from None
