"""Dialogues: the same for the same seed, and true."""

import json
import re
import runpy
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from model.data.calls import BACKCHANNELS, INTERRUPTIONS, calls, plan
from model.data.dialogues import (
    BACKCHANNEL,
    DONE,
    IDLE,
    INTERRUPT,
    PAUSES,
    SECONDS,
    SPEAKING,
    STATES,
    TICK,
    Cast,
    render,
    sample,
    truth,
)
from model.thinker import TURNS

DATA = runpy.run_path(str(Path(__file__).with_name("dialogue_data.py")))


@pytest.fixture(scope="module")
def cast(tmp_path_factory):
    return Cast("train", DATA["build"](tmp_path_factory.mktemp("dialogues")))


def test_the_states_are_those_of_the_head():
    assert STATES == TURNS


def test_a_seed_is_a_dialogue(cast):
    one = sample(3, cast)
    assert one == sample(3, cast) != sample(4, cast)
    assert json.loads(one.json())["seconds"] == SECONDS
    samples, known = render(one, cast), truth(one)
    assert np.array_equal(samples, render(one, cast))
    assert samples.dtype == np.float32 and len(samples) == 16_000 * SECONDS
    assert np.abs(samples).max() <= 1 and len(known.states) == len(known.talking) == 150
    many = np.concatenate([truth(sample(i, cast)).states for i in range(12)])
    assert set(many) == set(range(5))  # every state is there


def test_a_turn_is_one_turn_with_its_pauses(cast):
    for seed in range(10):
        one = sample(seed, cast, "turn")
        (line,) = (line for line in one.lines if line.kind == "turn")
        assert line.pauses and all(PAUSES[0] <= rest <= PAUSES[1] for _, rest in line.pauses)
        states, talking = truth(one)
        assert not talking.any()
        first, last = int(line.start / TICK + 0.5), int(line.end / TICK + 0.5)
        assert (states[first:last] == SPEAKING).all() and (states[:first] == IDLE).all()
        assert (states[last : last + 4] == DONE).all() and states[-1] == IDLE


def test_a_pause_is_quiet_and_the_rest_is_not(cast):
    one = next(d for d in (sample(i, cast, "turn") for i in range(99))
               if len(d.lines) == 1 and not d.noises and not d.lines[0].room)  # fmt: skip
    (line,), samples = one.lines, render(one, cast)
    place, rest = line.pauses[0]
    middle = round(16_000 * (line.start + place + rest / 2))
    before = round(16_000 * (line.start + place)) - 1600
    quiet, loud = (np.std(samples[i - 800 : i + 800]) for i in (middle, before))
    assert quiet < 0.5 * loud


def test_what_is_said_while_the_assistant_talks(cast):
    for what, state in (("backchannel", BACKCHANNEL), ("interrupt", INTERRUPT), ("others", IDLE)):
        one = sample(1, cast, what)
        states, talking = truth(one)
        assert talking.all() and state in states and SPEAKING not in states
        if what == "others":
            assert not states.any() and (one.noises or one.lines)
        assert len(render(one, cast)) == round(16_000 * one.seconds)


def test_mistakes_are_told(cast, tmp_path):
    with pytest.raises(ValueError, match="expected all, turn"):
        sample(0, cast, "monologue")
    with pytest.raises(ValueError, match="omni data calls"):
        calls("train", tmp_path)


def test_each_split_has_its_own_phrasings_and_the_test_its_own_voices():
    for phrases in (BACKCHANNELS, INTERRUPTIONS):
        said = {split: {re.sub("[^a-z ]", "", one.lower()) for one in phrases[split]}
                for split in phrases}  # fmt: skip
        for one, other in combinations(("train", "valid", "test"), 2):
            assert said[one] and not said[one] & said[other]
    voices = {shard.name[:4]: {c.voice.name for c in shard.clips if "kokoro" in c.source}
              for shard in plan() if shard.name.endswith("900")}  # fmt: skip
    assert voices["trai"] and voices["test"] and not voices["trai"] & voices["test"]
