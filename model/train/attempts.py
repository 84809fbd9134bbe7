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
from model.senses.spell import named, sounding
from model.senses.tokenizer import Tokenizer
from model.speech.codec import FRAME, RATE
from model.train.batch import SILENCE, answered, pad, read_batch
from model.train.losses import IGNORE
from model.train.stages import Ear, fill, held
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
    omni: Omni, waves: Sequence[np.ndarray], texts: Sequence[Sequence[int]], speed: float = 1.0
) -> list[Tensor]:
    """For each sound, what the Thinker finds likely of each token of its text and of the end, when
    it hears that sound at a speed and has written the tokens before: log-probabilities f[T + 1]."""
    heard, mel, frames = _shown(waves, speed)
    states, _ = omni.ear(mel, window=8.0, lengths=frames)
    marks, rows = omni.tokenizer, []
    for audio, text in zip(heard, texts, strict=True):
        asked = plan([Message.of("user", audio, TRANSCRIBE)], marks, Clock())
        rows.append(answered(marks, asked, text))
    ids, places, targets = read_batch(rows)
    x = fill(omni.thinker.embed(ids), ids == marks.audio_pad, states[held(frames, mel.shape[2])])
    hidden, scored = omni.thinker(x, places)[0].hidden, targets != IGNORE
    shares = omni.thinker.logits(hidden[scored]).float().log_softmax(-1)
    each = shares.gather(1, targets[scored][:, None])[:, 0]
    return list(each.split([len(text) + 1 for text in texts]))


@torch.no_grad()
def spelled(
    ear: Ear, waves: Sequence[np.ndarray], texts: Sequence[Sequence[int]], marks: Tokenizer,
    speed: float = 1.0,
) -> list[Tensor]:  # fmt: skip
    """How well an ear that knows no sentences spells each sound: the mean log-probability of each
    token of its text f[T + 1] while it is spoken, 0 of those that are not heard, and at the end
    that of silence between them. Text and sound are laid together as is likeliest."""
    _, mel, frames = _shown(waves, speed)
    states, _ = ear.aut(mel, window=8.0, lengths=frames)
    found = []
    for own, count, text in zip(states, frames.tolist(), texts, strict=True):
        own = own[: -(-count // 16)]
        heard = named(ear.spell, own, ear.words[0].weight, marks.tts_pad)
        silence = heard.nothing.float()
        loud = [at for at, token in enumerate(text) if sounding(marks.piece(token))]
        tokens = heard.of(torch.tensor([text[at] for at in loud], dtype=torch.long)).float()
        path = along(tokens.T.numpy(), silence.numpy())
        clear = torch.zeros(len(text) + 1)
        for n, at in enumerate(loud):
            here = torch.from_numpy(path == n)
            clear[at] = tokens[n, here].mean() if here.any() else tokens[n].min()
        if (path < 0).any():
            clear[-1] = silence[torch.from_numpy(path < 0)].mean()
        found.append(clear)
    return found


def along(tokens: np.ndarray, silence: np.ndarray) -> np.ndarray:
    """The likeliest way through log-probabilities of tokens f[F, N] and of silence f[F]: which
    token is spoken in each of the F steps i64[F], -1 in silence. Each takes a step or more, in
    order, as far as the steps suffice; before, between and after them there may be silence."""
    steps, count = tokens.shape
    if steps < count:
        return np.arange(steps)
    shares = np.empty((steps, 2 * count + 1), np.float32)  # silence, token, silence, ..., silence
    shares[:, ::2], shares[:, 1::2] = silence[:, None], tokens
    best = np.full(2 * count + 1, -np.inf, np.float32)
    best[:2] = shares[0, :2]
    came = np.zeros(shares.shape, np.int64)  # by how many states further
    for step in range(1, steps):
        ways = np.full((3, len(best)), -np.inf, np.float32)
        ways[0], ways[1, 1:] = best, best[:-1]
        ways[2, 3::2] = best[1:-2:2]  # from a token to the next
        came[step] = ways.argmax(0)
        best = ways.max(0) + shares[step]
    state = len(best) - 2 + int(best[-2:].argmax()) if count else 0
    path = np.empty(steps, np.int64)
    for step in range(steps - 1, -1, -1):
        path[step] = state // 2 if state % 2 else -1
        state = max(0, state - came[step, state])
    return path


def _shown(waves: Sequence[np.ndarray], speed: float) -> tuple[list[Audio], Tensor, Tensor]:
    """Sounds at the rate of ears, their log-mel f[B, 128, F] and the frames of each i64[B]."""
    nothing = np.zeros(RATE // 10, np.float32)  # what is heard of an attempt without a frame
    heard = [Audio(wave if len(wave) else nothing, round(RATE * speed)).at(HEARD) for wave in waves]
    mels = [log_mel_16k(torch.from_numpy(audio.samples)[None])[0].T.numpy() for audio in heard]
    mel = pad(mels, SILENCE, 16).transpose(1, 2).contiguous()
    return heard, mel, torch.tensor(list(map(len, mels)))
