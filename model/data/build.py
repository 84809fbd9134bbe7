"""Make the data of a preset: plan every clip, then speak them shard by shard.

    sentences + turns --plan--> shards of clips in order of use --make--> datasets/{spoken,turns}

The plan depends on the seed alone. `hours` only says how far to go, so a longer build continues a
shorter one. The first 26 hours are at any point a fair sample of the whole: sentences in the named
voices and by random speakers, spoken questions, spoken answers. 30 hours hold the audio of all
turns. Then come the sentences of the Thinker's answers one by one, as the Talker says them ("Milk
is white.", "Yes."); five hours of glosses: more named voices, random speakers who say several each,
and all of them in manners; then more clips of Kokoro's voices, and what is left of both.

A shard appears whole or not at all; what is there is skipped, a damaged one is made again. At the
end `manifest.json` lists each shard with its hash.

Left out: sound scenes, pictures, other languages. Needs the `dev` extra and Debian's wordnet-base;
the Kokoro clips need the voices of the npm package kokoro-js too and are left out without them.

    omni data build micro --hours 73
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet
from tqdm import tqdm

from model.data.store import CLIPS, SPLITS, TURNS, Turn, encode, write
from model.data.tasks import lessons, turns
from model.data.texts import Sentence, glosses, parted, sentences
from model.data.voices import (
    FIRST,
    MANNERS,
    NAMED,
    RATE,
    UNSEEN,
    Hibari,
    Kokoro,
    Voice,
    bent,
    in_manner,
)

PRESETS = ("micro",)
WEIGHTS = {"heart": 0.40, "male": 0.20, "alto": 0.15, "child": 0.15, "deep": 0.10}
WARPED = 0.35  # share of the sentences that a random speaker says as well
REPLIES, SHORT = 3, 40  # clips of each sentence of an answer, and of one that is a single word
PACES = 0.12  # how much faster or slower they are said, at most
QUESTIONS = 9000  # turns whose question is spoken
ANSWERS = 6000  # of these: turns whose answer is spoken too
KOKORO_VOICES = (
    ("af_alloy", "af_aoede", "af_heart", "af_jessica", "af_kore", "af_nicole", "af_nova")
    + ("af_river", "af_sarah", "af_sky", "am_adam", "am_echo", "am_eric", "am_liam", "am_michael")
    + ("am_onyx", "am_puck", "am_santa", "bf_alice", "bf_emma", "bf_lily", "bm_daniel")
    + ("bm_george", "bm_lewis")
)
KOKORO_FIRST, KOKORO_TRAIN = 40, 150  # clips a voice: among the first 30 hours, and in all
KOKORO_TEST = 30
SAMPLE = 0.626  # of the bulk; then Kokoro, which is slow, then what questions and answers are left
THIRTY = 30.0  # hours, after which glosses come,
FIVE = 5.0  # so many hours of them before the rest
SAME = 4  # glosses by one speaker, one after the other
RANDOM = 0.45  # of these speakers are random
NEWER = 0.55  # of the named ones are not of the first five
PLAIN = 0.4  # of the glosses are said in no manner; but for the first five, who always have one
OPEN_TEST, WORDS_TEST, OPEN_VALID, WORDS_VALID = 300, 100, 220, 60


@dataclass(frozen=True)
class Clip:
    """One clip to be made: who says what."""

    id: str
    text: str
    source: str
    voice: Voice
    seed: int

    @property
    def seconds(self) -> float:
        """About how long it will be."""
        return 0.3 + 0.058 * len(self.text) / self.voice.speed


@dataclass(frozen=True)
class Shard:
    name: str  # of the file: train-00003
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class Plan:
    shards: list[Shard]  # in the order in which they are made
    turns: dict[str, list[Turn]]


@dataclass(frozen=True)
class Built:
    """What is on disk after a build."""

    clips: int
    hours: float
    root: Path


def build(
    name: str = "micro",
    hours: float = 73.0,
    root: str | Path = "datasets",
    kokoro: str | Path | None = None,
    jobs: int = 2,
    seed: int = 0,
) -> Built:
    """Make about `hours` of speech below `root`, or what is still missing of it."""
    if name not in PRESETS:
        raise ValueError(f"no data preset is named {name!r}; there is {', '.join(PRESETS)}")
    if not hours > 0:
        raise ValueError(f"{hours} hours of speech asked for; expected more than 0")
    whole = plan(seed)
    shards = [s for s in first_hours(whole.shards, hours) if kokoro or not _needs_kokoro(s)]
    return make(Plan(shards, whole.turns), root, kokoro, jobs)


def plan(seed: int = 0, size: int = 500) -> Plan:
    """Every clip of the micro data in the order of making, and the turns that refer to them."""
    rng = np.random.default_rng(seed)
    pool = sentences(seed)
    asked = turns(seed, pool)
    of = {name: [s for s in pool if s.split == name] for name in ("train", "valid", "test")}
    train = [clip(s.text, s.source, _named(rng)) for s in of["train"]]
    train += [clip(s.text, s.source, bent(rng)) for s in of["train"] if rng.random() < WARPED]
    spoken: dict[str, list[Clip]] = {"train": train, "valid": [], "test": []}
    for name, most in (("train", QUESTIONS), ("valid", 10_000), ("test", 10_000)):
        asked[name], clips = _voiced(asked[name], most, ANSWERS if name == "train" else 0, rng)
        spoken[name] += clips
    for name, n_open, n_words in (
        ("valid", OPEN_VALID, WORDS_VALID),
        ("test", OPEN_TEST, WORDS_TEST),
    ):
        strung = [s for s in of[name] if s.source == "words"][:n_words]
        chosen = _pick([s for s in of[name] if s.source != "words"], n_open, rng) + strung
        voices = [NAMED[voice] for voice in FIRST]
        spoken[name] += [clip(s.text, s.source, voices[i % 5]) for i, s in enumerate(chosen)]
    for clips in spoken.values():
        rng.shuffle(clips)
    late = round(SAMPLE * len(spoken["train"]) / size)
    rest = spoken["train"][late * size :]
    spoken["train"][late * size :] = sorted(
        rest, key=lambda c: c.source not in ("question", "answer")
    )
    parts = {name: _shards(name, clips, size) for name, clips in spoken.items()}
    unseen, various = _kokoro(of, rng, size)
    bulk = parts["train"]
    early = bulk[:1] + parts["test"] + parts["valid"] + bulk[1:6] + unseen + bulk[6:late]
    some = len(various) * KOKORO_FIRST // KOKORO_TRAIN
    first = early + various[:some] + bulk[late:]
    told = glosses(pool)
    held = [s for name in ("valid", "test") for s in _manners(told, name, seed, size)]
    more = _manners(told, "train", seed, size)
    thirty, five = first_hours(first, THIRTY), first_hours(more, FIVE)
    late_ones = first[len(thirty) :] + more[len(five) :]
    shards = thirty + held + _replies(asked["train"], seed, size)
    shards += five + various[some:] + late_ones
    return Plan(shards, asked)


def _replies(asked: Sequence[Turn], seed: int, size: int) -> list[Shard]:
    """The sentences of what the Thinker answers, each by several voices. Texts that are to be
    repeated have clips of their own."""
    rng = np.random.default_rng([seed, len(SPLITS)])
    told = [turn.answer for turn in lessons(asked, "train") if turn.task != "repeat"]
    clips: dict[str, Clip] = {}
    for text in sorted({part for answer in told for part in parted(answer)}):
        for _ in range(REPLIES if " " in text else SHORT):
            voice = _named(rng) if rng.random() < NEWER else _speaker(rng)
            pace = round(voice.speed * float(rng.uniform(1 - PACES, 1 + PACES)), 2)
            one = clip(text, "reply", replace(voice, speed=pace))
            clips[one.id] = one
    shuffled = [list(clips.values())[int(i)] for i in rng.permutation(len(clips))]
    return _shards("train", shuffled, size, first=2000)


def _manners(told: Sequence[Sentence], split: str, seed: int, size: int) -> list[Shard]:
    """Glosses of a split, several by one speaker, in manners; of test and valid one shard each."""
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    texts = [s.text for s in told if s.split == split]
    rng.shuffle(texts)
    clips = []
    for begin in range(0, len(texts) if split == "train" else min(len(texts), size), SAME):
        voice = _speaker(rng)
        for text in texts[begin : begin + SAME]:
            clips.append(clip(text, "gloss", in_manner(voice, *_manner(rng, voice.name in FIRST))))
    return _shards(split, clips, size, first=1000)


def _speaker(rng: np.random.Generator) -> Voice:
    if rng.random() < RANDOM:
        return replace(bent(rng), speed=1.0)
    names = list(NAMED)[len(FIRST) :] if rng.random() < NEWER else FIRST
    return NAMED[str(rng.choice(names))]


def _manner(rng: np.random.Generator, always: bool) -> list[str]:
    """No word of manner, one, two or three."""
    if not always and rng.random() < PLAIN:
        return []
    kinds = rng.permutation(list(MANNERS))[: rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])]
    return [str(rng.choice(list(MANNERS[kind]))) for kind in kinds]


def clip(text: str, source: str, voice: Voice) -> Clip:
    """A clip, named by what is said and how."""
    said = f"{text}|{voice.name}|{voice.speed}"
    digest = hashlib.sha256(said.encode()).hexdigest()
    return Clip(f"{source}-{digest[:12]}", text, source, voice, int(digest[:8], 16))


def first_hours(shards: Sequence[Shard], hours: float) -> list[Shard]:
    """As many whole shards as it takes to reach so many hours, but at least one."""
    seconds = np.cumsum([sum(c.seconds for c in shard.clips) for shard in shards])
    return list(shards[: int(np.searchsorted(seconds, hours * 3600)) + 1])


def make(plan: Plan, root: str | Path, kokoro: str | Path | None = None, jobs: int = 2) -> Built:
    """Speak and store the shards of a plan that are not there yet."""
    from joblib import Parallel, delayed

    root = Path(root)
    folder = root / "spoken"
    _same_recipe(plan, folder / "state.json")
    for split, rows in plan.turns.items():
        write(root / "turns" / f"{split}.parquet", [vars(turn) for turn in rows], TURNS)
    missing = [shard for shard in plan.shards if not _whole(folder, shard)]
    with tqdm(total=sum(len(s.clips) for s in plan.shards), unit="clip", desc="speech") as bar:
        bar.update(bar.total - sum(len(s.clips) for s in missing))
        tasks = (delayed(speak)(shard, folder, kokoro) for shard in missing)
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch=jobs)
        for count in parallel(tasks):
            bar.update(count)
    return _manifest(plan.shards, folder)


def speak(shard: Shard, folder: Path, kokoro: str | Path | None = None) -> int:
    """Make one shard; returns its number of clips."""
    rows = []
    for c in shard.clips:
        if c.source.startswith("kokoro"):
            said = _kokoro_engine(str(kokoro))(c.text, c.voice.name, c.voice.speed)
        else:
            said = _hibari_engine()(c.text, c.voice, c.seed)
        flac = encode(said.samples, RATE)
        rows.append(
            {
                "id": c.id,
                "text": c.text,
                "source": c.source,
                "voice": c.voice.name,
                "speed": c.voice.speed,
                "rate": RATE,
                "flac": flac,
                "seconds": len(said.samples) / RATE,
                "phones": list(said.phones),
                "units": list(said.units),
                "sha256": hashlib.sha256(flac).hexdigest(),
            }
        )
    write(folder / f"{shard.name}.parquet", rows, CLIPS)
    return len(rows)


_hibari_engine = cache(Hibari)  # one a process
_kokoro_engine = cache(Kokoro)


def _named(rng: np.random.Generator) -> Voice:
    return NAMED[str(rng.choice(list(WEIGHTS), p=list(WEIGHTS.values())))]


def _voiced(
    asked: list[Turn], questions: int, answers: int, rng: np.random.Generator
) -> tuple[list[Turn], list[Clip]]:
    """Let the first turns be asked aloud, by named and by random voices, and answered aloud."""
    clips: dict[str, Clip] = {}
    voiced: list[Turn] = []
    aloud = 0
    for turn in asked:
        if turn.task != "repeat" and aloud < questions:
            voice = bent(rng) if aloud % 2 else NAMED[FIRST[aloud // 2 % 5]]
            question = clip(turn.question, "question", voice)
            clips[question.id] = question
            turn = replace(turn, question_audio=question.id)
            if aloud < answers:
                answer = clip(turn.answer, "answer", _named(rng))
                clips[answer.id] = answer
                turn = replace(turn, answer_audio=answer.id)
            aloud += 1
        voiced.append(turn)
    return voiced, list(clips.values())


def _pick(items: list[Sentence], n: int, rng: np.random.Generator) -> list[Sentence]:
    return [items[int(i)] for i in rng.permutation(len(items))[:n]]


def _shards(name: str, clips: list[Clip], size: int, first: int = 0) -> list[Shard]:
    starts = range(0, len(clips), size)
    return [
        Shard(f"{name}-{first + i:05d}", tuple(clips[start : start + size]))
        for i, start in enumerate(starts)
    ]


def _kokoro(
    of: dict[str, list[Sentence]], rng: np.random.Generator, size: int
) -> tuple[list[Shard], list[Shard]]:
    """Test clips of the unseen voices; training clips of the others. Small shards: it is slow."""
    size = max(1, size // 10)
    open_ = {name: [s for s in of[name] if s.source != "words"] for name in of}
    names = UNSEEN * KOKORO_TEST
    unseen = [
        clip(s.text, "kokoro-unseen", Voice(name))
        for s, name in zip(_pick(open_["test"], len(names), rng), names, strict=False)
    ]
    names = KOKORO_VOICES * KOKORO_TRAIN
    texts = _pick(open_["train"], len(names), rng)
    speeds = [round(float(rng.uniform(0.9, 1.15)), 2) for _ in texts]
    odd = [n // len(KOKORO_VOICES) % 2 for n in range(len(names))]
    names = [_mixed(name, rng) if o else name for name, o in zip(names, odd, strict=True)]
    various = [
        clip(s.text, "kokoro", Voice(name, speed=speed))
        for s, name, speed in zip(texts, names, speeds, strict=False)
    ]
    return _shards("test", unseen, size, first=900), _shards("train", various, size, first=900)


def _mixed(name: str, rng: np.random.Generator) -> str:
    """A voice between `name` and another one of training: nobody else has it."""
    return "+".join(sorted([name, str(rng.choice([v for v in KOKORO_VOICES if v != name]))]))


def _needs_kokoro(shard: Shard) -> bool:
    return shard.clips[0].source.startswith("kokoro")


def _whole(folder: Path, shard: Shard) -> bool:
    """Whether the file of a shard is there and holds the clips of the plan."""
    try:
        table = pyarrow.parquet.read_table(folder / f"{shard.name}.parquet", columns=["id"])
    except (OSError, pyarrow.ArrowException):
        return False
    return table.column("id").to_pylist() == [c.id for c in shard.clips]


def _same_recipe(plan: Plan, state: Path) -> None:
    """Refuse to mix two plans in one folder."""
    first = plan.shards[0]
    recipe = hashlib.sha256("".join(c.id for c in first.clips).encode()).hexdigest()[:16]
    if state.exists() and (other := json.loads(state.read_text())["recipe"]) != recipe:
        raise ValueError(
            f"{state.parent} holds data of another recipe ({other}, this is {recipe}); "
            "use another root, or remove that folder's parquet files and state.json"
        )
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_text(json.dumps({"recipe": recipe}))


def _manifest(shards: Sequence[Shard], folder: Path) -> Built:
    """List what was made, with the hash of every file."""
    files, clips, seconds = {}, 0, 0.0
    for path in _files(shards, folder):
        table = pyarrow.parquet.read_table(path, columns=["seconds"])
        files[path.name] = {
            "clips": table.num_rows,
            "seconds": round(sum(table.column("seconds").to_pylist()), 1),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        clips += table.num_rows
        seconds += files[path.name]["seconds"]
    whole = {"clips": clips, "hours": round(seconds / 3600, 2), "shards": files}
    part = folder / "manifest.part"
    part.write_text(json.dumps(whole, indent=1) + "\n")
    part.replace(folder / "manifest.json")
    return Built(clips, seconds / 3600, folder.parent)


def _files(shards: Sequence[Shard], folder: Path) -> Iterator[Path]:
    yield from sorted(folder / f"{shard.name}.parquet" for shard in shards)
