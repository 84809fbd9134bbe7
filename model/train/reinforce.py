"""The stage `reinforce`: the Talker says sentences, and what its own ear understands gets likelier.

    a sentence --attempts.py--> eight attempts --two ears--> how likely each token of the text is
        --> less the mean of the eight: what came before such a token was well said, or badly

Post-training of the Talker (report section 4.2: rule rewards with GSPO). Teacher forcing shows it
true pasts only; here it goes on from its own. This is REINFORCE with the mean of a group as its
baseline, as in GRPO (Shao et al., 2024), one step for each group, so that no ratio has to be
clipped. A token's advantage goes to the frames that speak it and, less and less, to those before
it. Beside it goes a batch of `talk`: true sentences and answers, which hold the Talker to what it
learnt and are all that MTP learns from, as its choices are not drawn.

The own ear, and the Thinker with it, soon is pleased by what nobody else understands. So there is a
second one, an ear of another training that only spells (listener.py): of six attempts at 30
validation sentences in five voices, the one that it likes best had fewer words wrong by a judge
(22.8 %) than the one the own ear likes best (25.2; any of them 30.3), and both together fewer still
(22.2). It listens to MTP's choices as well (hearing.py).

    omni train reinforce --start model/checkpoints/micro --minutes 60

Left out: answers to questions; imitated voices.
Letters: N sentences, G attempts at each, B = N x G, T text tokens, L length of a stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.data.store import Store
from model.omni import Omni
from model.train.attempts import Attempts, choices, say, sounds, spelled, understood
from model.train.batch import TalkBatch, alike, pad
from model.train.codes import Codes
from model.train.hearing import Hearing
from model.train.listener import Listener
from model.train.loop import Recipe, Result, Run, train
from model.train.losses import IGNORE
from model.train.stages import SpeakData, Talk, talk_data
from model.turn import Voice

SENTENCES = 12
ATTEMPTS = 8
TRUE = 16  # rows of `talk` beside them
TEMPERATURE = 0.8  # at which codebook 0 is drawn
LEADS = (3, 3, 3, 2, 4, 5)  # text tokens that are held back
SPEEDS = (0.94, 1.06)  # at which an attempt is heard
WORST = -5.0  # nats: a token that is less likely is not understood, and that is that
LATER = 0.6  # what a token counts for the one before it
HOLD = 0.25  # what the batch of `talk` counts
MOST = 30  # text tokens of a sentence


class Sentences(NamedTuple):
    """What is to be said, and how."""

    texts: Tensor  # i64[N, T]
    lengths: Tensor  # i64[N]
    voice: str
    lead: int
    speed: float  # at which it is heard, by the second ear as much slower or faster


class ReinforceBatch(NamedTuple):
    sentences: Sentences
    true: TalkBatch


@dataclass
class SentenceData:
    """Sentences and the voices of clips; batch n of a seed is always the same."""

    speak: SpeakData
    texts: Sequence[str]
    size: int = SENTENCES
    seed: int = 0
    clean: bool = False
    short: list[list[int]] = field(init=False)

    def __post_init__(self):
        encoded = map(self.speak.omni.tokenizer.encode, sorted(set(self.texts)))
        self.short = [text for text in encoded if 0 < len(text) <= MOST]

    def __call__(self, step: int) -> Sentences:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        (i,) = alike(self.speak.lengths, 1, rng, self.speak.prompts.chances[False])
        texts = [np.array(self.short[i]) for i in rng.integers(0, len(self.short), self.size)]
        return Sentences(
            pad(texts, 0), torch.tensor(list(map(len, texts))), self.speak.prompts.words(i, rng),
            LEADS[0] if self.clean else int(rng.choice(LEADS)),
            1.0 if self.clean else float(rng.uniform(*SPEEDS)),
        )  # fmt: skip


class Reinforce(Talk):
    """Talker and MTP, on true answers and on their own attempts."""

    def __init__(
        self, omni: Omni, books: np.ndarray, attempts: int = ATTEMPTS,
        listener: Listener | None = None,
    ):  # fmt: skip
        hearing = Hearing(omni.codec.renderer, listener) if listener else None
        super().__init__(omni, books, hearing=hearing)
        self.omni = [omni]  # in a list: what is not the Talker's is not trained here
        self.attempts = attempts

    def forward(self, batch: ReinforceBatch) -> tuple[Tensor, dict[str, Tensor]]:
        said, true = batch
        texts = [row[:n].tolist() for row, n in zip(said.texts, said.lengths, strict=True)]
        count, temperature = (self.attempts, TEMPERATURE) if self.training else (1, 0.0)
        made, clear = self.tried([t for t in texts for _ in range(count)], said, temperature)
        held, metrics = super().forward(true)
        metrics = {"clear": torch.stack([each.mean() for each in clear]).mean(),
                   "frames": made.frame.sum() / len(clear), **metrics}  # fmt: skip
        if not self.training:
            return -metrics["clear"], metrics
        worth = [part for n in range(len(texts))
                 for part in advantages(clear[count * n : count * (n + 1)])]  # fmt: skip
        gain, entropy = self.gain(made, worth, temperature)
        balance = self.speak.balance.take()
        loss = HOLD * held - gain + 0.01 * balance
        return loss, metrics | {"gain": gain, "entropy": entropy}

    @torch.no_grad()
    def tried(
        self, texts: Sequence[Sequence[int]], how: Sentences, temperature: float
    ) -> tuple[Attempts, list[Tensor]]:
        """An attempt at each text, and the log-probabilities f[T + 1] of its tokens, the mean of
        those of all ears."""
        omni, learning, hearing = self.omni[0], self.training, self.speak.hearing
        omni.eval()  # the routers are not to be balanced on this
        with torch.autocast("cpu", enabled=False):
            made = say(omni, texts, Voice(how.voice), how.lead, temperature)
        waves = sounds(omni, made)
        clear = understood(omni, waves, texts, how.speed)
        if hearing:
            again = spelled(hearing.listener.ear, waves, texts, omni.tokenizer, 2 - how.speed)
            clear = [(one.clamp(min=WORST) + other) / 2
                     for one, other in zip(clear, again, strict=True)]  # fmt: skip
        self.train(learning)
        return made, clear

    def gain(
        self, made: Attempts, worth: Sequence[Tensor], temperature: float
    ) -> tuple[Tensor, Tensor]:
        """What is to rise: log-probabilities of the drawn codes, times what they are worth; and the
        entropy of what they were drawn from, in nats."""
        talker, drawn = self.omni[0].talker, made.targets != IGNORE
        x = torch.where(made.frame[..., None], talker.embed_frames(made.codes),
                        talker.words(made.words))  # fmt: skip
        begin = made.opening.expand(len(x), -1, -1)
        hidden = talker(torch.cat((begin, x), dim=1))[0][:, begin.shape[1] :]
        logits = choices(talker.head(hidden[drawn]), made.pending[drawn], talker.config.end)
        shares = (logits / temperature).log_softmax(-1)
        chosen = shares.gather(1, made.targets[drawn][:, None])[:, 0]
        each = torch.cat([of[said[here]] for of, said, here in
                          zip(worth, made.spoken, drawn, strict=True)])  # fmt: skip
        each = each / each.std().clamp(min=1e-3)
        entropy = -(shares.exp() * shares.clamp(min=-100)).sum(-1).mean().detach()
        return (each * chosen).mean(), entropy


def advantages(clear: Sequence[Tensor]) -> list[Tensor]:
    """What the frames that speak each token f[T] were worth, of attempts at one text with tokens
    and end so likely f[T + 1]: how much more likely than in the mean of the attempts the token is,
    and, less and less, those after it. One token early, as durations tell only about when it is
    spoken."""
    likely = torch.stack(list(clear)).clamp(min=WORST)  # [G, T + 1]
    better = likely - likely.mean(0)
    later, total = [], torch.zeros(len(better))
    for column in better.flip(1).unbind(1):
        total = column + LATER * total
        later.append(total)
    returns = torch.stack(later[::-1], dim=1)  # [G, T + 1]
    return list(torch.cat((returns[:, :1], returns[:, :-2]), dim=1))


def reinforce(
    omni: Omni, store: Store, cache: Path, codes: Path, run: Run, recipe: Recipe | None = None,
    sentences: int = SENTENCES, attempts: int = ATTEMPTS, true: int = TRUE,
    listener: Listener | None = None,
) -> Result:  # fmt: skip
    """Train the Talker of `omni`, and MTP beside it; `codes` as in `talk`, `listener` is the second
    ear."""
    made = Codes(codes / "train.npz")
    module = Reinforce(omni, made.books, attempts, listener)
    talk, told = talk_data(omni, store, cache, made, run.seed)
    talk = replace(talk, size=true)
    texts = {split: store.spoken(split).column("text") for split in ("train", "valid")}
    data = SentenceData(talk.speak, texts["train"], sentences, run.seed)
    valid = SentenceData(talk.speak, texts["valid"], 2 * sentences, run.seed, clean=True)
    held_out = [ReinforceBatch(valid(-1 - i), batch) for i, batch in enumerate(told)]
    return train(module, module, lambda step: ReinforceBatch(data(step), talk(step)), run,
                 recipe or Recipe(lr=3e-4, decay=0.6), held_out)  # fmt: skip
