"""The stages in which micro is trained: what each one trains, on what, with which loss.

    ear     AuT alone: name phone and text token of every 40 ms  (it hears before it reads)
    hear    AuT and Thinker: transcribe; answer spoken and written questions
    speak   Talker and MTP: say sentences from codes
    talk    Talker and MTP: say the Thinker's answers, hearing its states of the question

`codec`, `look`, `world`, `mtp` and `turns` have files of their own. Each stage is a module, a loss
and a pure function step -> batch for the one loop (loop.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.data.described import described
from model.data.phones import PHONES
from model.data.quiz import Quiz
from model.data.shelf import Shelf
from model.data.store import Store, Turn
from model.data.tasks import REPEAT, lessons
from model.data.texts import parted, tidy
from model.layers.attention import Causal
from model.layers.stack import Stack
from model.omni import Omni
from model.senses.message import Audio, Text
from model.senses.prompt import RATE
from model.senses.spell import STEPS
from model.senses.tokenizer import Tokenizer
from model.speech.quantizer import mending
from model.train.batch import (
    EarBatch,
    HearBatch,
    Reading,
    SpeakBatch,
    TalkBatch,
    alike,
    asked,
    conversation,
    distort,
    ear_batch,
    hear_batch,
    pad,
    sounding,
    speak_batch,
    speak_item,
)
from model.train.codes import Codes
from model.train.features import Features, Heard
from model.train.loop import Recipe, Result, Run, train, weights
from model.train.losses import IGNORE, Balance, accuracy, cross_entropy
from model.train.prompts import Prompts
from model.train.spelling import said, spelled, word_spans
from model.train.splice import Grafter, Splicer

if TYPE_CHECKING:
    from model.train.hearing import Hearing

ASK = (
    "Transcribe the audio.",
    "Transcribe this.",
    "What was said?",
    "Write down what you hear.",
    "Please write what is said.",
)
STATE_MS = 160.0  # of an ear state
GRAFTED = 0.25  # of the sentences to be written down end as another one does
COPIED = 0.8  # of the sentences that have a copy are heard as such
HEARD = 2.0  # what it counts how MTP's choices sound, beside which they are
DESCRIBED = 0.5  # of the written questions, with a shelf, are about scenes in words
REPEATED = 0.1  # of the written questions ask for a sentence to be repeated
RARE = 16  # times as often is a clip of Kokoro drawn in `hear`: few, by voices of another make


class Ear(nn.Module):
    """AuT with two heads: one names the four phones of each state and is dropped afterwards, the
    other the four text tokens being spoken.

    Tokens are looked up in the Thinker's own table, so that the ear's states come to lie where the
    Thinker keeps its words.
    """

    def __init__(self, omni: Omni):
        super().__init__()
        self.aut = omni.ear
        self.phones = nn.Linear(omni.config.ear.out, STEPS * len(PHONES))
        self.spell = omni.speller
        self.words = [omni.thinker.embed]  # in a list: belongs to the Thinker

    def forward(self, batch: EarBatch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """States [B, N, D], the loss of naming phones and tokens, and how many were right."""
        states, _ = self.aut(batch.mel, window=float(batch.window), lengths=batch.frames)
        most = STEPS * states.shape[1]
        phones, tokens = batch.phones[:, :most], batch.tokens[:, :most]
        named = self.phones(states).unflatten(-1, (STEPS, -1)).flatten(1, 2)[:, : phones.shape[1]]
        named_loss, (words, spelled) = cross_entropy(named, phones), self.spelled(states, tokens)
        right = {"phones": accuracy(named, phones), "spelled": spelled}
        loss = 0.3 * named_loss + words
        return states, loss, right

    def spelled(self, states: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and share of right ones when the tokens i64[B, P] of every 40 ms are told from the
        states; IGNORE where any would do."""
        slots = self.spell(states)[:, : tokens.shape[1]]
        scored = tokens != IGNORE
        logits = F.linear(slots[scored], self.words[0].weight)
        return cross_entropy(logits, tokens[scored]), accuracy(logits, tokens[scored])


