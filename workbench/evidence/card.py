"""The model card's figures: taken from `results.json`, never typed.

In the card everything between `<!-- figures -->` and `<!-- /figures -->` is replaced by the table.

    python -m workbench.evidence.card out/eval/results.json model/checkpoints/micro/README.md
"""

import argparse
from pathlib import Path

from workbench.evidence.board import Board

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def render(card: str, board: Board) -> str:
    """The text of the card with the table in its place."""
    if card.count(BEGIN) != 1 or card.count(END) != 1 or card.index(BEGIN) > card.index(END):
        raise ValueError(f"the card needs one {BEGIN} and after it one {END}")
    before, _, rest = card.partition(BEGIN)
    return f"{before}{BEGIN}\n{board.markdown()}{END}{rest.partition(END)[2]}"


def write(results: Path, card: Path) -> None:
    """Put the figures into a card on disk."""
    text = render(card.read_text(encoding="utf-8"), Board.load(results))
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
    asked = parser.parse_args()
    for card in asked.cards:
        try:
            write(asked.results, card)
        except (OSError, ValueError) as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
