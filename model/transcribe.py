"""A recording written down: beam search for what the Thinker takes to be said.

    recording --several speeds--> Prompts --> paths, the likeliest `beams` of them a token further

A turn (turn.py) must speak while it thinks and cannot take a word back. Whoever writes down what
was said has it whole, so several beginnings are kept until one end is likelier than all that still
go on; and it is heard several times, a little slower and deeper, a little faster and higher: the
logarithms of what the Thinker finds likely are averaged over these views. Pasts are values: a path
that forks costs nothing but its next step. One beam and one view are greedy.

    hear(omni, audio)                 # what was said
    likely(omni, audio, "A text.")    # how likely it is that this was said

Left out: more than one transcript, times of words, a rule against short ones (probabilities are not
divided by length: nothing was found to be cut off).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model.layers.past import positions
from model.layers.stack import StackPast
from model.omni import Omni
from model.senses.message import Audio, Message
from model.senses.prompt import Clock
from model.turn import LONGEST, State, take_in

TRANSCRIBE = "Transcribe the audio."
BEAMS = 8
VIEWS = 5
SPREAD = 0.06  # between the speeds of two views


class Heard(NamedTuple):
    """What the Thinker makes of one view and of the tokens after it."""

    past: StackPast
    hidden: Tensor  # f[D], the state from which the next token is chosen
    place: int  # of the next token


class Path(NamedTuple):
    """A beginning of the text, or the whole."""

    score: float  # log-probability of its tokens, and of the end if that is reached; mean of views
    tokens: tuple[int, ...]
    heard: tuple[Heard, ...]  # one a view


@torch.inference_mode()
def hear(
    omni: Omni, audio: Audio, ask: str = TRANSCRIBE, most: int = LONGEST, beams: int = BEAMS,
    views: int = VIEWS,
) -> str:  # fmt: skip
    """What was said (or any other question about the sound), as text of at most `most` tokens."""
    found = likeliest(omni, begin(omni, audio, ask, views), most, beams)
    return omni.tokenizer.decode(found.tokens).strip()


@torch.inference_mode()
def likely(omni: Omni, audio: Audio, text: str, views: int = VIEWS) -> float:
    """The mean log-probability of the text's tokens and its end, if the audio is written down."""
    ids = omni.tokenizer.encode(text)
    wanted = torch.tensor([*ids, omni.tokenizer.im_end])[:, None]
    total = 0.0
    for past, hidden, place in begin(omni, audio, TRANSCRIBE, views).heard:
        x = omni.thinker.embed(torch.tensor([ids], dtype=torch.long))
        thought, _ = omni.thinker(x, positions(place, len(ids)), past)
        states = torch.cat([hidden[None], thought.hidden[0]])
        shares = omni.thinker.logits(states).float().log_softmax(-1)
        total += float(shares.gather(1, wanted).mean())
    return total / views


def begin(omni: Omni, audio: Audio, ask: str = TRANSCRIBE, views: int = VIEWS) -> Path:
    """No token yet: the Thinker has heard `views` views of the audio, and what is asked."""
    return Path(0.0, (), tuple(_read(omni, view, ask) for view in _views(audio, views)))


def _views(audio: Audio, count: int) -> Sequence[Audio]:
    """The same sound at speeds around its own."""
    if count < 1:
        raise ValueError(f"{count} views, expected 1 or more")
    speeds = (1 + SPREAD * (i - (count - 1) / 2) for i in range(count))
    return [Audio(audio.samples, round(audio.rate * speed), audio.start) for speed in speeds]


def _read(omni: Omni, audio: Audio, ask: str) -> Heard:
    state = State()
    hidden = take_in(omni, omni.read([Message.of("user", audio, ask)], Clock(), 0), state)
    return Heard(state.thinker, hidden, state.place)


@torch.inference_mode()
def likeliest(omni: Omni, start: Path, most: int, beams: int = BEAMS) -> Path:
    """The likeliest text that `beams` paths find. After `most` tokens it may be one without an
    end."""
    if beams < 1:
        raise ValueError(f"{beams} beams, expected 1 or more")
    marks = omni.tokenizer
    live, best = [start], None
    for _ in range(most):
        going = []
        for score, token, path in _choices(omni, live, beams):
            if token in (marks.im_end, marks.endoftext):
                if best is None or score > best.score:
                    best = path._replace(score=score)
            else:
                going.append((score, token, path))
            if len(going) == beams:
                break
        going = [one for one in going if best is None or one[0] > best.score]
        if not going:
            return best
        live = [
            Path(score, (*path.tokens, token), tuple(_further(omni, h, token) for h in path.heard))
            for score, token, path in going
        ]
    return max([best, *live] if best else live, key=lambda path: path.score)


def _further(omni: Omni, heard: Heard, token: int) -> Heard:
    x = omni.thinker.embed(torch.tensor([[token]]))
    thought, past = omni.thinker(x, positions(heard.place, 1), heard.past)
    return Heard(past, thought.hidden[0, -1], heard.place + 1)


def _choices(omni: Omni, live: list[Path], beams: int) -> list[tuple[float, int, Path]]:
    """Score, next token and path, the likeliest first. Of each path two more than there are beams,
    as two tokens end a text."""
    found = []
    for path in live:
        logits = omni.thinker.logits(torch.stack([heard.hidden for heard in path.heard]))
        shares = logits.float().log_softmax(-1).mean(0)
        top = shares.topk(min(beams + 2, len(shares)))
        more = zip(top.values.tolist(), top.indices.tolist(), strict=True)
        found += [(path.score + share, token, path) for share, token in more]
    return sorted(found, key=lambda one: -one[0])
