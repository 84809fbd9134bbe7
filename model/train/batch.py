"""Batches: from clips, codes and turns to padded tensors. All randomness comes from (seed, step).

Letters: B items, F mel frames, T tokens, N ear states (160 ms), P phone steps (40 ms).
Left out: anything that learns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.aria import draw
from model.senses.message import Message, Part
from model.senses.prompt import Clock, Plan, plan
from model.senses.tokenizer import Tokenizer
from model.speech.codec import FRAME, RATE
from model.train.codes import Copy
from model.train.losses import IGNORE
from model.train.spelling import Said
from model.train.spelling import said as said_when

SILENCE = -1.5  # what log_mel_16k gives for no sound
SCALE = np.float32(2 * np.log(10))  # log_mel_16k is log10(power) / 2 + 1.5


def pad(rows: Sequence[np.ndarray], value: float | int, multiple: int = 1) -> Tensor:
    """Rows of different length, padded on the right to the longest (a multiple of `multiple`)."""
    longest = max(len(row) for row in rows)
    longest += -longest % multiple
    out = np.full((len(rows), longest, *rows[0].shape[1:]), value, rows[0].dtype)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return torch.from_numpy(out)


def alike(
    lengths: np.ndarray, count: int, rng: np.random.Generator, chances: np.ndarray | None = None
) -> list[int]:
    """`count` random items of about the same length: little padding, every item as likely, or as
    the cumulated `chances` f64[items] say."""
    drawn = rng.integers(0, len(lengths), 12 * count)
    if chances is not None:
        drawn = np.minimum(np.searchsorted(chances, rng.random(12 * count)), len(lengths) - 1)
    drawn = drawn[np.argsort(lengths[drawn], kind="stable")]
    start = int(rng.integers(0, 12)) * count
    return drawn[start : start + count].tolist()


def distort(mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same words by another throat, microphone and room: log-mel f32[F, 128] in and out.

    Vocal tract length (a stretch of the mel axis), a smooth filter, telephone band, room echo,
    noise of random colour at 5 to 40 dB, level, and masks over time and pitch (SpecAugment).
    """
    mel = (mel.astype(np.float32) - 1.5) * SCALE  # natural log of the power
    frames, bands = mel.shape
    if rng.random() < 0.7:
        where = np.clip(np.arange(bands) * rng.uniform(0.86, 1.16), 0, bands - 1)
        low = where.astype(int)
        part = (where - low).astype(np.float32)
        mel = mel[:, low] * (1 - part) + mel[:, np.minimum(low + 1, bands - 1)] * part
    axis = np.linspace(0, np.pi, bands, dtype=np.float32)
    if rng.random() < 0.7:
        mel = mel + sum(rng.normal(0, 0.8 / k) * np.cos(k * axis) for k in range(1, 6)).astype(
            np.float32
        )
    if rng.random() < 0.25:
        power, keep = np.exp(mel), np.float32(rng.uniform(0.2, 0.75))
        tail = np.float32(rng.uniform(0.02, 0.25))
        echo = np.zeros(bands, np.float32)
        for t in range(frames):
            echo = echo * keep + power[t] * (1 - keep)
            power[t] = power[t] + tail * echo
        mel = np.log(power)
    if rng.random() < 0.6:
        level = np.log(np.exp(mel).mean()) - np.log(10) * rng.uniform(0.5, 4.0)
        colour = sum(rng.normal(0, 1.2 / k) * np.cos(k * axis) for k in range(1, 4))
        noise = level + colour + np.log(rng.exponential(1.0, mel.shape) + 1e-3)
        mel = np.logaddexp(mel, noise.astype(np.float32))
    if rng.random() < 0.15:
        mel = mel.copy()
        top = int(rng.integers(78, 92))  # about 3 to 4 kHz
        mel[:, top:] = np.minimum(mel[:, top:], mel.min() + rng.normal(0, 1, mel[:, top:].shape))
    mel = mel + np.float32(rng.normal(0, 1.0))
    if rng.random() < 0.5:
        mel = mel.copy()
        mean = mel.mean()
        for _ in range(2):
            width, start = int(rng.integers(0, 14)), int(rng.integers(0, bands - 14))
            mel[:, start : start + width] = mean
            width = int(rng.integers(0, min(16, frames // 6 + 1)))
            start = int(rng.integers(0, frames - width))
            mel[start : start + width] = mean
    return np.maximum(mel / SCALE + np.float32(1.5), np.float32(SILENCE)).astype(np.float32)


class EarBatch(NamedTuple):
    """Sound and the phones in it."""

    mel: Tensor  # f32[B, 128, F]
    frames: Tensor  # i64[B], valid mel frames
    phones: Tensor  # i64[B, P], IGNORE where unknown
    tokens: Tensor  # i64[B, P], the text token spoken at each phone step, IGNORE where unknown
    window: Tensor  # f32[], seconds of the attention window


class ReadBatch(NamedTuple):
    """Written conversations, and the answers to learn."""

    ids: Tensor  # i64[R, T]
    places: Tensor  # i64[3, R, T]
    targets: Tensor  # i64[R, T], the next token where it is to be learnt


class HearBatch(NamedTuple):
    """Conversations with sound, and the answers to learn."""

    ear: EarBatch  # of the rows that have sound, in order
    ids: Tensor  # i64[B, T]
    places: Tensor  # i64[3, B, T]
    targets: Tensor  # i64[B, T], the next token where it is to be learnt
    keep: Tensor  # bool[B, T], False: this token's embedding is hidden (history dropout)
    heard: Tensor  # i64[B, T, 2], first and last place where the next token sounds; -1 unknown
    read: ReadBatch  # more rows, without sound: apart, since they are shorter


def ear_batch(
    mels: Sequence[np.ndarray],
    phones: Sequence[np.ndarray],
    tokens: Sequence[np.ndarray],
    window: float,
) -> EarBatch:
    classes = [np.where(row < 0, IGNORE, row) for row in phones]
    return EarBatch(
        pad(mels, SILENCE, 16).transpose(1, 2).contiguous(),
        torch.tensor([len(mel) for mel in mels]),
        pad(classes, IGNORE, 4),
        pad(tokens, IGNORE, 4),
        torch.tensor(window),
    )


def clock(rng: np.random.Generator) -> Clock:
    """That of a sound: mostly none, else a timestamp every 0.5 to 4 s."""
    return Clock(None if rng.random() < 0.7 else float(rng.uniform(0.5, 4.0)))


def asked(tokenizer: Tokenizer, parts: Sequence[Part], rng: np.random.Generator) -> Plan:
    """A user's turn laid out."""
    return plan([Message("user", tuple(parts))], tokenizer, clock(rng))


def conversation(
    tokenizer: Tokenizer, parts: Sequence[Part], answer: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One question and its answer: ids i64[T], places i64[T, 3], targets i64[T]."""
    return answered(tokenizer, asked(tokenizer, parts, rng), tokenizer.encode(answer))


def answered(
    tokenizer: Tokenizer, laid: Plan, answer: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A question that is laid out, and the tokens of its answer; as `conversation`."""
    said = [*answer, tokenizer.im_end]
    ids = np.concatenate([laid.ids.numpy(), said])
    places = np.concatenate(
        [laid.places.numpy().T, np.arange(laid.next, laid.next + len(said))[:, None].repeat(3, 1)]
    )
    targets = np.full(len(ids), IGNORE)
    targets[len(laid) - 1 : -1] = said
    return ids, places, targets


def sounding(
    ids: np.ndarray, targets: np.ndarray, tokens: Sequence[Said], pad_id: int, state_ms: float
) -> np.ndarray:
    """For every position of a row whose answer is read aloud in its sound: the first and last place
    i64[T, 2] of the ear's states in which the token to be written next is spoken."""
    places = np.full((len(ids), 2), -1)
    states = np.flatnonzero(ids == pad_id)
    begin = int((targets != IGNORE).argmax())
    for index, _, start, end in tokens:
        first, last = int(start // state_ms), int(max(start, end - 1) // state_ms)
        if first < len(states):
            places[begin + index] = states[first], states[min(last, len(states) - 1)]
    return places


def copied(ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """For every position of a row whose answer stands in its question, as in "Say: Good night.":
    the place i64[T, 2] (twice) of the token to be written next."""
    places = np.full((len(ids), 2), -1)
    begin = int((targets != IGNORE).argmax())
    said = targets[targets != IGNORE][:-1]  # the last one ends it
    rest = said[1:]  # the first may have a space before it there, as another token
    if len(rest) < 2 or begin < len(said):
        return places
    runs = np.lib.stride_tricks.sliding_window_view(ids[1:begin], len(rest))
    found = np.flatnonzero((runs == rest).all(1))
    if len(found):
        places[begin : begin + len(said)] = (found[-1] + np.arange(len(said)))[:, None]
    return places


Row = tuple[np.ndarray, np.ndarray, np.ndarray]  # of `conversation`


def read_batch(rows: Sequence[Row]) -> ReadBatch:
    ids, targets = pad([row[0] for row in rows], 0), pad([row[2] for row in rows], IGNORE)
    return ReadBatch(ids, pad([row[1] for row in rows], 0).permute(2, 0, 1), targets)


def hear_batch(
    rows: Sequence[Row], heard: Sequence[np.ndarray], ear: EarBatch, deaf: np.ndarray,
    read: Sequence[Row], rng: np.random.Generator,
) -> HearBatch:  # fmt: skip
    """Rows of `conversation` with what `sounding` says of them, and written ones."""
    ids, places, targets = read_batch(rows)
    keep = hide(targets, deaf, rng)
    return HearBatch(ear, ids, places, targets, keep, pad(heard, -1), read_batch(read))


def hide(targets: Tensor, deaf: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Which tokens are not hidden, bool[B, T]. Of the answers in rows marked `deaf`, a random share
    U(0, 0.4) is hidden from what follows: a small model else learns the grammar of its texts before
    it learns to listen."""
    share = torch.from_numpy(deaf * rng.uniform(0, 0.4, len(deaf)))
    hidden = torch.from_numpy(rng.random(targets.shape)) < share[:, None]
    answer = torch.zeros(targets.shape, dtype=torch.bool)
    answer[:, 1:] = targets[:, :-1] != IGNORE
    return ~(hidden & answer)


FRAME_MS = 1000 * FRAME / RATE


class Reading(NamedTuple):
    """A clip that the Talker learns to say."""

    id: str
    text: str
    voice: str  # words of the voice prompt
    spans: Sequence[tuple[float, float]]  # ms of every word, as `word_spans` has them; or none
    speed: float = 1.0


class SpeakBatch(NamedTuple):
    """Interleaved streams of words and frames. Everything is what *enters*; what is to be
    predicted at a position is what enters at the next one."""

    words: Tensor  # i64[B, L], the text token, 0 where a frame stands
    codes: Tensor  # i64[B, L, K], the true frame (of the answer or of the voice), else 0
    heard: Tensor  # i64[B, L, K], the frame as the Talker hears it: some codes are wrong
    frame: Tensor  # bool[B, L]
    keep: Tensor  # bool[B, L], False: this entry is hidden (history dropout)
    targets: Tensor  # i64[B, L], class of the head: code 0, end, want or IGNORE
    text: Tensor  # bool[B, L], words whose durations sum to the frames
    before: Tensor  # bool[B, L], places that states of the Thinker take
    spoken: Tensor  # i64[B, L, 2], place (twice) of the word that the next frame speaks; -1 unknown
    tempo: Tensor  # f32[B], how many times the usual frames the voice takes


def speak_item(
    tokenizer: Tokenizer, reading: Reading, copy: Copy, end: int, rng: np.random.Generator,
    context: np.ndarray | None = None, sample: np.ndarray | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """One spoken sentence as a stream; `context` i64[C] is the user's turn as the Thinker read it:
    its words enter as words, its sounds as states of the Thinker. `sample` i64[S, K] are frames of
    the voice, in the voice prompt after its words."""
    marks, (_, text, voice, spans, speed), codes = tokenizer, reading, copy.codes
    context = np.zeros(0, np.int64) if context is None else context
    head = [marks.im_start, *marks.encode(voice)]
    sampled = slice(len(head), len(head) + (0 if sample is None else len(sample)))
    head += [0] * (sampled.stop - sampled.start) + [marks.im_end]
    said = [*marks.encode(text), marks.tts_text_eod]
    path = np.array(draw(len(said), len(codes), rng))
    head = np.concatenate([head, context])
    start = len(head) + 1
    length = start + len(path)
    words = np.zeros(length, np.int64)
    words[: len(head)] = head
    words[start - 1] = marks.tts_text_bos
    words[start:][path] = said
    frames = np.zeros((length, codes.shape[1]), np.int64)
    frames[start:][~path] = codes
    frame = np.zeros(length, bool)
    frame[start:] = ~path
    targets = np.full(length, IGNORE)
    targets[:-1] = np.where(frame[1:], frames[1:, 0], end + 1)  # the next frame, or the wish
    targets[: start - 1] = IGNORE
    targets[-1] = end
    first = int(frame.argmax())
    if (frame[first : first + len(codes)]).all():  # text first: no moment to wish for a word
        targets[start - 1 : first - 1] = IGNORE
    text_at = np.zeros(length, bool)
    text_at[start:][path] = True
    before = np.zeros(length, bool)
    before[: len(head)] = head == marks.audio_pad
    spoken = np.full((length, 2), -1)
    word_at, frame_at = np.flatnonzero(text_at), np.flatnonzero(frame)
    centres = (np.arange(len(codes)) + 0.5) * FRAME_MS - copy.lead
    for index, _, begins, ends in said_when(text, spans, tokenizer):
        at = frame_at[(centres >= begins) & (centres < ends)]
        spoken[at[at > word_at[index]] - 1] = word_at[index]  # else it is not in the stream yet
    if sample is not None:
        frames[sampled], frame[sampled] = sample, True
    share = rng.uniform(0, 0.3)
    keep = ~(frame & (rng.random(length) < share))
    wrong = rng.random(frames.shape) < 0.3 * share
    heard = np.where(wrong, rng.integers(0, end, frames.shape), frames)
    return {"words": words, "codes": frames, "heard": heard, "frame": frame, "keep": keep,
            "targets": targets, "text": text_at, "before": before, "spoken": spoken,
            "tempo": np.float32(1 / speed)}  # fmt: skip


def speak_batch(items: Sequence[dict[str, np.ndarray]]) -> SpeakBatch:
    fill = {"targets": IGNORE, "keep": True, "spoken": -1}
    rows = {name: [item[name] for item in items] for name in SpeakBatch._fields}
    tempo = torch.from_numpy(np.array(rows.pop("tempo")))
    return SpeakBatch(*(pad(of, fill.get(name, 0)) for name, of in rows.items()), tempo)


class TalkBatch(NamedTuple):
    """Questions as the Thinker reads them, and the answers as the Talker says them."""

    ear: EarBatch  # of the questions that were spoken, in order
    ids: Tensor  # i64[B, T], the questions
    places: Tensor  # i64[3, B, T]
    speak: SpeakBatch
