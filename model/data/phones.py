"""The speech sounds of the voices, and which of them is heard at a moment.

The voices of `model.data.voices` come with timings: one duration for every symbol of their phoneme
string, in units of 25 ms. `PHONES` is the closed list of sounds a recogniser or a codebook may be
asked to name; `frames` turns a clip's symbols and durations into one class a time step.

Left out: stress. A stress mark is heard as the sound after it, a length mark or tone as the one
before it; punctuation, spaces and the pads at both ends are silence, class 0.

    frames(clip.phones, clip.units, step_ms=80, n=31)  # one class for each 80 ms of speech
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

UNIT_MS = 25  # a duration of 1 lasts so long
SILENCE = "_"

# The base letters of the Kokoro alphabet; A I O Q W Y are the diphthongs of English.
PHONES: tuple[str, ...] = (
    SILENCE,
    *"ʣʥʦʨᵝꭧAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳ",
    *"ɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔᵻ",
)
BEFORE = frozenset("ˈˌ")  # marks that belong to the sound after them
AFTER = frozenset("ː\u0303ʰʲ↓→↗↘")  # marks that belong to the sound before them (U+0303: nasal)

_CLASS = {phone: number for number, phone in enumerate(PHONES)}


def classes(phones: Sequence[str]) -> list[int]:
    """The class of every symbol; a mark takes the class of the sound it belongs to."""
    found = [_CLASS.get(phone, 0) for phone in phones]
    for i in range(len(phones) - 2, -1, -1):
        if phones[i] in BEFORE:
            found[i] = found[i + 1]
    for i in range(1, len(phones)):
        if phones[i] in AFTER:
            found[i] = found[i - 1]
    return found


def frames(
    phones: Sequence[str], units: Sequence[int], step_ms: float, n: int
) -> Int64[np.ndarray, "{n}"]:
    """The class heard at the centre of each of `n` steps of `step_ms`; silence beyond the end.

    Without timings (`phones` and `units` empty) every step is -1, which a loss ignores.
    """
    if len(phones) != len(units):
        raise ValueError(f"{len(phones)} phones with {len(units)} durations; expected one for each")
    if not phones:
        return np.full(n, -1, np.int64)
    ends = np.cumsum(np.asarray(units, np.int64)) * UNIT_MS
    centres = (np.arange(n) + 0.5) * step_ms
    found = np.asarray([*classes(phones), 0], np.int64)
    return found[np.searchsorted(ends, centres, side="right")]
