"""Many attempts to say sentences at once, and how well the own ear understands each token of them.

    sentences --Talker, codebook 0 drawn--> Attempts --codec--> sounds --ear, Thinker--> clearness

All rows go on step by step together: what is a word and what is a frame follows from the pace
(aria.py) before anything is spoken, only the end does not. Whoever speaks to somebody uses turn.py,
which does the same for one sentence, as it comes.

Left out: questions before the sentence; several sentences in one stream.
Letters: B attempts, L length of their streams, T text tokens, K codebooks, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.aria import Aria, Standing
from model.layers.mel import log_mel_16k
from model.omni import Omni
from model.senses.message import Audio, Message
from model.senses.prompt import RATE as HEARD
from model.senses.prompt import Clock, plan
from model.speech.codec import FRAME, RATE
from model.train.batch import SILENCE, answered, distort, pad, read_batch
from model.train.losses import IGNORE
from model.train.stages import fill, held
from model.transcribe import TRANSCRIBE
from model.turn import LATEST, State, Voice, opening


@dataclass(frozen=True)
class Attempts:
    """Streams of words and frames, as the Talker went through them."""

    opening: Tensor  # f[1, O, D], what it heard before the first word: the voice
    words: Tensor  # i64[B, L], the text token, 0 where a frame stands
    codes: Tensor  # i64[B, L, K], the frame, 0 where a word stands
    frame: Tensor  # bool[B, L]
    targets: Tensor  # i64[B, L]: codebook 0 of the frame that comes next, or the end; else IGNORE
    pending: Tensor  # bool[B, L], it cannot end yet, as there are words to come
    spoken: Tensor  # i64[B, L], which text token such a frame speaks, as far as durations tell
    texts: tuple[tuple[int, ...], ...]  # the tokens of each

    def frames(self, row: int) -> Tensor:
        """All frames of an attempt i64[S, K]."""
        return self.codes[row][self.frame[row]]


@torch.no_grad()
def say(
    omni: Omni, texts: Sequence[Sequence[int]], voice: Voice, lead: int, temperature: float,
) -> Attempts:  # fmt: skip
    """Say each text (tokens) once, in one voice. Codebook 0 is drawn at a temperature, by torch's
    own generator."""
    talker, begin = omni.talker, opening(omni, State(), voice)
    streams = [_Stream(omni, text, voice, lead) for text in texts]
    count, most = len(streams), 1 + max(stream.longest for stream in streams)
    kinds = torch.zeros(count, most, dtype=torch.bool)
    words = torch.zeros(count, most, dtype=torch.long)
    for row, stream in enumerate(streams):
        kinds[row, : len(stream.path)] = ~torch.tensor(stream.path)
        kinds[row, len(stream.path) :] = True
        words[row, : len(stream.path)][torch.tensor(stream.path)] = torch.tensor(stream.tokens)
    done = torch.tensor([len(stream.path) for stream in streams])  # all words are taken by then
    pending = torch.arange(most) + 1 < done[:, None]
    limit = torch.tensor([stream.longest for stream in streams])
    codes = torch.zeros(count, most, talker.config.mtp.books, dtype=torch.long)
    targets = torch.full((count, most), IGNORE)
    live = torch.ones(count, dtype=torch.bool)

    fixed = int((~kinds).long().cumprod(1).sum(1).min())  # all begin with so many words
    x = torch.cat((begin.expand(count, -1, -1), talker.words(words[:, :fixed])), dim=1)
    out, past = talker(x)
    at = fixed - 1  # of the entry whose state is known
    while live.any():
        state, rows = out[:, -1], (live & kinds[:, at + 1]).nonzero()[:, 0]
        if len(rows):
            logits = choices(talker.head(state[rows]), pending[rows, at], talker.config.end)
            first = _draw(logits, temperature)
            targets[rows, at] = first
            over = (first == talker.config.end) | (at + 1 >= limit[rows])
            live[rows[over]] = False
            rows, first = rows[~over], first[~over]
            if len(rows):
                rest = talker.mtp.best(state[rows], talker.codes(first))
                codes[rows, at + 1] = torch.cat((first[:, None], rest), dim=1)
        at += 1
        x = torch.where(kinds[:, at, None], talker.embed_frames(codes[:, at]),
                        talker.words(words[:, at]))  # fmt: skip
        out, past = talker(x[:, None], None, past)
    return _gathered(streams, begin, words, codes, kinds, targets, pending)


def choices(logits: Tensor, pending: Tensor, end: int) -> Tensor:
    """Of the head's logits f[N, classes] those of codes and of the end, which is none where words
    are pending bool[N]."""
    logits = logits[:, : end + 1].float()
    ends = torch.arange(end + 1, device=logits.device) == end
    return logits.masked_fill(pending[:, None] & ends, -torch.inf)


def _draw(logits: Tensor, temperature: float) -> Tensor:
    if not temperature:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1)[:, 0]


class _Stream:
    """Where the words of a text stand among its frames."""

    def __init__(self, omni: Omni, text: Sequence[int], voice: Voice, lead: int):
        self.text, self.tokens, pace = tuple(text), [*text, omni.tokenizer.tts_text_eod], Aria(lead)
        each = omni.talker.frames_of(torch.tensor(self.tokens)) * voice.tempo
        self.expected = [float(part) for part in each]
        self.path: list[bool] = []
        heard, spoken, sum_ = 0, 0, 0.0
        while heard < len(self.tokens):
            if pace.wants_word(Standing(heard, spoken, sum_)):
                sum_ += self.expected[heard]
                heard += 1
                self.path.append(True)
            else:
                spoken += 1
                self.path.append(False)
        self.longest = heard + int(LATEST[0] * sum_ + LATEST[1]) + 1

    def says(self, frames: int) -> np.ndarray:
        """Which token each of so many frames speaks i64[frames], as far as durations tell."""
        ends = np.cumsum(self.expected[: len(self.text)])
        centres = (np.arange(frames) + 0.5) / max(1, frames) * ends[-1]
        return np.minimum(np.searchsorted(ends, centres), len(self.text) - 1)


def _gathered(streams, begin, words, codes, kinds, targets, pending) -> Attempts:
    """Cut to the longest, with what each frame speaks."""
    scored = targets != IGNORE
    last = scored.long().cumsum(1).argmax(1)  # where the end, or the limit, was reached
    at = torch.arange(words.shape[1])
    frame = kinds & (at <= last[:, None])
    words, codes = words * (at <= last[:, None]), codes * frame[..., None]
    spoken = torch.zeros_like(words)
    for row, stream in enumerate(streams):
        told = torch.from_numpy(stream.says(int(scored[row].sum())))
        spoken[row, scored[row]] = told
    texts, end = tuple(stream.text for stream in streams), int(last.max()) + 1
    parts = (part[:, :end] for part in (words, codes, frame, targets, pending, spoken))
    return Attempts(begin, *parts, texts)


@torch.no_grad()
def sounds(omni: Omni, attempts: Attempts) -> list[np.ndarray]:
    """What each attempt sounds like, f32[S] at 24 kHz; nothing if it has no frame."""
    each = [attempts.frames(row) for row in range(len(attempts.texts))]
    filled = pad([codes.numpy() for codes in each], 0)  # [B, S, K]; causal: what follows is cut off
    waves = omni.codec.decode(filled.transpose(1, 2))
    ends = [FRAME * len(codes) for codes in each]
    return [wave[:end].float().numpy() for wave, end in zip(waves, ends, strict=True)]


@torch.no_grad()
def understood(
    omni: Omni, waves: Sequence[np.ndarray], texts: Sequence[Sequence[int]], speed: float = 1.0,
    bent: int | None = None,
) -> list[Tensor]:  # fmt: skip
    """For each sound, what the Thinker finds likely of each token of its text and of the end, when
    it hears that sound at a speed and has written the tokens before: log-probabilities f[T + 1].
    With a seed, all are heard through the same bad line (batch.py)."""
    nothing = np.zeros(RATE // 10, np.float32)  # what is heard of an attempt without a frame
    loud = [wave if len(wave) else nothing for wave in waves]
    heard = [Audio(wave, round(RATE * speed)).at(HEARD).samples for wave in loud]
    mels = [log_mel_16k(torch.from_numpy(wave)[None])[0].T.numpy() for wave in heard]
    if bent is not None:
        mels = [distort(mel, np.random.default_rng(bent)) for mel in mels]
    frames = torch.tensor(list(map(len, mels)))
    mel = pad(mels, SILENCE, 16).transpose(1, 2).contiguous()
    states, _ = omni.ear(mel, window=8.0, lengths=frames)
    marks, rows = omni.tokenizer, []
    for wave, text in zip(heard, texts, strict=True):
        asked = plan([Message.of("user", Audio(wave, HEARD), TRANSCRIBE)], marks, Clock())
        rows.append(answered(marks, asked, text))
    ids, places, targets = read_batch(rows)
    x = fill(omni.thinker.embed(ids), ids == marks.audio_pad, states[held(frames, mel.shape[2])])
    hidden, scored = omni.thinker(x, places)[0].hidden, targets != IGNORE
    shares = omni.thinker.logits(hidden[scored]).float().log_softmax(-1)
    each = shares.gather(1, targets[scored][:, None])[:, 0]
    return list(each.split([len(text) + 1 for text in texts]))
