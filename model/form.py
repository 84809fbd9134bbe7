"""The form of an answer: what begins as JSON is JSON when it ends.

A small model loses count of its brackets, or tells so much that its answer is cut off. Which bytes
may follow, JSON itself says (RFC 8259); of the tokens that are left only so many are used that all
that is open can still be closed. Any other answer is free, and stays free.

    form = Form()
    token = choose(logits, form, tokenizer, left=256)
    form = form.after(tokenizer.piece(token))

A `Form` is a value: it knows what is open and what comes next. Left out: schemas (which keys, which
values), more than one blank in a row between two signs.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from model.sampling import Sampling, pick
from model.senses.tokenizer import Tokenizer

GREEDY = Sampling()
QUICK = 6  # tokens that are tried one by one
BLANKS = b" \t\r\n"
CLOSES = {"{": "}", "[": "]"}
WORDS = {"t": "rue", "f": "alse", "n": "ull"}
# what has been read of a number -> the signs that may follow, and what has been read then;
# 9 stands for any digit but 0
NUMBER = {
    "minus": {"0": "zero", "9": "whole"},
    "zero": {".": "point", "e": "e"},
    "whole": {"0": "whole", "9": "whole", ".": "point", "e": "e"},
    "point": {"0": "part", "9": "part"},
    "part": {"0": "part", "9": "part", "e": "e"},
    "e": {"+": "sign", "0": "power", "9": "power"},
    "sign": {"0": "power", "9": "power"},
    "power": {"0": "power", "9": "power"},
}
UNDONE = {  # what comes next -> what is missing at least, before the brackets are closed
    "value": "0", "key": '"":0', "colon": ":0", "name": '":0', "name\\": '"":0', "string": '"',
    "string\\": '""', "minus": "0", "point": "0", "e": "0", "sign": "0",
}  # fmt: skip


class Form(NamedTuple):
    """Where an answer stands."""

    next: str = "begin"  # what comes: a value, a key, the rest of a string, ...
    open: str = ""  # the brackets that are, the outermost first
    rest: str = ""  # of a word (true), or a mark for each digit of \\u00e9 that is to come
    blank: bool = False  # was the last byte one?

    @property
    def free(self) -> bool:
        """May anything follow, and may the answer end here?"""
        return self.next in ("begin", "free")

    @property
    def missing(self) -> int:
        """How many bytes it takes at least until the answer is whole."""
        return len(UNDONE.get(self.next, "")) + len(self.rest) + len(self.open)

    def after(self, piece: bytes) -> "Form | None":
        """The form after these bytes, or None: they may not follow."""
        form: Form | None = self
        for byte in piece:
            if form is None or form.next == "free":
                return form
            form = form._after(byte)
        return form

    def _after(self, byte: int) -> "Form | None":
        sign = chr(byte)
        if self.next.rstrip("\\") in ("name", "string"):
            return self._within(byte, sign)
        if self.rest:  # of true, false or null
            rest = self.rest[1:]
            return self._replace(rest=rest) if sign == self.rest[0] else None
        if byte in BLANKS:
            if self.next == "begin":
                return self
            ended = self._ended() if self.next in NUMBER else self
            return ended and (None if self.blank else ended._replace(blank=True))
        form = self._replace(blank=False)
        if self.next in NUMBER:
            kind = "0" if sign == "0" else "9" if sign.isdigit() else sign.lower()
            kind = "+" if sign == "-" and self.next == "e" else kind
            if (read := NUMBER[self.next].get(kind)) and byte < 128:
                return form._replace(next=read)
            form = form._ended()
            return form and form._after(byte)
        return form._sign(sign)

    def _sign(self, sign: str) -> "Form | None":
        """After a sign that is neither within a string nor within a number."""
        match self.next, sign:
            case "begin", "{" | "[":
                return self._opened(sign)
            case "begin", _:
                return self._replace(next="free")
            case "first value" | "value", "{" | "[":
                return self._opened(sign)
            case "first value" | "value", '"':
                return self._replace(next="string")
            case "first value" | "value", "t" | "f" | "n":
                return self._replace(next="after", rest=WORDS[sign])
            case "first value" | "value", "-":
                return self._replace(next="minus")
            case "first value" | "value", "0":
                return self._replace(next="zero")
            case "first value" | "value", _ if sign in "123456789":
                return self._replace(next="whole")
            case "first key" | "key", '"':
                return self._replace(next="name")
            case "colon", ":":
                return self._replace(next="value")
            case "after", "," if self.open:
                return self._replace(next="key" if self.open[-1] == "{" else "value")
            case "first value" | "first key" | "after", "}" | "]":
                if self.open and sign == CLOSES[self.open[-1]]:
                    return self._replace(next="after", open=self.open[:-1])
        return None

    def _opened(self, bracket: str) -> "Form":
        first = "first key" if bracket == "{" else "first value"
        return self._replace(next=first, open=self.open + bracket)

    def _ended(self) -> "Form | None":
        """After a number, if it can end here."""
        return self._replace(next="after") if self.next not in UNDONE else None

    def _within(self, byte: int, sign: str) -> "Form | None":
        """After a byte of a name or string."""
        if self.rest:  # \\u00e9
            return self._replace(rest=self.rest[1:]) if sign in "0123456789abcdefABCDEF" else None
        if self.next.endswith("\\"):
            rest = "0000" if sign == "u" else ""
            known = sign in 'u"\\/bfnrt'
            return self._replace(next=self.next[:-1], rest=rest) if known else None
        if sign == '"':
            return self._replace(next="colon" if self.next == "name" else "after")
        if sign == "\\":
            return self._replace(next=self.next + "\\")
        return self if byte >= 32 else None


def choose(
    logits: Float[Tensor, "vocab"], form: Form, tokenizer: Tokenizer, left: int,
    how: Sampling = GREEDY, generator: torch.Generator | None = None,
) -> int:  # fmt: skip
    """The next token of an answer, picked among those that keep its form; `left` tokens, this one
    too, may still be written."""
    for _ in range(QUICK):  # mostly the first fits, and the others need not be looked at
        token = pick(logits, how, generator)
        if _fits(token, form, tokenizer, left):
            return token
        logits = logits.index_fill(0, torch.tensor([token], device=logits.device), -torch.inf)
    never = [not _fits(token, form, tokenizer, left) for token in range(len(logits))]
    return pick(logits.masked_fill(torch.tensor(never), -torch.inf), how, generator)


def _fits(token: int, form: Form, tokenizer: Tokenizer, left: int) -> bool:
    if form.next == "free":
        return True
    ends = token in (tokenizer.im_end, tokenizer.endoftext)
    if ends or token in tokenizer.specials:
        return form.free or (ends and not form.missing)
    after = form.after(tokenizer.piece(token))
    return after is not None and (after.free or after.missing < left)
