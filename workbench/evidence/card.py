"""The model card's figures: taken from `results.json`, never typed.

In the card everything between `<!-- figures -->` and `<!-- /figures -->` is replaced by the table.
Of several tables each has its block: `<!-- figures world -->` to `<!-- /figures world -->`.

    python -m workbench.evidence.card out/eval/results.json model/checkpoints/micro/README.md
    python -m workbench.evidence.card out/world/results.json README.md --block world
    ... --before earlier/results.json       # a column more: what other weights reached
    ... --brief                             # without the notes below the table
"""

import argparse
from pathlib import Path

from workbench.evidence.board import Board


def render(
    card: str, board: Board, block: str = "", before: Board | None = None, notes: bool = True
) -> str:
    """The text of the card with the table in its place."""
    begin, end = (f"<!-- {mark}figures{' ' * bool(block)}{block} -->" for mark in ("", "/"))
    if card.count(begin) != 1 or card.count(end) != 1 or card.index(begin) > card.index(end):
        raise ValueError(f"the card needs one {begin} and after it one {end}")
    above, _, rest = card.partition(begin)
    return f"{above}{begin}\n{board.markdown(before, notes)}{end}{rest.partition(end)[2]}"


def write(
    results: Path, card: Path, block: str = "", before: Path | None = None, notes: bool = True
) -> None:
    """Put the figures into a card on disk."""
    old = Board.load(before) if before else None
    text = render(card.read_text(encoding="utf-8"), Board.load(results), block, old, notes)
    part = card.with_name(card.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(card)
    finally:
        part.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Put measured figures into a model card.")
    parser.add_argument("results", type=Path)
    parser.add_argument("cards", type=Path, nargs="+")
    parser.add_argument("--block", default="", help="name of the block, where there are several")
    parser.add_argument("--before", type=Path, help="results of other weights, for a column more")
    parser.add_argument("--brief", action="store_true", help="without notes below the table")
    asked = parser.parse_args()
    for card in asked.cards:
        try:
            write(asked.results, card, asked.block, asked.before, not asked.brief)
        except (OSError, ValueError) as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
