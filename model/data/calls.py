"""What people call out while another one talks: "mm-hm" (go on) and "wait, stop" (let me speak).

    datasets/calls/{train,valid,test}-*.parquet      clips as in datasets/spoken (store.py)

Some thousand short clips by random speakers of the bendable voice and, where Kokoro's voices are
given, by those. The test has phrasings and voices of its own: speakers drawn from another seed, and
the four Kokoro voices that no training hears. Valid has phrasings of its own too.

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
        "good idea", "clear", "same here", "not bad", "hm hm", "uh-huh, yes", "mhm, right",
        "hmm, interesting", "oh my", "my my", "goodness", "gosh", "whoa", "amazing", "brilliant",
        "wonderful", "excellent", "fantastic", "super", "beautiful", "funny", "that's funny",
        "that's nice", "that's good", "that's cool", "how lovely", "how funny", "how strange",
        "strange", "poor you", "poor thing", "too bad", "what a pity", "such a pity", "sad",
        "I hear you", "I know, right", "I know that", "I think so", "I think so too", "I guess",
        "I suppose so", "I hope so", "I bet", "me too", "me neither", "you bet", "you don't say",
        "is that so", "is it", "did you", "does it", "was it", "are they", "no way", "no kidding",
        "for sure", "for real", "surely", "totally", "obviously", "naturally", "correct", "agreed",
        "granted", "good for you", "well done", "good to know", "good thinking", "lucky you",
        "as you say", "just so", "quite", "quite so", "quite right", "very true", "very well",
        "very clever", "clever", "neat", "sweet", "thank you", "thanks", "go on", "do go on",
        "tell me more", "and then", "no problem", "no worries", "with you so far", "I follow",
        "I follow you", "following you", "I can imagine", "I understand", "okay, I understand",
        "yes, I know", "yeah, I know", "oh, I know", "of course, yes", "it is", "it does",
        "they do", "so it is", "so I heard", "so I see", "it seems so", "all good", "all clear",
    ),
    "valid": (
        "mmm", "yes, mm-hm", "ah, right", "oh, lovely", "hmm, okay", "splendid", "how true",
        "just like that", "I thought so", "oh, that's good", "never", "fabulous", "true, true",
        "sure, sure", "yes, fair", "what a story", "nice one", "you too", "oh boy", "so they say",
        "right you are", "yes, right", "okay, nice", "that figures",
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
        "tell me something else", "please, one moment", "no", "no, please", "oh, wait", "oh, stop",
        "stop, stop", "wait, wait", "wait, wait, wait", "no, no, no", "hey", "hello", "sorry",
        "listen", "look", "silence", "hush", "pause", "pause, please", "cancel", "cancel that",
        "shut up", "skip that", "skip this", "skip it", "next one, please", "next", "too long",
        "too loud", "that is too loud", "speak louder", "speak up, please", "not so loud, please",
        "you are too fast", "go slower", "not so quick", "what did you say", "I can't hear you",
        "I couldn't hear that", "I did not get that", "I did not catch the name", "repeat, please",
        "again, please", "once more, please", "from the start, please", "start over",
        "go back a bit", "go back to the first one", "what was the first one",
        "what was the last word", "before you go on", "before that, a question", "a quick question",
        "one question", "question", "I have another question", "may I ask you something",
        "could I ask one thing", "can I interrupt you", "may I interrupt", "let me interrupt you",
        "let me finish", "let me explain", "let me think", "let me add something",
        "let me tell you what I want", "I want to say something", "I want something different",
        "I need something else now", "I was not finished", "I was still talking",
        "I am not done yet", "I asked for the other one", "I asked about tomorrow",
        "I said Tuesday", "I said the red one", "I meant the blue one", "I meant next week",
        "I don't want that", "I don't need that", "I don't think so", "I don't agree", "I disagree",
        "I know that already", "I heard that before", "you said that already",
        "you told me that already", "you misunderstood me", "you are wrong", "you made a mistake",
        "that was a mistake", "that can't be right", "that's not right", "this is wrong",
        "it is not like that", "it was the other way round", "wrong one", "wrong answer",
        "wrong, wrong", "nonsense", "not like this", "not this one", "not today",
        "not the green one", "the other one, please", "the first one, please",
        "something else, please", "another one, please", "do another one", "try again",
        "try something else", "change the subject", "can you change that", "can you say it shorter",
        "make it shorter", "shorter, please", "get to the point", "what is your point",
        "and what about me", "what about the price", "what about Sunday",
        "but what about the others", "but how", "but when", "but who", "but where", "but which one",
        "but I said no", "but I wanted two", "how much is it", "how far is it", "how long is that",
        "where is that", "where was that", "who said that", "who was it", "what is that",
        "what for", "why", "why not", "why do you say that", "when", "where", "how", "which",
        "which day", "are you sure about that", "is that really true", "do you hear me",
        "can you hear me", "please be quiet", "please be still", "please listen", "please don't",
        "please, not that", "don't", "don't do that", "don't say that", "leave it",
        "leave that out", "drop it", "that will do", "that will be all", "it's enough",
        "no more, please", "no more", "finish now", "time out", "break", "back up a bit",
        "back to the question", "someone is at the door", "my phone is ringing", "I have to go now",
        "I must go", "good bye now", "come back later", "later, please", "in a minute",
        "a minute, please", "a moment, please", "wait for me", "wait until I am ready",
        "wait, I have to write that down", "let me write that down", "sorry, could you wait",
        "sorry, I have to stop you", "sorry, that is not it", "excuse me, what",
        "excuse me, one thing", "hey, listen", "hey, over here", "okay, stop", "okay, enough",
        "okay, wait", "okay, but why", "yes, but", "yes, but not now", "yes, but I meant the other",
        "well, no", "well, actually", "actually, wait", "actually, I was asking something",
        "um, no", "uh, wait", "oh dear, stop", "right, but wait",
    ),
    "valid": (
        "halt", "wait up", "stop this", "one thing, please", "now wait", "no, thank you",
        "hold that thought", "I beg your pardon", "let's stop here", "no, the second one",
        "that is not mine", "I meant Friday", "how do you mean", "what do you want", "not again",
        "hold it there", "may I say one thing", "please stop talking", "sorry, which one",
        "could you stop now", "that's not my question", "hey you", "can I say something",
        "wait, not yet",
    ),
    "test": (
        "hang on", "stop, please", "wait a second", "no, stop", "hold on, please", "no, not that",
        "sorry, wait", "can you stop", "I did not mean that", "that is wrong", "one second",
        "wait, no", "stop for a moment", "I wanted to ask something", "no, I said the other one",
        "what do you mean",
    ),
}  # fmt: skip
SPEAKERS = {"train": 320, "valid": 24, "test": 40}  # of the bendable voice
EACH = 14  # phrases a speaker says
KOKORO_EACH = {"train": 30, "valid": 0, "test": 8}  # phrases a Kokoro voice says


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
        text = str(rng.choice(phrases[split]))
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
