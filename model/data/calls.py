"""What people call out while another one talks: "mm-hm" (go on) and "wait, stop" (let me speak).

    datasets/calls/{train,valid,test}-*.parquet      clips as in datasets/spoken (store.py)

Some thousand short clips by random speakers of the bendable voice and, where Kokoro's voices are
given, by those. The test has phrasings and voices of its own: speakers drawn from another seed, and
the four Kokoro voices that no training hears. Valid has the phrasings of training.

Left out: real people; laughing, humming a tune, breathing.

    omni data calls --kokoro VOICES
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from model.data.build import KOKORO_VOICES, Clip, Shard, clip, speak
from model.data.store import SPLITS, Clips
from model.data.voices import UNSEEN, Voice, bent

BACKCHANNELS = {
    "train": (
        "mm-hm", "uh-huh", "hmm", "mhm", "oh", "ah", "yeah", "yes", "yep", "right", "okay", "sure",
        "really", "good", "nice", "great", "true", "wow", "cool", "fine", "I see", "oh okay",
        "yeah yeah", "right right", "oh I see", "of course", "okay okay", "ah yes", "oh really",
        "sounds good", "good point", "yes I see", "oh yeah", "okay good", "mm-hm, yeah", "oh wow",
        "indeed", "absolutely", "certainly", "definitely", "that's right", "that's true", "I know",
        "understood", "fair enough", "I get it", "no doubt", "very nice", "lovely", "perfect",
        "interesting", "how nice", "oh no", "oh dear", "ha", "huh", "aw", "hm", "ooh", "mm, okay",
        "well well", "yes of course", "I believe you", "that's great", "so true", "okay then",
        "yeah, true", "ah, good", "right, I see", "sure thing", "you are right", "I agree",
        "good idea", "clear", "same here", "not bad",
    ),
    "test": (
        "mm", "yup", "aha", "got it", "ah okay", "yes yes", "oh right", "exactly", "makes sense",
        "oh nice", "alright", "yeah right", "okay sure", "very good", "ah I see", "oh good",
    ),
}  # fmt: skip
INTERRUPTIONS = {
    "train": (
        "wait", "stop", "wait, stop", "hold on", "hold on a second", "no, wait", "no, I meant",
        "please stop", "stop it", "just a moment", "one moment please", "wait a minute", "no no",
        "sorry, no", "excuse me", "that is not what I asked", "let me stop you there", "but why",
        "stop talking", "I have a question", "no, that is not right", "listen to me", "be quiet",
        "wait, what", "sorry, what", "can I ask something", "actually, no", "but wait", "what",
        "never mind", "not that one", "I meant something else", "let me say something", "pardon",
        "no, the other one", "stop there", "that's enough, thanks", "please wait", "hang on a bit",
        "stop now", "hold it", "let me speak", "may I say something", "I need to ask something",
        "sorry to interrupt", "that's not it", "that is not true", "no, listen", "wait, please",
        "hey, stop", "hey, wait", "stop right there", "can we talk about something else",
        "what was that", "say that again", "could you repeat that", "which one", "who is that",
        "how come", "when was that", "why is that", "I don't understand", "not so fast",
        "that's not what I meant", "no, you got it wrong", "let me ask you this", "slow down",
        "give me a second", "not now", "quiet, please", "enough", "that is enough", "go back",
        "I changed my mind", "forget it", "actually, I want something else", "start again",
        "tell me something else", "please, one moment",
    ),
    "test": (
        "hang on", "stop, please", "wait a second", "no, stop", "hold on, please", "no, not that",
        "sorry, wait", "can you stop", "I did not mean that", "that is wrong", "one second",
        "wait, no", "stop for a moment", "I wanted to ask something", "no, I said the other one",
        "what do you mean",
    ),
}  # fmt: skip
SPEAKERS = {"train": 160, "valid": 10, "test": 40}  # of the bendable voice
EACH = 14  # phrases a speaker says
KOKORO_EACH = {"train": 20, "valid": 0, "test": 8}  # phrases a Kokoro voice says


def plan(seed: int = 0) -> list[Shard]:
    """Every clip; one file a split and kind of voice. Kokoro's come last: they take long."""
    shards, late = [], []
    for number, split in enumerate(SPLITS):
        rng = np.random.default_rng([seed, number])
        voices = [bent(rng) for _ in range(SPEAKERS[split])]
        bendable = [c for voice in voices for c in _said(split, voice, EACH, "", rng)]
        names = UNSEEN if split == "test" else KOKORO_VOICES
        kokoro = [
            c
            for name in names
            for c in _said(split, Voice(name), KOKORO_EACH[split], "kokoro-", rng)
        ]
        shards.append(Shard(f"{split}-00000", tuple(bendable)))
        if kokoro:
            late.append(Shard(f"{split}-00900", tuple(kokoro)))
    return shards + late[::-1]


def _said(split: str, voice: Voice, count: int, maker: str, rng: np.random.Generator) -> list[Clip]:
    """Half of the phrases are of one kind, half of the other."""
    clips = {}
    for i in range(count):
        kind, phrases = ("interrupt", INTERRUPTIONS) if i % 2 else ("backchannel", BACKCHANNELS)
        text = str(rng.choice(phrases["test" if split == "test" else "train"]))
        text += str(rng.choice([".", "!", "?"], p=[0.7, 0.15, 0.15]))
        made = clip(text, f"{maker}{kind}", voice)
        clips[made.id] = made
    return list(clips.values())


def build(root: str | Path = "datasets", kokoro: str | Path | None = None, seed: int = 0) -> int:
    """Make what is missing below `root`; returns how many clips there are."""
    folder, made = Path(root) / "calls", 0
    for shard in tqdm(plan(seed), desc="calls", unit="file"):
        if shard.name.endswith("900") and not kokoro:
            continue
        if not (folder / f"{shard.name}.parquet").exists():
            speak(shard, folder, kokoro)
        made += len(shard.clips)
    return made


def calls(split: str, root: str | Path = "datasets") -> Clips:
    """The clips of a split; `source` ends with backchannel or interrupt."""
    shards = sorted((Path(root) / "calls").glob(f"{split}-*.parquet"))
    if not shards:
        raise ValueError(f"{root}/calls holds nothing for {split}; `omni data calls` makes it")
    return Clips(shards)
