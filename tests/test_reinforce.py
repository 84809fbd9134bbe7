"""The stage `reinforce` on nano: what was worth more gets likelier, and the Talker alone learns."""

import json
import math
import re
import runpy
from pathlib import Path

import pytest
import torch

from model.data.store import Store
from model.omni import Omni, OmniConfig
from model.train import hearing
from model.train import reinforce as module
from model.train.attempts import say
from model.train.codes import Codes
from model.train.listener import Listener
from model.train.loop import Recipe, Run
from model.train.losses import IGNORE
from model.train.pack import assemble
from model.train.reinforce import LATER, WORST, Reinforce, SentenceData, advantages, reinforce
from model.train.stages import Ear, SpeakData, spoken
from model.turn import Voice

place = runpy.run_path(str(Path(__file__).with_name("test_stages.py")))["place"]


@pytest.fixture
def omni() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def test_a_token_is_worth_what_it_and_later_ones_gain():
    clear = [torch.tensor([-1.0, -1.0, -0.5]), torch.tensor([-3.0, -1.0, -1.5])]
    good, bad = advantages(clear)
    first = 1 + LATER * (0 + LATER * 0.5)  # the first token was 1 better, the end 0.5
    torch.testing.assert_close(good, torch.tensor([first, first]))
    torch.testing.assert_close(good, -bad)


def test_what_is_not_understood_at_all_is_no_worse_than_that():
    one, other = advantages([torch.tensor([-100.0, 0.0]), torch.tensor([2 * WORST, 0.0])])
    assert not one.any() and not other.any(), "both as bad as can be: nothing to choose"


def test_attempts_worth_more_get_likelier(omni, place):
    books = Codes(place / "codes/train.npz").books
    stage = Reinforce(omni, books, attempts=2).train()
    torch.manual_seed(3)
    texts = [omni.tokenizer.encode("One two three.")] * 2
    made = say(omni, texts, Voice("heart"), 3, 1.0)
    worth = [torch.ones(len(texts[0]) + 1), -torch.ones(len(texts[0]) + 1)]

    def likely() -> list[float]:
        with torch.no_grad():
            alone = [stage.gain(made, [w * (i == k) for i, w in enumerate(worth)], 1.0)[0]
                     for k in range(2)]  # fmt: skip
        return [float(x) for x in alone]

    before = likely()
    optimizer = torch.optim.SGD(omni.talker.parameters(), lr=0.05)
    for _ in range(5):
        gain, entropy = stage.gain(made, worth, 1.0)
        stage.speak.balance.take()
        optimizer.zero_grad()
        (-gain).backward()
        optimizer.step()
    good, bad = (a - b for a, b in zip(likely(), before, strict=True))
    assert good > 0 and bad > 0, "the first is likelier, the second less likely"
    assert 0 < float(entropy) < math.log(omni.config.talker.mtp.codes + 1)


def test_the_gradient_is_that_of_what_was_drawn(omni, place):
    """The probabilities are those that the codes were drawn from, step by step."""
    stage = Reinforce(omni, Codes(place / "codes/train.npz").books, attempts=2).eval()
    torch.manual_seed(5)
    text = omni.tokenizer.encode("One two.")
    made = say(omni, [text], Voice("male"), 2, 0.7)
    drawn = made.targets[0] != IGNORE
    ones = [torch.arange(float(len(text) + 1))]  # values that differ, or they had no spread
    found, _ = stage.gain(made, ones, 0.7)
    with torch.no_grad():
        x, past = made.opening, None
        total, state = [], omni.talker(x)[0][0, -1]
        out, past = omni.talker(x, None, past)
        for at in range(made.words.shape[1]):
            entry = (omni.talker.embed_frames(made.codes[0, at]) if made.frame[0, at]
                     else omni.talker.words(made.words[0, at]))  # fmt: skip
            out, past = omni.talker(entry[None, None], None, past)
            state = out[0, -1]
            if drawn[at]:
                logits = omni.talker.head(state)[: omni.config.talker.end + 1].clone()
                if made.pending[0, at]:
                    logits[-1] = -torch.inf
                total.append((logits / 0.7).log_softmax(-1)[made.targets[0, at]])
    each = ones[0][made.spoken[0][drawn]]
    wanted = (each / each.std() * torch.stack(total)).mean()
    torch.testing.assert_close(found.detach(), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("ears", [1, 2])
def test_the_talker_alone_learns_and_is_packed(omni, place, tmp_path, monkeypatch, ears):
    monkeypatch.setattr(hearing, "CROP", 4)  # the clips are short
    listener = Listener(Ear(Omni(OmniConfig.nano()))) if ears == 2 else None
    before = {name: value.clone() for name, value in omni.state_dict().items()}
    run = Run(tmp_path / "reinforce", steps=3, log_every=1, valid_every=2)
    reinforce(omni, Store(place), place / "features", place / "codes", run, Recipe(lr=1e-3),
              sentences=2, attempts=3, true=4, listener=listener)  # fmt: skip
    moved = {name for name, value in omni.state_dict().items() if not value.equal(before[name])}
    assert moved and all(re.match(r"talker\.", name) for name in moved)
    lines = [json.loads(line) for line in (run.out / "metrics.jsonl").read_text().splitlines()]
    told = {"clear", "gain", "entropy", "frames", "code0", "residual", "balance"}
    told |= {"heard"} if listener else set()
    assert all(told <= line.keys() and map(math.isfinite, line.values()) for line in lines[:1])
    assert any("valid_clear" in line for line in lines)
    packed = assemble(tmp_path, start=Omni(OmniConfig.nano())).talker
    assert all(map(torch.equal, packed.parameters(), omni.talker.parameters()))


def test_it_goes_on_where_it_stopped(place, tmp_path):
    """Attempts are drawn from the step's own chance: stopped and resumed is as in one go."""

    def trained(name: str, *ends: int) -> dict:
        for end in ends:
            torch.manual_seed(0)
            omni = Omni(OmniConfig.nano())
            run = Run(tmp_path / name, steps=end, log_every=1)
            reinforce(omni, Store(place), place / "features", place / "codes", run,
                      Recipe(lr=1e-3, decay=0.0, warmup=0.0), 2, 2, 4)  # fmt: skip
        return omni.talker.state_dict()

    once, twice = trained("once", 4), trained("twice", 2, 4)
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_sentences_are_the_same_for_a_step_and_short(omni, place):
    made = Codes(place / "codes/train.npz")
    speak = SpeakData(omni, spoken(Store(place), "train", made), made)
    long = " ".join(["word"] * (module.MOST + 1))
    data = SentenceData(speak, ["One two.", "Three.", long, "Three."], size=8, seed=1)
    assert len(data.short) == 2
    one, again = data(4), data(4)
    assert torch.equal(one.texts, again.texts) and one[2:] == again[2:]
    assert {data(step).lead for step in range(20)} == set(module.LEADS)
    assert all(module.SPEEDS[0] <= data(step).speed <= module.SPEEDS[1] for step in range(9))
    assert {SentenceData(speak, ["One."], clean=True)(s)[3:5] for s in range(5)} == {(3, 1.0)}
