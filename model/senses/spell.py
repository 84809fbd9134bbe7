"""The ear spells: which text token is spoken every 40 ms, and how well a text fits a sound.

    states of the ear --Speller--> what every 40 ms names --lay, on--> a text laid on the sound

The Thinker writes down what was said one token after the other, and may skip, repeat or invent.
What the ear names step by step knows no language, but leaves nothing out. `on` sums over all ways
in which the tokens so far can follow each other on the sound, with nothing said before, between and
after them, as CTC does (Graves et al., 2006); a token that follows itself does so after a pause.
The score of a beginning leaves open what comes after it, so that it can steer a beam search
(Watanabe et al., 2017, sections II-C and II-D).

Letters: B batch, N states, D width of the Thinker, F steps of 40 ms, V tokens, C candidates.
Left out: sound that is still arriving.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

STEPS = 4  # an ear state
DOUBT = 0.01  # added to every probability: the ear may be wrong anywhere
NEVER = -1e9  # log of a probability of nothing


class Speller(nn.Linear):
    """States of the ear -> four steps each, in the space of the Thinker's tokens."""

    def __init__(self, ear: int, width: int):
        super().__init__(ear, STEPS * width)

    def forward(self, states: Float[Tensor, "B N ear"]) -> Float[Tensor, "B 4*N D"]:
        return super().forward(states).unflatten(-1, (STEPS, -1)).flatten(1, 2)


class Named(NamedTuple):
    """What the ear names in every step."""

    steps: Float[Tensor, "F D"]
    whole: Float[Tensor, " F"]  # log of the sum over all tokens
    table: Float[Tensor, "V D"]  # of the Thinker
    nothing: Float[Tensor, " F"]  # log-probability that nobody speaks

    def of(self, tokens: Int64[Tensor, " C"]) -> Float[Tensor, "C F"]:
        """Log-probability of each token in every step."""
        return _doubted(self.table[tokens] @ self.steps.T - self.whole)


class Laid(NamedTuple):
    """A text laid on the sound in all ways, cut off after each number of steps (0 to F)."""

    sounds: Float[Tensor, " F+1"]  # log-probability that its last token sounds in the last step
    silent: Float[Tensor, " F+1"]  # that it is over by then, and nothing else has begun
    score: float = 0.0  # log-probability that the sound begins with the text
    last: int = -1  # its last token

    @property
    def whole(self) -> float:
        """Log-probability that the sound is the text and nothing else."""
        return float(torch.logaddexp(self.sounds[-1], self.silent[-1]))


def named(
    speller: Speller, states: Float[Tensor, "N ear"], table: Float[Tensor, "V D"], nothing: int
) -> Named:
    """`table`: the Thinker's tokens; `nothing`: the one that stands for silence."""
    steps = speller(states[None])[0]
    whole = torch.cat([F.linear(part, table).logsumexp(-1) for part in steps.split(1024)])
    return Named(steps, whole, table, _doubted(steps @ table[nothing] - whole))


def lay(heard: Named) -> Laid:
    """No token yet: silence so far."""
    silent = F.pad(heard.nothing.cumsum(0), (1, 0))
    return Laid(torch.full_like(silent, NEVER), silent)


def further(heard: Named, before: Laid, tokens: Int64[Tensor, " C"]) -> Float[Tensor, " C"]:
    """The score after each of these tokens: when can it begin, whatever comes then?"""
    free = torch.where((tokens == before.last)[:, None], before.silent, _over(before))
    return (free[:, :-1] + heard.of(tokens)).logsumexp(-1)


def on(heard: Named, before: Laid, token: int) -> Laid:
    """A token more."""
    here = heard.of(torch.tensor([token]))[0]
    free = before.silent if token == before.last else _over(before)
    sounds = _held(free, here)
    score = float((free[:-1] + here).logsumexp(-1))
    return Laid(sounds, _held(sounds, heard.nothing), score, token)


def sounding(piece: bytes) -> bool:
    """Whether a token is heard: letters, digits and parts of letters are, marks and spaces not."""
    letters = piece.decode("utf-8", "replace")
    return any(letter.isalnum() or letter == "\ufffd" for letter in letters)


def _doubted(shares: Tensor) -> Tensor:
    """No step alone can rule a text out."""
    return (shares.exp() + DOUBT).log()


def _over(laid: Laid) -> Tensor:
    return torch.logaddexp(laid.sounds, laid.silent)


def _held(before: Tensor, here: Tensor) -> Tensor:
    """f[F+1]: begun in any step after `before`, and going on in every step since."""
    since = here.cumsum(0)
    begun = before[:-1] - F.pad(since, (1, 0))[:-1]
    return F.pad(since + begun.logcumsumexp(0), (1, 0), value=NEVER)
