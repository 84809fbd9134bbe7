"""A recording written down: beam search for what the Thinker takes to be said.

    recording --read--> Prompt --> paths, the likeliest `beams` of them a token further --> text

A turn (turn.py) must speak while it thinks and cannot take a word back. Whoever writes down what
was said has it whole, so several beginnings are kept until one end is likelier than all that still
go on. Pasts are values: a path that forks costs nothing but its next step. One beam is greedy.

Left out: more than one transcript, times of words, a rule against short ones (probabilities are not
divided by length: nothing was found to be cut off).
"""

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


class Path(NamedTuple):
    """A beginning of the text, or the whole."""

    score: float  # log-probability of its tokens, and of the end if that is reached
    tokens: tuple[int, ...]
    past: StackPast
    hidden: Tensor  # f[D], the Thinker's state from which the next token is chosen


@torch.inference_mode()
def hear(
    omni: Omni, audio: Audio, ask: str = TRANSCRIBE, most: int = LONGEST, beams: int = BEAMS
) -> str:
    """What was said (or any other question about the sound), as text of at most `most` tokens."""
    state = State()
    prompt = omni.read([Message.of("user", audio, ask)], Clock(), 0)
    hidden = take_in(omni, prompt, state)
    path = likeliest(omni, Path(0.0, (), state.thinker, hidden), state.place, most, beams)
    return omni.tokenizer.decode(path.tokens).strip()


@torch.inference_mode()
def likeliest(omni: Omni, start: Path, place: int, most: int, beams: int = BEAMS) -> Path:
    """The likeliest text that `beams` paths find; `place` is that of the first token. After `most`
    tokens it may be one without an end."""
    if beams < 1:
        raise ValueError(f"{beams} beams, expected 1 or more")
    thinker, marks = omni.thinker, omni.tokenizer
    live, best = [start], None
    for step in range(most):
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
        live = []
        for score, token, path in going:
            x = thinker.embed(torch.tensor([[token]]))
            thought, past = thinker(x, positions(place + step, 1), path.past)
            live.append(Path(score, (*path.tokens, token), past, thought.hidden[0, -1]))
    return max([best, *live] if best else live, key=lambda path: path.score)


def _choices(omni: Omni, live: list[Path], beams: int) -> list[tuple[float, int, Path]]:
    """Score, next token and path, the likeliest first. Of each path two more than there are beams,
    as two tokens end a text."""
    found = []
    for path in live:
        shares = omni.thinker.logits(path.hidden).float().log_softmax(-1)
        top = shares.topk(min(beams + 2, len(shares)))
        more = zip(top.values.tolist(), top.indices.tolist(), strict=True)
        found += [(path.score + share, token, path) for share, token in more]
    return sorted(found, key=lambda one: -one[0])
