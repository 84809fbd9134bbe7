"""A recording written down: beam search for what Thinker and ear take to be said.

    recording --several speeds--> Prompts --> paths, the likeliest `beams` of them a token further
    paths that ended --which has the fewest words that the others have not?--> text

A turn (turn.py) must speak while it thinks and cannot take a word back. Whoever writes down what
was said has it whole, so several beginnings are kept until one end is likelier than all that still
go on; and it is heard several times, a little slower and deeper, a little faster and higher: the
logarithms of what the Thinker finds likely are averaged over these views. What the ear names every
40 ms counts too (senses/spell.py), as the Thinker alone may skip words or invent them; and words
that nobody ever read count against a text (senses/lexicon.py). Pasts are values: a path that forks
costs nothing but its next step. The likeliest text as a whole is not the one with the fewest wrong
words to expect: that one is taken, among all that ended. One beam, one view, `ear=0`, `strange=0`
and `behind=0` are greedy.

    hear(omni, audio)                 # what was said
    spelled_out(omni, audio)          # the same by the ear alone, of any language that it learnt
    clear(omni, audio, "A text.")     # how likely it is that this was said, and nothing else

Left out: more than one transcript, times of words, a rule against short ones (probabilities are not
divided by length: nothing was found to be cut off), the ear's names and the lexicon for more than a
minute.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from operator import mul
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from model.layers.past import positions
from model.layers.stack import StackPast
from model.omni import Omni
from model.senses.levenshtein import levenshtein
from model.senses.lexicon import WORD
from model.senses.message import Audio, Message
from model.senses.prompt import Clock
from model.senses.spell import STEPS, Laid, Named, further, lay, named, on, sounding
from model.turn import LONGEST, State, take_in

TRANSCRIBE = "Transcribe the audio."
BEAMS = 8
VIEWS = 5
SPREAD = 0.06  # between the speeds of two views
EAR = 1.0  # what the ear's log-probability of a text counts beside the Thinker's
STRANGE = 3.0  # nats that a word costs that was never read
BEHIND = 3.0  # nats behind the likeliest text, up to which others are looked for
SURE = 0.5  # power of their likelihoods: both Thinker and ear are surer than they should be
ELSE = 0.7  # of the likeliest text's log-probability that counts against another one
LONG = 1500  # steps of 40 ms, beyond which the Thinker writes alone


class Spelled(NamedTuple):
    """What the ear names in a view, and how the tokens so far lie on it."""

    named: Named
    laid: Laid


class Heard(NamedTuple):
    """What the Thinker makes of one view and of the tokens after it."""

    past: StackPast
    hidden: Tensor  # f[D], the state from which the next token is chosen
    place: int  # of the next token
    spelled: Spelled | None  # none if what is asked is not what was said


class Path(NamedTuple):
    """A beginning of the text, or the whole."""

    score: float  # `thought`, `EAR` times what the ear says (means over the views), strange words
    thought: float  # the Thinker's log-probability of the tokens, and of the end if it is reached
    tokens: tuple[int, ...]
    heard: tuple[Heard, ...]  # one a view


@torch.inference_mode()
def hear(
    omni: Omni, audio: Audio, ask: str = TRANSCRIBE, most: int = LONGEST, beams: int = BEAMS,
    views: int = VIEWS, ear: float = EAR, strange: float = STRANGE, behind: float = BEHIND,
) -> str:  # fmt: skip
    """What was said (or any other question about the sound), as text of at most `most` tokens;
    without `behind`, and to another question, what is likeliest as a whole."""
    behind = behind if ask == TRANSCRIBE else 0.0
    paths = texts(omni, begin(omni, audio, ask, views), most, beams, ear, strange, behind)
    found = [(path.score, omni.tokenizer.decode(path.tokens).strip()) for path in paths]
    return safest(found) if behind else found[0][1]


@torch.inference_mode()
def spelled_out(omni: Omni, audio: Audio, views: int = VIEWS) -> str:
    """What the ear alone names, step by step, without the Thinker, which writes English only: of
    all views what has the fewest letters that the others have not."""
    found = []
    for view in _views(audio, views):
        prompt = omni.read([Message.of("user", view)], Clock(), 0)
        steps = omni.speller(prompt.embeds[:, prompt.senses])[0]
        named = [int(F.linear(part, omni.thinker.embed.weight).argmax(-1)) for part in steps]
        tokens = [token for token, _ in groupby(named) if token != omni.tokenizer.tts_pad]
        found.append(omni.tokenizer.decode(tokens).strip())
    return min(found, key=lambda text: sum(levenshtein(text, other) for other in found))


def safest(found: Sequence[tuple[float, str]]) -> str:
    """Of texts and their scores in nats, the likeliest first, the one with the fewest wrong words
    to expect (minimum Bayes risk: Goel and Byrne, 2000)."""
    return min((text for _, text in found), key=lambda text: wrong(text, found))


def wrong(text: str, found: Sequence[tuple[float, str]]) -> float:
    """How many words of a text to expect to be wrong, where one of the texts that were found is
    right, the likelier the higher its score in nats."""
    words, first = WORD.findall(text.lower()), found[0][0]
    shares = [math.exp(SURE * (score - first)) for score, _ in found]
    counts = (levenshtein(words, WORD.findall(other.lower())) for _, other in found)
    return sum(map(mul, shares, counts)) / sum(shares)


@torch.inference_mode()
def clear(omni: Omni, audio: Audio, text: str, views: int = VIEWS, beams: int = 4) -> float:
    """How clearly the text is said: its log-probability, less most of the likeliest text's, per
    token. Whoever mumbles makes all texts unlikely, whoever says something else another one
    likely."""
    ids, start = omni.tokenizer.encode(text), begin(omni, audio, TRANSCRIBE, views)
    best = likeliest(omni, start, 2 * len(ids) + 8, beams)
    return (_written(omni, start, ids) - ELSE * best.thought) / (len(ids) + 1)


def _written(omni: Omni, start: Path, ids: list[int]) -> float:
    """The Thinker's log-probability of these tokens and the end; mean of the views."""
    wanted, total = torch.tensor([*ids, omni.tokenizer.im_end])[:, None], 0.0
    for past, hidden, place, _ in start.heard:
        x = omni.thinker.embed(torch.tensor([ids], dtype=torch.long))
        thought, _ = omni.thinker(x, positions(place, len(ids)), past)
        states = torch.cat([hidden[None], thought.hidden[0]])
        shares = omni.thinker.logits(states).float().log_softmax(-1)
        total += float(shares.gather(1, wanted).sum())
    return total / len(start.heard)


