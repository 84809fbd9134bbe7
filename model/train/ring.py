"""What sounds, told every 40 ms: what the ear and the guided head learn about sounds that are no
speech, as the eye does about pictures (look.py).

    scene --mix--> sound --ear--> states --heads--> "dog barking" in every state, nothing, ...

There are few recordings, and the test has others: so each is played faster or slower, short ones
several times, over some hum, and mostly as another room and microphone would have it.

Left out: two sounds at once.
Letters: A sounds, F mel frames, P steps (40 ms), S states (160 ms), D width.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.data.catalog import HUMS, SOUNDS
from model.data.mix import mix
from model.data.scenes import Ground, Scene, Sound
from model.data.shelf import Shelf
from model.layers.mel import log_mel_16k
from model.senses.spell import STEPS
from model.senses.tokenizer import Tokenizer
from model.thinker import Thinker
from model.train.batch import SILENCE, distort, pad
from model.train.features import STEP
from model.train.look import told
from model.train.losses import IGNORE
from model.train.stages import Ear

BENT = 1.6  # times as fast or slow, at most
SHORT = 0.8  # seconds: what is shorter may come again
ROOMS = 0.85  # of the sounds are distorted


class RingBatch(NamedTuple):
    mel: Tensor  # f32[A, 128, F]
    frames: Tensor  # i64[A]
    ringing: Tensor  # i64[A, P], of `ringing`, for every 40 ms


@dataclass
class RingData:
    """Single sounds of a shelf; batch n of a seed is always the same."""

    tokenizer: Tokenizer
    shelf: Shelf
    size: int = 16
    seed: int = 0
    clean: bool = False  # held-out sounds are played as they are

    def __call__(self, step: int) -> RingBatch:
        rng = np.random.default_rng([self.seed, abs(step), step < 0])
        mels, named = [], []
        for _ in range(self.size):
            scene = self.alone(rng)
            mel = log_mel_16k(torch.from_numpy(mix(scene))[None])[0].T.numpy()
            mels.append(mel if self.clean or rng.random() > ROOMS else distort(mel, rng))
            named.append(ringing(scene, self.tokenizer, len(mel) // STEP))
        frames = torch.tensor([len(mel) for mel in mels])
        return RingBatch(pad(mels, SILENCE, 16).transpose(1, 2), frames, pad(named, IGNORE))

    def alone(self, rng: np.random.Generator) -> Scene:
        """One kind of sound, by one recording."""
        name = str(rng.choice(self.shelf.sounds))
        recordings = self.shelf.of(name)
        recording = recordings[int(rng.integers(len(recordings)))]
        speed = 1.0 if self.clean else float(BENT ** rng.uniform(-1, 1))
        seconds, gain = recording.seconds / speed, float(rng.uniform(-6, 3))
        again = 1 if self.clean or seconds > SHORT else int(rng.integers(1, 4))
        starts = float(rng.uniform(0.1, 0.7)) + np.arange(again) * (seconds + rng.uniform(0, 0.4))
        sounds = tuple(Sound(name, recording.id, float(start), seconds, speed, gain)
                       for start in starts)  # fmt: skip
        return Scene(
            int(rng.integers(2**31)), self.shelf.split, sounds[-1].end + 0.2, 0.0, 256, 256,
            Ground("white", "white"), sounds=sounds, hum=str(rng.choice(HUMS)),
            loudness=float(rng.uniform(-50, -28)),
        )  # fmt: skip


def ringing(scene: Scene, tokenizer: Tokenizer, steps: int) -> np.ndarray:
    """What sounds in every 40 ms, i64[steps]: the tokens of what is heard, one after the other in
    each state of the ear ("dog barking"), `tts_pad` where nothing does, IGNORE where somebody
    speaks or two sounds meet."""
    labels = np.full(steps, tokenizer.tts_pad)
    centres, many = (np.arange(steps) + 0.5) * STEP / 100, np.zeros(steps)
    for sound in scene.sounds:
        here = (centres >= sound.start) & (centres < sound.end)
        tokens = tokenizer.encode(" " + re.sub("^an? ", "", SOUNDS[sound.name].heard))
        labels[here] = np.array(tokens)[np.arange(steps) % STEPS % len(tokens)][here]
        many += here
    for line in scene.lines:
        many[(centres >= line.start) & (centres < line.end)] = np.inf
    return np.where(many > 1, IGNORE, labels)


def naming_loss(
    ear: Ear, thinker: Thinker, heard: Tensor, ringing: Tensor, nothing: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of telling what sounds from the ear's states f[A, S, D], i64[A, P] of `ringing`;
    where nothing does it counts less. The guided head tells the first token of each state."""
    metrics, loss = {}, heard.new_zeros(())
    sounds = ringing != nothing
    for name, these, share in (("ring", sounds, 0.3), ("ring_none", ~sounds, 0.1)):
        if (these & (ringing != IGNORE)).any():
            telling, metrics[name] = ear.spelled(heard, ringing.masked_fill(~these, IGNORE))
            loss = loss + share * telling
    first = ringing[:, ::STEPS][:, : heard.shape[1]]
    some = (first != IGNORE) & (first != nothing)
    if some.any():
        telling, metrics["told_sound"] = told(
            thinker, heard[:, : first.shape[1]][some], first[some]
        )
        loss = loss + 0.3 * telling
    return loss, metrics
