"""Rows of several questions: answers are learnt, questions are not, and names point at places."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from model.data.ask import Task, item, others
from model.data.check import Names
from model.data.draw import letters, picture
from model.data.scenes import Ground, Line, Print, Scene, Sound, Thing
from model.data.shelf import shelf
from model.omni import Omni, OmniConfig
from model.senses.message import Audio, Image, Video
from model.senses.prompt import Clock
from model.train.exchange import exchange
from model.train.look import read
from model.train.losses import IGNORE

build = runpy.run_path(str(Path(__file__).with_name("scene_data.py")))["build"]
GROUND = Ground("snow", "snow", "plain")


@pytest.fixture(scope="module")
def omni() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def task(question: str, answer: str) -> Task:
    return Task("what", "seen", question, answer, Names("object", ("dog",)))


def rows(omni, scene, parts, *pairs, clock=None):
    tasks = [task(*pair) for pair in pairs]
    return exchange(omni.tokenizer, scene, parts, tasks, clock or Clock(), omni.eye.grid)


def looked(omni, row, pad: int) -> list[tuple[str, tuple[int, int] | None]]:
    """What is written, and the slots of `pad` (first, last) that are looked at meanwhile."""
    slots = np.flatnonzero(row.ids == pad).tolist()
    return [(omni.tokenizer.decode([int(row.targets[i])]),
             tuple(slots.index(at) for at in row.heard[i]) if row.heard[i, 0] in slots else None)
            for i in np.flatnonzero(row.targets != IGNORE)]  # fmt: skip


def test_only_answers_are_learnt(omni):
    scene = Scene(0, "train", 0.0, 0.0, 128, 128, GROUND)
    row = rows(omni, scene, (Image(picture(scene)),), ("What is it?", "Nothing."), ("And?", "No."))
    learnt = row.ids[1:][row.targets[:-1] != IGNORE]
    assert np.array_equal(learnt, row.targets[row.targets != IGNORE])
    said = omni.tokenizer.decode(learnt.tolist())
    assert "Nothing." in said and "No." in said and "What" not in said
    assert (learnt == omni.tokenizer.im_end).sum() == 2
    assert (row.heard == -1).all()  # nothing is named
    assert (row.ids == omni.tokenizer.image_pad).sum() == 16


def test_names_point_at_the_cells_of_things(omni):
    dog = Thing("dog", "red", "noto", 0.25, ((0.125, 0.125),))  # cell 0 of 4 x 4
    cup = Thing("cup", "", "noto", 0.4, ((0.75, 0.625),))  # cells 10 and 11
    scene = Scene(0, "train", 0.0, 0.0, 128, 128, GROUND, (dog, cup))
    answer = "There is a red dog and a cup below."
    row = rows(omni, scene, (Image(picture(scene)),), ("What?", answer), ("Is the cup?", "Yes."))
    places = looked(omni, row, omni.tokenizer.image_pad)
    text = ""
    for piece, place in places[: places.index(("", None)) if ("", None) in places else None]:
        text += piece
        if len(text) <= len(answer):
            wanted = (10, 11) if len(text) > answer.index("cup") else (0, 0)
            assert place == wanted, (text, place)
    assert [p for piece, p in places if piece in ("Y", "es", "Yes")][-1] == (10, 11)


def test_several_of_one_name_are_pointed_at_row_by_row(omni):
    spots = ((0.875, 0.875), (0.125, 0.125), (0.875, 0.125))  # cells 15, 0 and 3 of 4 x 4
    dogs = tuple(Thing("dog", "red", "noto", 0.25, (spot,)) for spot in spots)
    scene = Scene(0, "train", 0.0, 0.0, 128, 128, GROUND, dogs)
    answer = "A red dog, a red dog, a red dog: three dogs."
    row = rows(omni, scene, (Image(picture(scene)),), ("How many?", answer))
    places = looked(omni, row, omni.tokenizer.image_pad)
    assert [at for piece, at in places if piece == " red"] == [(0, 0), (3, 3), (15, 15)]
    assert places[-2][1] == (15, 15)


def test_a_printed_word_is_read_letter_by_letter(omni):
    """`read` lets the eye name letters where the Thinker is told to look for them."""
    word = Print("Dog", "DejaVuSansMono-Bold", (0, 0, 0), 0.3, (0.5, 0.4))
    scene = Scene(0, "train", 0.0, 0.0, 128, 128, GROUND, prints=(word,))
    row = rows(omni, scene, (Image(picture(scene)),), ("What does it say?", 'It says "DOG".'))
    places = looked(omni, row, omni.tokenizer.image_pad)
    at = {piece: place for piece, place in places if piece in tuple("DOG")}
    edges = np.array(letters(scene, word))
    named = {letter: (4 * r + c,) * 2 for r, c, here in read("DOG", edges, 4, 4)
             for letter in here if r == 1}  # fmt: skip
    assert at == named and len({*at.values()}) > 1


def test_in_a_film_it_is_the_first_time(omni):
    dog = Thing("dog", "", "noto", 0.25, ((0.125, 0.125),), 2.0, 4.0)
    scene = Scene(
        0, "train", 4.0, 1.0, 128, 128, GROUND, (dog,), sounds=(Sound("bell", "", 1.0, 0.5),)
    )
    frames = np.stack([picture(scene, float(time)) for time in range(4)])
    film = Video(
        frames, np.arange(4, dtype=np.float32), Audio(np.zeros(64_000, np.float32), 16_000)
    )
    row = rows(omni, scene, (film,), ("What?", "A dog."), ("When?", "A bell ringing."))
    seen = {place for _, place in looked(omni, row, omni.tokenizer.video_pad)[:3]}
    assert seen == {(16, 16)}  # of the second pair of frames
    heard = row.heard[np.flatnonzero(row.targets != IGNORE)][-4]
    ticks = np.flatnonzero(row.ids == omni.tokenizer.audio_pad).tolist()
    assert [ticks.index(at) for at in heard] == [6, 9]  # 0.96 s to 1.6 s


def test_moments_are_told_as_the_next_timestamp_tells_them(omni):
    """Sound from 1.0 to 2.9 s, a timestamp every second: at 0.0, 1.12, 2.08 and 3.04 s."""
    bell = Sound("bell", "", 1.0, 1.9)
    scene = Scene(0, "train", 4.0, 0.0, 128, 128, GROUND, sounds=(bell,))
    sound = Audio(np.zeros(64_000, np.float32), 16_000)
    asked = ("When is the bell ringing?", "From 1.0 to 2.9 seconds.")
    for clock, told in ((Clock(1.0), "From 1.1 to 3.0 seconds."), (Clock(), asked[1]),
                        (Clock(2.0), asked[1])):  # fmt: skip
        row = rows(omni, scene, (sound,), asked, clock=clock)
        answer = row.targets[row.targets != IGNORE]
        assert omni.tokenizer.decode(answer[:-1].tolist()) == told
    row = rows(omni, scene, (sound,), asked, ("How long?", "For 1.9 seconds."), clock=Clock(1.0))
    assert "For 1.9 seconds." in omni.tokenizer.decode(row.ids.tolist())
    slots = np.flatnonzero(row.ids == omni.tokenizer.audio_pad)
    numbers = [i for i in np.flatnonzero(row.targets != IGNORE)
               if omni.tokenizer.decode([int(row.targets[i])]) in "0123."][:6]  # fmt: skip
    assert np.array_equal(row.ids[row.heard[numbers, 0]], row.targets[numbers]), "its own digits"
    assert (row.heard[numbers, 0] > slots[6]).all() and (row.heard[numbers[3:]] > slots[18]).all()


def test_how_long_follows_from_the_moments_that_are_told(omni):
    """From 1.1 to 2.3 are 1.2 seconds; as timestamps tell it, from 1.3 to 2.6: 1.3."""
    scene = Scene(0, "train", 4.0, 0.0, 128, 128, GROUND, (), (),
                  (Sound("dog", "", 1.1, 1.2),))  # fmt: skip
    audio = Audio(np.zeros(16000 * 4, np.float32), 16000)
    answer = "From 1.1 to 2.3: for 1.2 seconds."
    row = rows(omni, scene, (audio,), ("How long is a dog barking?", answer), clock=Clock(0.6))
    told = omni.tokenizer.decode(row.targets[row.targets != IGNORE][:-1].tolist())
    start, end, length = map(float, re.findall(r"\d+\.\d", told))
    assert 1.1 < start <= 1.6 and 2.3 < end <= 2.8 and length == pytest.approx(end - start)


def test_in_a_film_moments_are_told_as_their_pair_of_frames_tells_them(omni):
    """Eight frames, timestamps at 0.5, 2.5, 4.5 and 6.5 s; with sound, others between them."""
    dog = Thing("dog", "", "noto", 0.25, ((0.125, 0.125),), 3.0, 6.0)
    scene = Scene(0, "train", 8.0, 1.0, 128, 128, GROUND, (dog,))
    frames = np.stack([picture(scene, float(time)) for time in range(8)])
    sound = Audio(np.zeros(128_000, np.float32), 16_000)
    asked = ("JSON?", '{"object": "dog", "start": 3.0, "end": 6.0}'), ("And?", "To 8.0 seconds.")
    for film, clock in (
        (Video(frames, np.arange(8, dtype=np.float32)), Clock()),
        (Video(frames, np.arange(8, dtype=np.float32), sound), Clock(0.5)),
    ):
        row = rows(omni, scene, (film,), *asked, clock=clock)
        said = omni.tokenizer.decode(row.targets[row.targets != IGNORE].tolist())
        assert '"start": 2.5, "end": 6.5}' in said and "8.0" in said, "none is near the end"
        slots = np.flatnonzero(row.ids == omni.tokenizer.video_pad)
        digits = [i for i in np.flatnonzero(row.targets != IGNORE)
                  if omni.tokenizer.decode([int(row.targets[i])]) in tuple("26")]  # fmt: skip
        for i, pair in zip(digits, (1, 2), strict=True):
            cells = slots[16 * pair : 16 * (pair + 1)]
            assert set(row.heard[i]) == {cells[0]}, "where it is first, and where it is last seen"


def test_how_many_does_not_name_a_man(omni):
    dog = Thing("dog", "", "noto", 0.25, ((0.125, 0.125),), 3.0, 6.0)
    line = Line("x", "Hello there.", "male", "man", 0.5, 1.0)
    scene = Scene(0, "train", 8.0, 1.0, 128, 128, GROUND, (dog,), lines=(line,))
    frames = np.stack([picture(scene, float(time)) for time in range(8)])
    sound = Audio(np.zeros(128_000, np.float32), 16_000)
    film = Video(frames, np.arange(8, dtype=np.float32), sound)
    for question, pad in (("For how many seconds are there dogs?", omni.tokenizer.video_pad),
                          ("When does the man speak?", omni.tokenizer.audio_pad)):  # fmt: skip
        row = rows(omni, scene, (film,), (question, "From 3.0 to 6.0."))
        assert row.ids[row.heard[row.targets != IGNORE][0, 1]] == pad


def test_a_line_is_followed_while_it_is_written(omni):
    line = Line("x", "One two three four five six.", "heart", "woman", 1.0, 2.0)
    scene = Scene(0, "train", 4.0, 0.0, 128, 128, GROUND, lines=(line,))
    sound = Audio(np.zeros(64_000, np.float32), 16_000)
    row = rows(omni, scene, (sound,), ("What does the woman say?", line.text))
    places = [at for piece, at in looked(omni, row, omni.tokenizer.audio_pad) if piece.strip()]
    middles = [sum(at) / 2 for at in places[: len(omni.tokenizer.encode(line.text))]]
    assert middles == sorted(middles) and middles[0] < 10 and middles[-1] > 13
    assert all(last - first <= 2 for first, last in places[: len(middles)])


def test_when_nothing_is_named_the_question_counts(omni):
    scene = Scene(0, "train", 3.0, 0.0, 128, 128, GROUND, sounds=(Sound("dog", "", 1.0, 0.5),))
    sound = Audio(np.zeros(48_000, np.float32), 16_000)
    row = rows(omni, scene, (sound,), ("When is the dog barking?", "At 1.0 seconds."),
               ("What barks?", "It rains."), clock=Clock(0.5))  # fmt: skip
    found = row.heard[row.targets != IGNORE]
    assert (found[0] > 0).all() and (found[-3:] == -1).all()
    assert row.ids[found[0, 0]] == row.ids[found[0, 1]] == omni.tokenizer.audio_pad


def test_every_item_of_the_world_becomes_a_row(omni):
    train, names = shelf("train"), set()
    for seed in range(30):
        one = item(seed, train)
        more = others(one, 3, train)
        kinds = [one.task.name, *(task.name for task in more)]
        assert len(set(kinds)) == len(kinds) <= 4
        names |= set(kinds)
        parts = one.message(train, scale=0.5).parts[:-1]
        row = exchange(omni.tokenizer, one.scene, parts, [one.task, *more], Clock(), omni.eye.grid)
        at = np.arange(len(row.ids))[:, None]
        assert ((row.heard < at) | (row.heard == -1)).all(), "nobody looks ahead"
        assert (row.heard[:, 0] <= row.heard[:, 1]).all()
        pads = [omni.tokenizer.image_pad, omni.tokenizer.video_pad, omni.tokenizer.audio_pad]
        pads += omni.tokenizer.encode("0123456789.")  # of timestamps
        some = row.heard[row.heard[:, 0] >= 0, 0]
        assert np.isin(row.ids[some], pads).all()
    assert len(names) > 12