def begin(omni: Omni, audio: Audio, ask: str = TRANSCRIBE, views: int = VIEWS) -> Path:
    """No token yet: the Thinker has heard `views` views of the audio, and what is asked."""
    return Path(0.0, 0.0, (), tuple(_read(omni, view, ask) for view in _views(audio, views)))


def _views(audio: Audio, count: int) -> Sequence[Audio]:
    """The same sound at speeds around its own."""
    if count < 1:
        raise ValueError(f"{count} views, expected 1 or more")
    speeds = (1 + SPREAD * (i - (count - 1) / 2) for i in range(count))
    return [Audio(audio.samples, round(audio.rate * speed), audio.start) for speed in speeds]


def _read(omni: Omni, audio: Audio, ask: str) -> Heard:
    state, prompt = State(), omni.read([Message.of("user", audio, ask)], Clock(), 0)
    hidden, states = take_in(omni, prompt, state), prompt.embeds[0, prompt.senses]
    spelled = None
    if ask == TRANSCRIBE and len(states) * STEPS <= LONG:
        heard = named(omni.speller, states, omni.thinker.embed.weight, omni.tokenizer.tts_pad)
        spelled = Spelled(heard, lay(heard))
    return Heard(state.thinker, hidden, state.place, spelled)


def likeliest(
    omni: Omni, start: Path, most: int, beams: int = BEAMS, ear: float = EAR,
    strange: float = STRANGE,
) -> Path:  # fmt: skip
    """The likeliest text that `beams` paths find. After `most` tokens it may be one without an
    end."""
    return texts(omni, start, most, beams, ear, strange)[0]


