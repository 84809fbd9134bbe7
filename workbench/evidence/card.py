"""The model card's figures: taken from `results.json`, never typed.

In the card everything between `<!-- figures -->` and `<!-- /figures -->` is replaced by the table.
Of several tables each has its block: `<!-- figures world -->` to `<!-- /figures world -->`.

    python -m workbench.evidence.card out/eval/results.json model/checkpoints/micro/README.md
    python -m workbench.evidence.card out/world/results.json README.md --block world
"""

import argparse
from pathlib import Path

from workbench.evidence.board import Board


def render(card: str, board: Board, block: str = "") -> str:
    """The text of the card with the table in its place."""
    begin, end = (f"<!-- {mark}figures{' ' * bool(block)}{block} -->" for mark in ("", "/"))
    if card.count(begin) != 1 or card.count(end) != 1 or card.index(begin) > card.index(end):
        raise ValueError(f"the card needs one {begin} and after it one {end}")
    before, _, rest = card.partition(begin)
    return f"{before}{begin}\n{board.markdown()}{end}{rest.partition(end)[2]}"


def write(results: Path, card: Path, block: str = "") -> None:
    """Put the figures into a card on disk."""
    text = render(card.read_text(encoding="utf-8"), Board.load(results), block)
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
    asked = parser.parse_args()
    for card in asked.cards:
        try:
            write(asked.results, card, asked.block)
        except (OSError, ValueError) as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
