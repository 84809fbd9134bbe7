"""Questions about scenes, judged: who knows the truth has everything right, silence nothing."""

import dataclasses
import json
import runpy
from pathlib import Path

import pytest

from model.data.ask import item
from model.data.shelf import Clip, shelf
from model.omni import Omni
from model.senses.message import Message
from workbench.evidence import board, world
from workbench.evidence.candidate import Ours
from workbench.evidence.items import Held

build = runpy.run_path(str(Path(__file__).with_name("scene_data.py")))["build"]


class Knowing:
    """Answers what it was told to; remembers what it was shown."""

    def __init__(self, answer: str):
        self.answer, self.shown = answer, []

    def reply(self, message: Message, timestamps: bool = True) -> str:
        self.shown.append((message, timestamps))
        return self.answer


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    return Held(str(build(tmp_path_factory.mktemp("datasets"))))


@pytest.mark.parametrize("topic", [*world.TOPICS, world.CAPTIONS], ids=lambda t: t.row.name)
def test_the_truth_is_right_and_silence_is_not(held, topic):
    asked = world.choose(topic, held, 4)
    assert len({one.id for one in asked}) == 4
    for one in asked:
        task = one.item.task
        knowing, silent = Knowing(task.answer), Knowing("")
        assert world.measure(knowing, one).right
        record = world.measure(silent, one)
        assert not record.right and not record.blind and not record.muted
        first, *others = knowing.shown
        assert first[1] and first[0].parts[-1].text == task.question
        assert others[-1][0].parts == (first[0].parts[-1],)  # blind: the question alone
        assert len(others) == 1 + topic.muted


def test_figures_say_what_needs_no_senses(held):
    topic = world.TOPICS[4]
    records = [world.measure(Knowing(one.item.task.answer), one)
               for one in world.choose(topic, held, 8)]  # fmt: skip
    records[0] = dataclasses.replace(records[0], right=False, muted=False)
    experiment = next(e for e in world.WORLD if e.name == topic.row.name)
    told, muted = experiment.figures(records)
    assert told.value == pytest.approx(87.5) and muted.value == pytest.approx(87.5)
    assert "blind 100 %" in told.note and muted.row.bar is None


def test_foreigners_are_written_down_by_the_ear(held):
    here = shelf("test", held.store.root)
    clip = Clip("wordnet-0", "Una casa.", "tuxpaint-es", "person", 1.0, "es", "A house.")
    abroad = dataclasses.replace(here, foreign=(clip,))
    one = world.Asked("a", item(0, abroad, "sound", "foreign"), abroad, False)
    told = []

    class Hearing(Knowing):
        def hear(self, samples, rate, foreign=False):
            told.append((len(samples) / rate, foreign))
            return self.answer

    right, near, wrong = (world.write_down(Hearing(said), one)
                          for said in ("Una casa.", "una cas", "Ein Haus im Wald."))  # fmt: skip
    assert right.right and right.score == 1.0 and not near.right
    assert 0.8 < near.score < 1.0 and wrong.score < 0.4
    assert told == [(pytest.approx(one.item.scene.seconds, abs=0.1), True)] * 3
    experiment = next(e for e in world.WORLD if e.name == "world-languages")
    (found,) = experiment.figures([right, near])
    assert found.value == pytest.approx(50 * (1 - near.score))


def test_our_model_is_examined(held, tmp_path):
    ours, wanted = Ours(Omni.load("micro")), board.chosen(["world-when-audio"])
    made = board.measure(ours, "micro", "0" * 16, wanted, 1, tmp_path, str(held.store.root))
    assert [f.row.name for f in made.figures] == ["world-when-audio", "world-when-audio-muted"]
    lines = (tmp_path / "items/world-when-audio.jsonl").read_text().splitlines()
    assert json.loads(lines[1])["question"]
