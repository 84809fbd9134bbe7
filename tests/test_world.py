"""The stages `look` and `world` on nano: cells have names, sights and sounds go where their pads
stand, what is to learn learns."""

import copy
import dataclasses
import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from model.data.captions import big
from model.data.catalog import SOUNDS
from model.data.draw import box, picture
from model.data.scenes import Line, crowd, sample
from model.data.shelf import shelf
from model.data.store import TURNS, Store, write
from model.omni import Omni, OmniConfig
from model.train.look import DOWN, WORD, LookData, cells, look, read, told_by
from model.train.loop import Recipe, Run
from model.train.losses import IGNORE
from model.train.ring import RingData, ringing
from model.train.stages import Hear, held
from model.train.world import FILM, TOKENS, World, WorldData, world

build = runpy.run_path(str(Path(__file__).with_name("scene_data.py")))["build"]


@pytest.fixture(scope="module")
def omni() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


@pytest.fixture(scope="module")
def train():
    return shelf("train")


def test_every_pad_gets_one_state(omni, train):
    batches, marks = WorldData(omni, train, (3, 2, 2))(0), omni.tokenizer
    assert len(batches) > 1, "films are apart from pictures"
    for batch in batches:
        ids = batch.read.ids
        assert ids.numel() <= TOKENS or len(ids) == 1
        seen = sum(len(sight.slots) for sight in batch.sights)
        assert seen == int(((ids == marks.image_pad) | (ids == marks.video_pad)).sum())
        slots = [sight.slots for sight in batch.sights] or [torch.zeros(0, dtype=torch.long)]
        assert torch.equal(torch.cat(slots).sort().values, torch.arange(seen))
        heard = held(batch.frames, batch.mel.shape[2]).sum() if len(batch.mel) else 0
        assert int(heard) == int((ids == marks.audio_pad).sum())
    kinds = torch.cat([batch.kinds for batch in batches])
    assert sorted(kinds.tolist()) == [0] * 3 + [1] * 2 + [2] * 2


def test_a_row_is_read_in_training_as_in_use(omni, train):
    """The same item through `Omni.read` and through a batch: the Thinker is given the same."""
    data = WorldData(omni, train, (0, 0, 2), clean=True, more=0)
    reads, kept = World(omni, Hear(omni)).eval(), []
    hook = omni.thinker.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
    with torch.no_grad():
        reads(data(3))
    hook.remove()
    rng = np.random.default_rng([0, 3, 0])
    for _ in range(2):
        drawn = data.drawn(2, rng)
        message = drawn.message(train, float(rng.uniform(*FILM)))
        rng.random()  # whether its stickers are changed
        with torch.no_grad():
            prompt = omni.read([message], drawn.clock)
        length = prompt.embeds.shape[1]
        rows = [x[:length] for batch in kept for x in batch if len(x) >= length]
        apart = [float((x - prompt.embeds[0]).abs().max()) for x in rows]
        assert min(apart) < 5e-4, apart


def test_the_eye_learns_while_the_others_stay(omni, train, tmp_path):
    before = {k: v.clone() for k, v in omni.state_dict().items()}
    run = Run(tmp_path / "look", steps=4, log_every=1, valid_every=10**6)
    look(omni, (train, train), run, Recipe(lr=1e-3, warmup=0.0), size=6)
    lines = (tmp_path / "look/metrics.jsonl").read_text().splitlines()
    assert all(math.isfinite(json.loads(line).get("name", 0.0)) for line in lines)
    moved = {k.split(".")[0] for k, v in omni.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"eye"}


