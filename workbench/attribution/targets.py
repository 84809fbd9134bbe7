"""The number that is explained: the log-probability of what was answered, as it was recorded.

    Written(run, (0, 1)).score(omni, prompts)         # of two tokens, for every prompt
    Spoken(run, (3,)).score(omni, prompts)            # of a frame of speech, all its codes together

Letters: J targets, B prompts at once, T tokens, D width.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.omni import Omni, Prompt
from model.turn import State, opening
from workbench.run import UNITS, Run
from workbench.watch import speaker


@dataclass(frozen=True)
class Written:
    """Tokens of the answer, given the question and all tokens before them."""

    run: Run
    index: tuple[int, ...]  # J

    def score(self, omni: Omni, prompts: Sequence[Prompt]) -> Tensor:
        """Log-probabilities f[B, J]; rows are padded at the right, where nobody looks."""
        ids = torch.from_numpy(self.run.words[: max(self.index) + 1]).long()
        said = omni.thinker.embed(ids[:-1])
        x = pad_sequence([torch.cat([p.embeds[0], said]) for p in prompts], batch_first=True)
        steps = torch.arange(len(said))
        places = [torch.cat([p.places[:, 0].T, (p.end + steps)[:, None].expand(-1, 3)])
                  for p in prompts]  # fmt: skip
        places = pad_sequence(places, batch_first=True).permute(2, 0, 1)
        thought, _ = omni.thinker(x, places)
        index = torch.tensor(self.index)
        at = torch.tensor([[len(p.ids) - 1] for p in prompts]) + index  # [B, J]
        hidden = thought.hidden[torch.arange(len(prompts))[:, None], at]
        logp = omni.thinker.logits(hidden).float().log_softmax(-1)
        return logp.gather(2, ids[index].expand(len(prompts), -1)[..., None])[..., 0]


@dataclass(frozen=True)
class Spoken:
    """Frames of the answer's speech (all codes of each), given all words and frames before them."""

    run: Run
    index: tuple[int, ...]  # J

    def score(self, omni: Omni, prompts: Sequence[Prompt]) -> Tensor:
        """Log-probabilities f[B, J]."""
        x = pad_sequence([p.embeds[0] for p in prompts], batch_first=True)
        places = pad_sequence([p.places[:, 0].T for p in prompts], batch_first=True)
        thought, _ = omni.thinker(x, places.permute(2, 0, 1))
        run, scores, voice = self.run, {}, speaker(self.run.inputs)
        heard = [
            opening(omni, State(context=p, middle=thought.middle[b, : len(p.ids)]), voice)[0]
            for b, p in enumerate(prompts)
        ]
        units = run.units
        for sentence in sorted({int(units.sentence[self._unit(i)]) for i in self.index}):
            own = np.flatnonzero(units.sentence == sentence)
            asked = [i for i in self.index if units.sentence[self._unit(i)] == sentence]
            own = own[own <= self._unit(max(asked))]
            stream = torch.stack([self._enter(omni, unit) for unit in own[:-1]])
            before = np.searchsorted(own, [self._unit(i) for i in asked])  # units that came first
            rows = [torch.cat([start, stream]) for start in heard]
            out, _ = omni.talker(pad_sequence(rows, batch_first=True))
            at = torch.tensor([[len(start) - 1] for start in heard]) + torch.from_numpy(before)
            state = out[torch.arange(len(prompts))[:, None], at]  # [B, j, D]
            ended = [(units.kind[own[:n]] == UNITS.index("control")).any() for n in before]
            told = self._frames(omni, state.flatten(0, 1), asked * len(prompts),
                                ended * len(prompts))  # fmt: skip
            scores |= dict(zip(asked, told.view(len(prompts), -1).unbind(1), strict=True))
        return torch.stack([scores[i] for i in self.index], 1)

    def _unit(self, frame: int) -> int:
        return int(np.flatnonzero(self.run.units.frame == frame)[0])

    def _enter(self, omni: Omni, unit: int) -> Tensor:
        """How a unit enters the Talker's stream, f[D]."""
        units = self.run.units
        if units.frame[unit] >= 0:
            return omni.talker.embed_frames(self._codes([int(units.frame[unit])]))[0]
        return omni.talker.words(torch.tensor([int(units.token[unit])]))[0]

    def _codes(self, frames: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.run.codes[list(frames)]).long()

    def _frames(self, omni: Omni, state: Tensor, frames: list[int], ended: list[bool]) -> Tensor:
        """Log-probabilities f[n] of whole frames; speech can't end while words are pending."""
        talker, codes = omni.talker, self._codes(frames)
        logits = talker.head(state).float()[:, : talker.config.want]
        logits[~torch.tensor(ended), talker.config.end] = -torch.inf
        first = logits.log_softmax(-1).gather(1, codes[:, :1])[:, 0]
        rest = talker.mtp(state, talker.codes(codes[:, 0]), codes).float().log_softmax(-1)
        return first + rest.gather(2, codes[:, 1:, None])[..., 0].sum(1)


def target_of(run: Run, target: Any, stage: str) -> Written | Spoken:
    if stage not in ("thinker", "talker"):
        raise ValueError(f"no stage {stage!r}, expected thinker or talker")
    what, count = ("token", len(run.words)) if stage == "thinker" else ("frame", len(run.codes))
    if not count:
        raise ValueError(f"the answer has no {what}, there is nothing to explain")
    if isinstance(target, str):
        if stage == "talker":
            raise ValueError("frames are named by numbers, such as target=3 or range(3, 6)")
        index = _tokens_of(run, target)
    elif target is None:
        index = tuple(range(count))
    else:
        index = (target,) if isinstance(target, int | np.integer) else tuple(target)
    wrong = [i for i in index if not -count <= int(i) < count]
    if wrong or not index:
        raise ValueError(f"no {what}s {wrong}: the answer has {count}, numbered from 0")
    index = tuple(dict.fromkeys(int(i) % count for i in index))
    return (Written if stage == "thinker" else Spoken)(run, index)


def _tokens_of(run: Run, text: str) -> tuple[int, ...]:
    """The tokens that a piece of the answer stands in, which must be there once."""
    pieces = [run.pieces[str(i)] for i in run.words.tolist()]
    said = "".join(pieces)
    starts = [m.start() for m in re.finditer(re.escape(text), said)] if text.strip() else []
    ends = np.cumsum([len(piece) for piece in pieces])
    found = [
        tuple(np.flatnonzero((ends > a) & (ends - [len(p) for p in pieces] < a + len(text))))
        for a in starts
    ]
    if len(found) != 1:
        where = f"more than once, at tokens {', '.join(str(list(map(int, f))) for f in found)}"
        raise ValueError(
            f"{text!r} is in the answer {where if found else 'nowhere'}: {said[:200]!r}"
        )
    return tuple(int(i) for i in found[0])