@torch.inference_mode()
def texts(
    omni: Omni, start: Path, most: int, beams: int = BEAMS, ear: float = EAR,
    strange: float = STRANGE, behind: float = 0.0,
) -> list[Path]:  # fmt: skip
    """All texts at whose end `beams` paths came by, the likeliest first, until no path is less than
    `behind` nats behind it. After `most` tokens there may be some without an end."""
    if beams < 1:
        raise ValueError(f"{beams} beams, expected 1 or more")
    live, best = [start], -math.inf
    ended: dict[tuple[int, ...], Path] = {}
    for _ in range(most):
        going = []
        for one in _choices(omni, live, beams, ear, strange):
            if one.token not in _ends(omni):
                going.append(one)
            elif one.path.tokens not in ended:  # of the two ends the likelier one
                ended[one.path.tokens] = one.path._replace(score=one.score, thought=one.thought)
                best = max(best, one.score)
        going = [one for one in going[:beams] if one.score > best - behind]
        live = [
            Path(score, thought, (*path.tokens, token),
                 tuple(_further(omni, heard, token) for heard in path.heard))
            for score, thought, token, path in going
        ]  # fmt: skip
        if not live:
            break
    return sorted([*ended.values(), *live], key=lambda path: -path.score)


def _ends(omni: Omni) -> tuple[int, int]:
    return omni.tokenizer.im_end, omni.tokenizer.endoftext


def _further(omni: Omni, heard: Heard, token: int) -> Heard:
    x = omni.thinker.embed(torch.tensor([[token]]))
    thought, past = omni.thinker(x, positions(heard.place, 1), heard.past)
    spelled = heard.spelled and _spelled(omni, heard.spelled, token)
    return Heard(past, thought.hidden[0, -1], heard.place + 1, spelled)


def _spelled(omni: Omni, spelled: Spelled, token: int) -> Spelled:
    if not sounding(omni.tokenizer.piece(token)):
        return spelled
    return spelled._replace(laid=on(spelled.named, spelled.laid, token))


class Choice(NamedTuple):
    """A path and what may come next."""

    score: float
    thought: float
    token: int
    path: Path


def _choices(omni: Omni, live: list[Path], beams: int, ear: float, strange: float) -> list[Choice]:
    """The likeliest first. Of each path two more than there are beams, as two tokens end a text."""
    found = []
    for path in live:
        logits = omni.thinker.logits(torch.stack([heard.hidden for heard in path.heard]))
        shares = logits.float().log_softmax(-1).mean(0)
        top = shares.topk(min(beams + 2, len(shares)))
        thought = path.thought + top.values
        score = thought + ear * _agreed(omni, path, top.indices)
        score -= strange * _strange(omni, path, top.indices)
        each = zip(score.tolist(), thought.tolist(), top.indices.tolist(), strict=True)
        found += [Choice(*one, path) for one in each]
    return sorted(found, key=lambda one: -one.score)


def _agreed(omni: Omni, path: Path, tokens: Tensor) -> Tensor:
    """What the ear says to each of these tokens after the path f[C]: log-probability of the text if
    the token ends it, of its beginning otherwise; mean over the views."""
    views = [heard.spelled for heard in path.heard if heard.spelled]
    if not views:
        return torch.zeros(len(tokens))
    ends = torch.tensor([int(token) in _ends(omni) for token in tokens])
    loud = torch.tensor([sounding(omni.tokenizer.piece(int(token))) for token in tokens])
    said = [
        further(heard, laid, tokens).where(loud, torch.tensor(laid.score))
        .where(~ends, torch.tensor(laid.whole))
        for heard, laid in views
    ]  # fmt: skip
    return torch.stack(said).mean(0)


def _strange(omni: Omni, path: Path, tokens: Tensor) -> Tensor:
    """How many words were never read, if each of these tokens comes after the path f[C]. What is
    asked otherwise is answered in any words."""
    if not any(heard.spelled for heard in path.heard):
        return torch.zeros(len(tokens))
    said = [(*path.tokens, token) for token in tokens.tolist()]
    return torch.tensor([
        float(omni.lexicon.strange(omni.tokenizer.decode(text), text[-1] in _ends(omni)))
        for text in said
    ])  # fmt: skip