def test_every_cell_is_named_as_the_scene_has_it(omni, train):
    """Things cover the cells that they cover, and words run through theirs."""
    marks, found = omni.tokenizer, set()
    for seed in range(40):
        scene = sample(seed, train, "picture")
        rows, columns = scene.height // 32, scene.width // 32
        labels = cells(scene, 1.0, marks, rows, columns).reshape(rows, columns, -1)
        for thing in scene.things:
            left, top, right, bottom = box(scene, thing)
            inside = labels[(top + bottom) // 64, (left + right) // 64].tolist()
            named = marks.encode(f" {thing.name}")[:4]
            assert inside[: len(named)] == named
            x, y = thing.path[0]
            down, across = ("top", "middle", "bottom"), ("left", "middle", "right")
            told = [marks.encode(f" {down[int(y * 3)]}")[0]]
            told += [marks.encode(f" {across[int(x * 3)]}")[0]]
            assert inside[DOWN:] == [*told, marks.encode(f" {big(thing.size)}")[0]]
            found.add("thing")
        for word in scene.prints:
            there = labels[min(int(word.at[1] * rows), rows - 1), :, WORD]
            there = there[(there != marks.tts_pad) & (there != IGNORE)]
            assert marks.decode(there.tolist()) == word.text.upper(), "letter by letter"
            found.add("word")
        if not scene.things and not scene.prints:
            assert (labels[..., 0] == marks.tts_pad).all()
    assert found == {"thing", "word"}


def test_letters_lie_in_the_cells_of_their_middles():
    edges = np.array([(28, 10, 40, 50), (40, 10, 48, 50), (48, 10, 90, 50)])
    assert list(read("abc", edges, 3, 3)) == [(0, 1, "ab"), (0, 2, "c"), (1, 1, "ab"), (1, 2, "c")]
    edges[:, 3] = 40  # only a quarter of it is in the second row
    assert [row for row, _, _ in read("abc", edges, 3, 3)] == [0, 0]


def test_held_out_pictures_are_shown_as_they_are(omni, train):
    kinds = [LookData(omni, train, 4, 1, clean, crowds=1.0)(3) for clean in (True, False)]
    clean, changed = (torch.cat([v.flatten() for v in batch.values]) for batch in kinds)
    assert len(clean) and (len(clean) != len(changed) or not torch.equal(clean, changed))
    data, rng = LookData(omni, train, 4, 1, True, crowds=1.0), np.random.default_rng([1, 3, 0])
    rng.random(), (seed := int(rng.integers(2**31)))
    scale = float(rng.choice((0.5, 0.75, 1.0, 1.0)))
    values, *size = omni.eye.patches(picture(crowd(seed, train), 0.0, scale)[None])
    batch = data(3)
    group = batch.values[batch.sizes.index(tuple(size))]
    assert torch.equal(group[:1], values)


def test_pictures_of_a_batch_are_always_the_same(omni, train):
    one, two = LookData(omni, train, size=5)(7), LookData(omni, train, size=5)(7)
    assert all(torch.equal(a, b) for a, b in zip(one.values, two.values, strict=True))
    assert sum(map(len, one.values)) == sum(map(len, one.labels)) == 5


def test_all_learn_together(train, tmp_path):
    build(tmp_path)
    turn = {"id": "t", "task": "greeting", "question": "Hello?", "answer": "Hello.",
            "key": "hello", "question_audio": "wordnet-0", "answer_audio": ""}  # fmt: skip
    for split in ("train", "valid"):
        write(tmp_path / f"turns/{split}.parquet", [turn] * 2, TURNS)
    torch.manual_seed(0)
    omni = Omni(OmniConfig.nano())
    before = {k: v.clone() for k, v in omni.state_dict().items()}
    run = Run(tmp_path / "world", steps=3, log_every=1, valid_every=10**6)
    store, cache = Store(tmp_path), tmp_path / "features"
    recipe = Recipe(lr=1e-3, warmup=0.0)
    world(omni, store, cache, (train, train), run, recipe, size=4, sizes=(2, 1, 1))
    lines = (tmp_path / "world/metrics.jsonl").read_text().splitlines()
    assert all({"text", "read", "world"} <= json.loads(line).keys() for line in lines[:3])
    moved = {k.split(".")[0] for k, v in omni.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"eye", "ear", "speller", "thinker"}


def test_what_sounds_is_named_every_40_ms(omni, train):
    """As the scene has it: the sound in its time, nothing in silence, no label where one speaks."""
    marks, found = omni.tokenizer, set()
    spoken = Line("clip", "Hello.", "heart", "woman", 0.3, 0.5)
    for seed in range(30):
        scene = sample(seed, train, "sound")
        scene = scene if seed % 3 else dataclasses.replace(scene, lines=(spoken,))
        labels = ringing(scene, marks, int(scene.seconds * 25))
        for step, label in enumerate(labels):
            now = (step + 0.5) * 4 / 100
            heard = [s for s in scene.sounds if s.start <= now < s.end]
            if any(line.start <= now < line.end for line in scene.lines) or len(heard) > 1:
                assert label == IGNORE
                found.add("ignored")
            elif heard:
                kind = SOUNDS[heard[0].name].heard  # "a dog barking", "footsteps"
                assert label in marks.encode(" " + kind.removeprefix("a ").removeprefix("an "))
                found.add("sound")
            else:
                assert label == marks.tts_pad
                found.add("silence")
    assert found == {"ignored", "sound", "silence"}


def test_single_sounds_are_always_the_same_and_bent_only_in_training(omni, train):
    marks = omni.tokenizer
    one, two = RingData(marks, train, size=6)(3), RingData(marks, train, size=6)(3)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert len(one.mel) == 6 and 0 <= one.mel.shape[2] - 4 * one.ringing.shape[1] < 20
    assert ((one.ringing != marks.tts_pad) & (one.ringing != IGNORE)).any(1).all()
    rng = np.random.default_rng(0)
    speeds = {c: {RingData(marks, train, clean=c).alone(rng).sounds[0].speed for _ in range(9)}
              for c in (True, False)}  # fmt: skip
    assert speeds[True] == {1.0} and len(speeds[False]) == 9
    assert all(1 / 1.61 < speed < 1.61 for speed in speeds[False])


def test_what_the_guided_head_would_tell_of_one_cell(omni):
    """Against the Thinker's own attention over that cell alone, its other heads silent and its gate
    half open."""
    thinker = copy.deepcopy(omni.thinker)
    block = next(block for block in thinker.stack.blocks if block.full)
    mixer, states = block.mixer, torch.randn(5, omni.eye.config.out)
    size, heads = mixer.config.head_dim, mixer.config.heads
    with torch.no_grad():
        mixer.q_proj.weight.view(heads, 2, size, -1)[:, 1] = 0  # the gate's half
        told = told_by(thinker, states)
        mixer.o_proj.weight[:, size:] = 0
        angles = thinker.stack.rotary(torch.zeros(3, 5, 1, dtype=torch.long))
        mixed, _ = mixer(block.mixer_norm(states)[:, None], angles)
        alone = thinker.stack.norm(2 * mixed[:, 0])
    torch.testing.assert_close(told, alone, atol=1e-4, rtol=1e-4)
