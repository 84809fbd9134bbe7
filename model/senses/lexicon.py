"""The words that the model has read in training: what it writes down should be made of them.

A token is part of a word, so that whoever writes token by token can make up words ("a feeble
voice" -> "a feable voice"). `strange` counts the words that nobody has ever read, and knows it of
a word that has only begun: a recogniser's lexicon, but one that can be overruled (transcribe.py).
`words.txt` lies beside the tokenizer, a word a line in the order of the alphabet, lower case; it is
made by model/data/words.py. Without it no word is strange.

    Lexicon(folder).strange("The old hou")          # 0: house
    Lexicon(folder).strange("The old hou", True)    # 1: it ends there

Left out: words with other letters than a to z (they are never strange), how often a word is used.
"""

import re
from bisect import bisect_left
from pathlib import Path

WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]*)?")


class Lexicon:
    def __init__(self, folder: str | Path):
        path = Path(folder) / "words.txt"
        self.words = path.read_text(encoding="utf-8").split() if path.exists() else []
        if self.words != sorted(set(self.words)):
            raise ValueError(f"{path}: expected every word once, in the order of the alphabet")
        self._known = frozenset(self.words)

    def strange(self, text: str, ended: bool = False) -> int:
        """How many words of a text were never read; unless it has `ended`, its last one may go
        on."""
        if not self.words:
            return 0
        text = text.lower().replace("\u2019", "'")
        words = WORD.findall(text)
        if words and not ended and text.endswith(words[-1]) and self._begins(words[-1]):
            words.pop()
        return sum(not self._read(word) for word in words)

    def _read(self, word: str) -> bool:
        return word in self._known or not word.isascii() or word.partition("'")[0] in self._known

    def _begins(self, start: str) -> bool:
        at = bisect_left(self.words, start)
        return at < len(self.words) and self.words[at].startswith(start)