class Guided(Causal):
    """Attention whose first head is told where to look.

    The voices' own timings say in which states of the ear the next token sounds, and which word the
    next frame speaks. A small model finds that out by itself only after long; `loss` is -log of the
    head's weight on those places.
    """

    @classmethod
    def into(cls, stack: Stack) -> "Guided":
        """Takes the place of the softmax in the first block with full attention."""
        guided = cls()
        next(block for block in stack.blocks if block.full).mixer.core = guided
        return guided

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        self.kept = q[:, 0], k[:, 0]  # f[B, T, D] each
        return super().forward(q, k, v)

    def loss(self, heard: Tensor) -> Tensor:
        """heard i64[B, T, 2]: first and last position where to look, -1 where it does not matter"""
        (q, k), self.kept = self.kept, None
        scores = (q @ k.mT).float() * q.shape[-1] ** -0.5
        at = torch.arange(scores.shape[2], device=scores.device)
        scores = scores.masked_fill(at > at[:, None], -torch.inf)
        there = (at >= heard[..., :1]) & (at <= heard[..., 1:])  # [B, T, T]
        known = heard[..., 0] >= 0
        right = scores.masked_fill(~there, -torch.inf)[known].logsumexp(-1)
        return (scores[known].logsumexp(-1) - right).mean() if known.any() else scores.new_zeros(())


