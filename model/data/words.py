"""Every word of training, for the lexicon (model/senses/lexicon.py).

    python -m model.data.words -o model/checkpoints/micro/words.txt    # seconds; the texts alone

Sentences, words without a thread, questions and answers of the split `train`. Valid and test are
drawn from the same frequent words (texts.py), so that they hold no word that is not in here.
"""

import argparse
from pathlib import Path

from model.data.tasks import tasks, turns
from model.data.texts import normal, sentences
from model.senses.lexicon import WORD


def read(seed: int = 0) -> list[str]:
    """The words of all texts of training, each once, sorted."""
    pool = sentences(seed)
    texts = [sentence.text for sentence in pool if sentence.split == "train"]
    for turn in turns(seed, pool)["train"]:
        texts += [turn.question, turn.answer]
    texts += [fact.thought for task in tasks() for fact in task.facts]
    return sorted({word for text in texts for word in WORD.findall(normal(text))})


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the words of training, one a line.")
    parser.add_argument("-o", "--out", type=Path, required=True)
    out = parser.parse_args().out
    part = out.with_name(out.name + ".part")
    part.write_text("\n".join(read()) + "\n", encoding="utf-8")
    part.replace(out)


if __name__ == "__main__":
    main()
