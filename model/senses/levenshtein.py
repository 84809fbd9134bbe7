"""How many changes turn one sequence into another (Levenshtein, 1966).

    levenshtein("the cat", "a cat")                    # of characters: 3
    levenshtein("the cat".split(), "a cat".split())    # of words: 1

Left out: which changes (workbench/judges.py).
"""

from collections.abc import Sequence


def levenshtein(one: Sequence[str], other: Sequence[str]) -> int:
    """Items replaced, left out and put in, as few as it takes."""
    row = list(range(len(other) + 1))
    for i, x in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]