class Hear(nn.Module):
    """Ear and Thinker together."""

    def __init__(self, omni: Omni):
        super().__init__()
        self.guided = Guided.into(omni.thinker.stack)
        self.ear = Ear(omni)
        self.thinker = omni.thinker
        self.pad = omni.tokenizer.audio_pad
        self.balance = Balance(omni.thinker)

    def forward(self, batch: HearBatch) -> tuple[Tensor, dict[str, Tensor]]:
        states, named_loss, metrics = self.ear(batch.ear)
        x = self.thinker.embed(batch.ids) * batch.keep.unsqueeze(-1)
        x = fill(x, batch.ids == self.pad, states[held(batch.ear.frames, batch.ear.mel.shape[2])])
        thought, _ = self.thinker(x, batch.places)
        looking = self.guided.loss(batch.heard)
        text, right = self._written(thought.hidden, batch.targets)
        read, _ = self.thinker(self.thinker.embed(batch.read.ids), batch.read.places)
        read_text, read_right = self._written(read.hidden, batch.read.targets)
        balance = self.balance.take()
        metrics |= {"text": text, "tokens": right, "read": read_text, "read_right": read_right,
                    "balance": balance, "looking": looking}  # fmt: skip
        loss = text + 0.5 * read_text + named_loss + 0.3 * looking + 0.01 * balance
        return loss, metrics

    def _written(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of the tokens to be written, and the share that was right."""
        scored = targets != IGNORE
        logits, targets = self.thinker.logits(hidden[scored]), targets[scored]
        return cross_entropy(logits, targets), accuracy(logits, targets)


def held(frames: Tensor, longest: int) -> Tensor:
    """bool[B, N]: which of the ear's states are not padding, of sounds with so many frames."""
    count = (frames + 15) // 16
    return torch.arange((longest + 15) // 16, device=count.device) < count[:, None]


def fill(x: Tensor, slots: Tensor, states: Tensor) -> Tensor:
    """Put states f[n, D] into the n marked slots of x f[B, T, D], in order."""
    return x.masked_scatter(slots.unsqueeze(-1), states.to(x.dtype))


class Speak(nn.Module):
    """Talker and MTP, teacher forced.

    Half of the frames that MTP learns from begin with its own choices instead of the true codes:
    there each codebook learns to mend what those before it got wrong. `books` f32[K, V, D] are the
    codec's entries. With `hearing`, what MTP chooses is to sound right as well.
    """

    def __init__(
        self, omni: Omni, books: np.ndarray, frames: int = 1024, hearing: "Hearing | None" = None
    ):
        super().__init__()
        self.books = torch.from_numpy(books)
        self.talker = omni.talker
        self.guided = Guided.into(omni.talker.stack)
        self.frames = frames  # per batch, that MTP learns from
        self.hearing = hearing
        self.balance = Balance(omni.talker)

    def forward(
        self, batch: SpeakBatch, states: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """`states` as in `read`."""
        talker, hidden = self.talker, self.read(batch, states)
        scored = batch.targets != IGNORE
        logits, targets = talker.head(hidden[scored]), batch.targets[scored]
        first = cross_entropy(logits, targets)
        codes = targets < talker.config.end
        residual, completed = self.complete(batch, hidden)

        spoken = self.says(batch).sum(1).float()
        expected = (talker.frames_of(batch.words) * batch.text).sum(1) * batch.tempo
        rate = ((expected - spoken) / spoken).square().mean()
        balance, looking = self.balance.take(), self.guided.loss(batch.spoken)
        metrics = {"code0": cross_entropy(logits[codes], targets[codes]),
                   "code0_right": accuracy(logits[codes], targets[codes]),
                   "want_end": cross_entropy(logits[~codes], targets[~codes]), **completed,
                   "rate": rate.sqrt(), "balance": balance, "looking": looking}  # fmt: skip
        return first + residual + 0.1 * rate + 0.3 * looking + 0.01 * balance, metrics

    def read(self, batch: SpeakBatch, states: Tensor | None = None) -> Tensor:
        """The Talker's states f[B, L, D]; `states` f[n, D]: what the Thinker made of the sounds in
        `batch.before`, in order."""
        talker, frame = self.talker, batch.frame.unsqueeze(-1)
        x = torch.where(frame, talker.embed_frames(batch.heard), talker.words(batch.words))
        x = x * batch.keep.unsqueeze(-1)
        if states is not None:
            x = fill(x, batch.before, talker.listen(states))
        return talker(x)[0]

    def complete(self, batch: SpeakBatch, hidden: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """MTP's loss where the Talker's states f[B, L, D] predict frames."""
        row, at = self.says(batch).nonzero(as_tuple=True)
        some = torch.randperm(len(row), device=row.device)[: self.frames]
        row, at = row[some], at[some]
        true, state = batch.codes[row, at + 1], hidden[row, at]
        taken = self._own(true, state)
        rest = self.talker.mtp(state, self.talker.codes(taken[:, 0]), taken)
        wanted = mending(self.books.to(state.device), true, taken)
        residual = cross_entropy(rest, wanted)
        led = len(true) // 2  # the others have the true codes before them
        metrics = {"residual": residual, "code1_right": accuracy(rest[led:, 0], wanted[led:, 0]),
                   "missed": self._missed(true[:led], taken[:led])}  # fmt: skip
        if not self.hearing:
            return residual, metrics
        heard = self.hearing(self, batch, hidden)
        return residual + HEARD * heard, metrics | {"heard": heard}

    def says(self, batch: SpeakBatch) -> Tensor:
        """Positions bool[B, L] that predict a frame."""
        return (batch.targets != IGNORE) & (batch.targets < self.talker.config.end)

    def _own(self, true: Tensor, state: Tensor) -> Tensor:
        """Codes i64[N, K] of frames: for the first half what the Talker itself would choose."""
        led = len(true) // 2
        return torch.cat((self.chosen(state[:led], self.first(state[:led])), true[led:]))

    @torch.no_grad()
    def first(self, state: Tensor) -> Tensor:
        """Codebook 0 i64[N] as the Talker would choose it."""
        return self.talker.head(state)[:, : self.talker.config.end].argmax(-1)

    @torch.no_grad()
    def chosen(self, state: Tensor, first: Tensor) -> Tensor:
        """Codes i64[N, K] of frames that begin with `first`, the rest as MTP would choose them."""
        rest = self.talker.mtp.best(state, self.talker.codes(first))
        return torch.cat((first[:, None], rest), dim=1)

    @torch.no_grad()
    def _missed(self, true: Tensor, taken: Tensor) -> Tensor:
        """How far the chosen frames lie from the true ones, as a share of their variance."""
        books = self.books.to(true.device)
        which = torch.arange(len(books), device=true.device)
        right, made = (books[which, codes].sum(1) for codes in (true, taken))
        spread = (right - right.mean(0)).square().sum().clamp(min=1e-6)
        return (right - made).square().sum() / spread


class Talk(nn.Module):
    """Talker and MTP, hearing what a frozen ear and Thinker make of the question."""

    def __init__(
        self, omni: Omni, books: np.ndarray, frames: int = 1024, hearing: "Hearing | None" = None
    ):
        super().__init__()
        self.speak = Speak(omni, books, frames, hearing)
        self.senses = [omni.ear, omni.thinker]  # a list: not trained, not saved with this stage
        self.pad = omni.tokenizer.audio_pad

    @torch.no_grad()
    def listen(self, batch: TalkBatch) -> Tensor:
        """The Thinker's mid-stack states f[n, D] at the sounds of all questions."""
        ear, thinker = self.senses
        states, _ = ear(batch.ear.mel, window=float(batch.ear.window), lengths=batch.ear.frames)
        slots = batch.ids == self.pad
        x = fill(
            thinker.embed(batch.ids), slots, states[held(batch.ear.frames, batch.ear.mel.shape[2])]
        )
        thought, _ = thinker(x, batch.places)
        return thought.middle[slots]

    def forward(self, batch: TalkBatch) -> tuple[Tensor, dict[str, Tensor]]:
        return self.speak(batch.speak, self.listen(batch))


@dataclass
class EarData:
    """Clips for the ear stage."""

    tokenizer: Tokenizer
    features: Features
    size: int = 64
    seed: int = 0
    clean: bool = False  # held-out batches are not distorted

    def __call__(self, step: int) -> EarBatch:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        clips = [self.features[i] for i in alike(self.features.frames, self.size, rng)]
        return ear_rows(clips, rng, self.clean, self.tokenizer)


def chances(features: Features) -> np.ndarray:
    """f64[clips], cumulated: how likely each is drawn."""
    often = np.array([RARE if row["source"] == "kokoro" else 1.0 for row in features.rows])
    return np.cumsum(often) / often.sum()


def ear_rows(
    clips: Sequence[Heard],
    rng: np.random.Generator,
    clean: bool,
    tokenizer: Tokenizer | None = None,
) -> EarBatch:
    """Distorted unless `clean`; with a tokenizer the tokens being spoken are labelled too."""
    mels = [clip.mel.astype(np.float32) if clean else distort(clip.mel, rng) for clip in clips]
    window = 8.0 if clean else float(rng.choice([1.6, 3.2, 4.8, 8.0]))
    tokens = [
        spelled(clip.text, clip.spans, tokenizer, 40.0, len(clip.phones))
        if tokenizer
        else np.full(len(clip.phones), IGNORE)
        for clip in clips
    ]
    return ear_batch(mels, [clip.phones for clip in clips], tokens, window)


@dataclass
class HearData:
    """Conversations for the hear stage: `listen` of the rows have sound, of these `asks` are
    spoken questions; the rest are written turns; some sentences are grafted (splice.py). More rows
    are questions of a `Quiz`: `splices` are spoken word by word, `reads` are written. Of clips that
    have copies mostly those are heard, so that the ear can tell what the model itself says. With a
    shelf, many of the written questions are about scenes in words."""

    omni: Omni
    features: Features
    turns: Sequence[Turn]
    size: int = 64
    seed: int = 0
    listen: float = 0.95
    asks: float = 0.35
    splices: int = 16
    reads: int = 32
    clean: bool = False
    copies: Features | None = None  # of some of the clips
    shelf: Shelf | None = None
    copied: dict[str, int] = field(init=False)  # id of a clip -> its copy
    questions: list[tuple[int, Turn]] = field(init=False)
    quiz: Quiz = field(init=False)
    splicer: Splicer | None = field(init=False)
    grafter: Grafter | None = field(init=False)
    chances: np.ndarray = field(init=False)  # f64[clips], cumulated, of being drawn

    def __post_init__(self):
        self.chances = chances(self.features)
        self.copied = {
            row["id"]: i for i, row in enumerate(self.copies.rows if self.copies else ())
        }
        self.quiz = Quiz("valid" if self.clean else "train")
        self.splicer = None if self.clean else Splicer(self.features)
        self.grafter = None if self.clean else Grafter(self.features)
        self.turns = lessons(self.turns, "valid" if self.clean else "train")
        index = {row["id"]: i for i, row in enumerate(self.features.rows)}
        self.questions = [(index[t.question_audio], t) for t in self.turns
                          if t.question_audio in index]  # fmt: skip

    def __call__(self, step: int) -> HearBatch:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        heard, sentences = round(self.size * self.listen), self.sentences
        rows, clips, places = [], [], []
        tokenizer = self.omni.tokenizer
        for i in alike(self.features.frames, sentences, rng, self.chances):
            clip, copy = self.features[i], self.copied.get(self.features.rows[i]["id"])
            if copy is not None and rng.random() < COPIED:
                clip = self.copies[copy]
            elif self.grafter and rng.random() < GRAFTED:
                clip = self.grafter(i, rng) or clip
            ask = Text(str(rng.choice(ASK)))
            clips.append(clip)
            rows.append(self._row([sound(clip), ask], clip.text, rng))
            tokens, (ids, _, targets) = said(clip.text, clip.spans, tokenizer), rows[-1]
            places.append(sounding(ids, targets, tokens, tokenizer.audio_pad, STATE_MS))
        for number in rng.integers(0, max(1, len(self.questions)), heard - sentences):
            i, turn = self.questions[int(number)]
            clips.append(self.features[i])
            rows.append(self._row([sound(clips[-1])], turn.answer, rng))
        for _ in range(self.splices if self.splicer else 0):
            question, answer = self.quiz(rng)
            clip = self.splicer(question, rng)
            if clip:
                clips.append(clip)
                rows.append(self._row([sound(clip)], answer, rng))
        for number in rng.integers(0, len(self.turns), self.size - heard):
            turn = self.turns[int(number)]
            rows.append(self._row([Text(turn.question)], turn.answer, rng))
        deaf = np.zeros(len(rows))
        deaf[: 0 if self.clean else sentences] = 1.0
        places += [np.full((len(row[0]), 2), -1) for row in rows[len(places) :]]
        ear = ear_rows(clips, rng, self.clean, tokenizer)
        drawn = [self._written(rng) for _ in range(self.reads)]
        read = [self._row([Text(question)], answer, rng) for question, answer in drawn]
        return hear_batch(rows, places, ear, deaf, read, rng)

    @property
    def sentences(self) -> int:
        """So many rows of a batch, the first ones, are sentences to be written down."""
        heard = round(self.size * self.listen)
        return heard - (round(heard * self.asks) if self.questions else 0)

    def _written(self, rng: np.random.Generator) -> tuple[str, str]:
        if self.shelf and rng.random() < DESCRIBED:
            return described(self.shelf, rng)
        if rng.random() >= REPEATED:
            return self.quiz(rng)
        texts = (self.features.rows[i]["text"] for i in rng.integers(0, len(self.features), 8))
        text = min(texts, key=len)
        return tidy(str(rng.choice(REPEAT)).format(s=text)), tidy(text)

    def _row(self, parts, answer: str, rng):
        return conversation(self.omni.tokenizer, parts, answer, rng)


def sound(clip: Heard) -> Audio:
    """Stands for the clip where only its length matters."""
    return Audio(np.zeros(len(clip.mel) * RATE // 100, np.float32), RATE)


@dataclass
class SpeakData:
    """Sentences with their codes, by voices that are asked for by name or in words; in every third
    batch by their sound (prompts.py).

    `codes` holds copies of each clip, each with another lead of silence: exact
    codes are a fingerprint of a clip, and a model that sees only one copy learns it by heart.
    """

    omni: Omni
    rows: Sequence[Reading]
    codes: Codes
    size: int = 48
    seed: int = 0
    lengths: np.ndarray = field(init=False)
    prompts: Prompts = field(init=False)

    def __post_init__(self):
        self.lengths = np.array([self.codes.frames(row.id) for row in self.rows])
        self.prompts = Prompts(self.rows, self.codes)

    def __call__(self, step: int) -> SpeakBatch:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        return speak_batch(self.some(self.size, step % 3 == 0, rng))

    def some(self, count: int, cloned: bool, rng: np.random.Generator) -> list[dict]:
        """Random items of about the same length."""
        drawn = alike(self.lengths, count, rng, self.prompts.chances[cloned])
        return [self.item(i, cloned, rng) for i in drawn]

    def item(
        self, i: int, cloned: bool, rng: np.random.Generator, context: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """A clip as a stream; `cloned`: the voice prompt has frames of the speaker."""
        sample = self.prompts.sample(i, rng) if cloned else None
        words = self.prompts.words(i, rng, sample is not None)
        reading, copy = self.rows[i]._replace(voice=words), self.codes.draw(self.rows[i].id, rng)
        end = self.omni.config.talker.end
        return speak_item(self.omni.tokenizer, reading, copy, end, rng, context, sample)


def ear(
    omni: Omni, store: Store, cache: Path, run: Run, recipe: Recipe | None = None,
    start: Path | None = None,
) -> Result:  # fmt: skip
    """Train AuT, and the Thinker's table of words with it; `start` is a checkpoint of `ear`."""
    module = nn.ModuleDict({"ear": Ear(omni), "words": omni.thinker.embed})
    if start:
        module.load_state_dict(weights(start))
    tokenizer = omni.tokenizer
    data = EarData(tokenizer, Features.build(store, "train", cache), seed=run.seed)
    valid = EarData(tokenizer, Features.build(store, "valid", cache), seed=run.seed, clean=True)

    def loss(batch: EarBatch):
        _, total, metrics = module["ear"](batch)
        return total, metrics

    held_out = [valid(-1 - i) for i in range(4)]
    return train(module, loss, data, run, recipe or Recipe(lr=1.5e-3), held_out)


def hear(
    omni: Omni, store: Store, cache: Path, run: Run, recipe: Recipe | None = None,
    start: Path | None = None,
) -> Result:  # fmt: skip
    """Train AuT and Thinker together; `start` is a checkpoint of `ear` (or of `hear`)."""
    module = Hear(omni)
    if start:
        state = weights(start)
        if "words.weight" in state:  # of `ear`: the Thinker is new but for its words
            omni.thinker.embed.weight.data.copy_(state["words.weight"])
            state = {name: value for name, value in state.items() if name != "words.weight"}
            module.ear.load_state_dict({k.removeprefix("ear."): v for k, v in state.items()})
        else:
            module.load_state_dict(state)
    data = HearData(omni, Features.build(store, "train", cache), store.turns("train"),
                    seed=run.seed)  # fmt: skip
    valid = HearData(omni, Features.build(store, "valid", cache), store.turns("valid"),
                     seed=run.seed, clean=True)  # fmt: skip
    held_out = [valid(-1 - i) for i in range(4)]
    return train(module, module, data, run, recipe or Recipe(lr=1e-3), held_out)


@dataclass
class TalkData:
    """Spoken answers to spoken and written questions, and sentences without a question. An answer
    is said sentence by sentence, as in use (turn.py): a row is one of its sentences, whoever says
    it."""

    speak: SpeakData
    features: Features
    turns: Sequence[Turn]
    size: int = 48
    seed: int = 0
    share: float = 0.6  # of the rows answer a question
    clean: bool = False
    says: dict[str, list[int]] = field(init=False)  # sentence -> the rows in which it is said
    answers: list[tuple[Turn, list[str]]] = field(init=False)  # and sentences of its answer
    heard: dict[str, int] = field(init=False)  # id of a clip -> its features

    def __post_init__(self):
        self.heard = {row["id"]: i for i, row in enumerate(self.features.rows)}
        self.says = {}
        for i, row in enumerate(self.speak.rows):
            self.says.setdefault(row.text, []).append(i)
        told = ((turn, [part for part in parted(turn.answer) if part in self.says])
                for turn in lessons(self.turns, "train"))  # fmt: skip
        self.answers = [(turn, parts) for turn, parts in told
                        if parts and turn.question_audio in self.heard]  # fmt: skip

    def __call__(self, step: int) -> TalkBatch:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        tokenizer, cloned = self.speak.omni.tokenizer, step % 3 == 0
        clips, laid, items = [], [], []
        for number in rng.integers(0, len(self.answers), round(self.size * self.share)):
            turn, told = self.answers[int(number)]
            row = int(rng.choice(self.says[str(rng.choice(told))]))
            parts = [Text(turn.question)]
            if not clips or rng.random() < 0.8:
                clips.append(self.features[self.heard[turn.question_audio]])
                parts = [sound(clips[-1])]
            laid.append(asked(tokenizer, parts, rng))
            items.append(self.speak.item(row, cloned, rng, laid[-1].ids.numpy()))
        items += self.speak.some(self.size - len(items), cloned, rng)
        places = pad([row.places.numpy().T for row in laid], 0).permute(2, 0, 1)
        ids = pad([row.ids.numpy() for row in laid], 0)
        return TalkBatch(ear_rows(clips, rng, self.clean), ids, places, speak_batch(items))


def spoken(store: Store, split: str, codes: Codes) -> list[Reading]:
    """The clips of a split that have codes."""
    clips = store.spoken(split)
    columns = (clips.column(name) for name in ("text", "voice", "phones", "units", "speed"))
    return [Reading(name, text, voice, word_spans(phones, units), speed)
            for name, text, voice, phones, units, speed in zip(clips.ids, *columns, strict=True)
            if name in codes]  # fmt: skip


def speak(
    omni: Omni, store: Store, codes: Path, run: Run, recipe: Recipe | None = None,
    start: Path | None = None,
) -> Result:  # fmt: skip
    """Train Talker and MTP to say sentences; `codes` is the folder that `tokenise` filled."""
    made = {split: Codes(codes / f"{split}.npz") for split in ("train", "valid")}
    module = Speak(omni, made["train"].books)
    if start:
        module.load_state_dict(weights(start))
    data = SpeakData(omni, spoken(store, "train", made["train"]), made["train"], seed=run.seed)
    valid = SpeakData(omni, spoken(store, "valid", made["valid"]), made["valid"], seed=run.seed)
    held_out = [valid(-1 - i) for i in range(3)]
    return train(module, module, data, run, recipe or Recipe(lr=1.2e-3), held_out)


def talk(
    omni: Omni, store: Store, cache: Path, codes: Path, run: Run, recipe: Recipe | None = None,
    start: Path | None = None, hearing: "Hearing | None" = None,
) -> Result:  # fmt: skip
    """Train Talker and MTP on answers; ear and Thinker are `omni`'s and stay as they are. With
    `hearing`, what MTP chooses is to sound right as well, for which the Talker's states learn too.
    """
    made = Codes(codes / "train.npz")
    module = Talk(omni, made.books, hearing=hearing)
    if start:
        module.speak.load_state_dict(weights(start))
    data, held_out = talk_data(omni, store, cache, made, run.seed)
    return train(module, module, data, run, recipe or Recipe(lr=4e-4), held_out)


def talk_data(
    omni: Omni, store: Store, cache: Path, made: Codes, seed: int
) -> tuple[TalkData, list[TalkBatch]]:
    """Answers to train on, and held-out ones."""
    aloud = SpeakData(omni, spoken(store, "train", made), made, seed=seed)
    features, turns = Features.build(store, "train", cache), store.turns("train")
    apart = turns[::50]  # held out: only answers of `train` are spoken
    learnt = [turn for i, turn in enumerate(turns) if i % 50]
    valid = TalkData(aloud, features, apart, seed=seed, share=1.0, clean=True)
    data = TalkData(aloud, features, learnt, seed=seed)
    if not (valid.answers and data.answers):
        raise ValueError("no answer to a spoken question has codes: write those of all train clips")
    return data, [valid(-1 - i) for i in range(3)]
