"""Questions about scenes: their answers are right, others wrong, and can be worked out anew."""

import dataclasses
import json
import re
import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from model.data import check
from model.data.ask import ASKED, PHRASINGS, aloud, asker, item, phrasings, tasks, voice
from model.data.captions import caption, events
from model.data.catalog import SOUNDS
from model.data.check import All, Event, Events, Names, Near, Says, Timed, Word, error_rate, f1
from model.data.draw import frames, picture, times
from model.data.mix import mix
from model.data.scenes import Ground, Print, Scene, Sound, Thing, sample
from model.data.shelf import shelf
from model.data.sounds import RATE
from model.senses.message import Audio, Image, Video
from workbench.cli import main
from workbench.sheet import sheet

DATA = runpy.run_path(str(Path(__file__).with_name("scene_data.py")))
film, differs = DATA["film"], DATA["differs"]
root, train = DATA["root"], DATA["train"]  # fixtures


@pytest.fixture(scope="module")
def asked(train):
    return [(s, tasks(s)) for s in (sample(seed, train) for seed in range(160))]


def test_an_elephant_that_trumpets_is_no_trumpet():
    assert check.named("sound", "After that, the elephant trumpets.") == {"elephant"}
    assert check.named("sound", "The rooster crows, then the crow caws.") == {"rooster", "crow"}
    assert Names("sound", ("rooster",)).right("At last the rooster crows.")
    assert check.named("sound", "A trumpet playing and an elephant.") == {"trumpet", "elephant"}


def test_every_task_is_asked_and_its_own_answer_is_right(asked):
    seen = Counter()
    for _, found in asked:
        for task in found:
            seen[task.name] += 1
            assert task.check.right(task.answer), task
            assert task.check.score(task.answer) == 1, task
            assert "{" not in task.question and task.question[0].isupper()
            if not isinstance(task.check, Events | Timed):
                assert task.check.right(aloud(task.answer)), task
            assert not task.check.right("I do not know."), task
            plain = json.loads(json.dumps(check.to_json(task.check)))
            assert check.from_json(plain) == task.check
    missing = set(ASKED) - set(seen) - {"foreign", "translate", "bigger", "moves"}
    assert not missing


def test_the_answer_to_one_scene_is_wrong_for_most_others(asked):
    """What a model would reach that answers without looking or listening."""
    by: dict[str, list] = {}
    for _, found in asked:
        for task in found:
            by.setdefault(task.name, []).append(task)
    names = (
        "what,color,count,where,appears,moves,speakers,visible,when sound,count sound,long sound"
    )
    for name in (*names.split(","), "caption structured"):
        own = by[name]
        blind = [a.check.right(b.answer) for a, b in zip(own, own[1:] + own[:1], strict=True)]
        assert np.mean(blind) < 0.55, name


def test_the_test_asks_in_other_words():
    assert set(PHRASINGS) == set(ASKED)
    for name, (known, unseen) in PHRASINGS.items():
        assert phrasings(name, "train") == phrasings(name, "valid") == known
        assert phrasings(name, "test") == unseen and unseen and len(known) >= 9
        every = [re.sub(r"\W+", " ", text).strip().lower() for text in known + unseen]
        assert len(set(every)) == len(every), name
        slots = {frozenset(re.findall(r"{\w+}", text)) for text in known + unseen}
        assert len(slots) == 1 or name == "translate", name  # there the language may be unsaid


def test_askers_of_the_test_are_new():
    from random import Random

    test = {asker(Random(i), "test").name for i in range(80)}
    known = {asker(Random(i), "train").name for i in range(200)}
    assert not test & known and {"heart", "male"} <= known


# --- truth, worked out from what is rendered ------------------------------------------------------


def test_appearing_is_in_the_frames(asked):
    """The first frame that changes where a thing is drawn has the time of the answer."""
    done = 0
    for scene, found in asked:
        for task in found:
            if task.name != "appears" or len(scene.things) < 1:
                continue
            name = next(t.name for t in scene.things if f" {t.name} " in f" {task.answer}")
            only = tuple(t for t in scene.things if t.name == name)
            alone = dataclasses.replace(scene, things=only, prints=())
            at = times(scene).tolist()
            first = next(t for t in at if differs(alone, t).any())
            assert task.check.right(f"At {first} seconds.")
            assert not task.check.right(f"At {first + 0.6} seconds.")
            done += 1
    assert done > 12


def test_places_are_in_the_pixels(asked):
    done = 0
    for scene, found in asked:
        for task in found:
            if task.name != "where" or scene.seconds:
                continue
            name = task.answer.removeprefix("The ").split(" is ")[0]
            only = tuple(t for t in scene.things if t.name == name)
            alone = dataclasses.replace(scene, things=only, prints=())
            rows, columns = np.nonzero(differs(alone, 0.0))
            x = (columns.min() + columns.max()) / 2 / scene.width
            y = (rows.min() + rows.max()) / 2 / scene.height
            names = {"left"} if x < 0.37 else {"right"} if x > 0.63 else set()
            names |= {"top"} if y < 0.37 else {"bottom"} if y > 0.63 else set()
            assert set(task.check.names) == (names or {"middle"})
            done += 1
    assert done > 40


def test_onsets_are_in_the_sound(asked, train):
    done = 0
    for scene, found in asked:
        for task in found:
            if task.name != "when sound" or done > 40:
                continue
            heard = next(s for s in scene.sounds if abs(s.start - task.check.seconds[0]) < 1e-6)
            alone = dataclasses.replace(scene, hum="", sounds=(heard,), lines=())
            samples = np.abs(mix(alone, train.speech))
            onset = np.argmax(samples > 0.05 * samples.max()) / RATE
            assert task.check.right(f"At {onset:.2f} seconds.")
            done += 1
    assert done > 12


def test_what_is_ambiguous_is_not_asked():
    dog, bus = (
        Thing(name, "", "noto", 0.2, (at,))
        for name, at in (("dog", (0.5, 0.5)), ("bus", (0.55, 0.8)))
    )
    names = {t.name for t in tasks(film(seconds=0.0, things=(dog, bus)))}
    assert "which" not in names and "color" not in names  # nothing is dyed
    assert not any(
        "left" in t.question or "right" in t.question
        for t in tasks(film(seconds=0.0, things=(dog, bus)))
        if "beside" in t.name
    )
    bark = Sound("dog", "scratch-Dog2", 1.0, 0.14)
    twice = film(things=(), sounds=(bark, dataclasses.replace(bark, start=3.0)))
    names = {t.name for t in tasks(twice)}
    assert "count sound" in names and "when sound" not in names


# --- checks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "right", "wrong"),
    [
        (Names("color", ("red",)), ["It is red.", "RED"], ["red or blue", "reddish", ""]),
        (Names("color", ("gray",)), ["grey"], ["green"]),
        (Names("number", ("two",)), ["2", "There are two.", "twice"], ["twenty two", "2 or 3"]),
        (Names("object", ("dog", "ice cream")), ["An ice cream and dogs"], ["a dog", "ice, dog"]),
        (Names("object", ("dog",), ("cat",)), ["The dog is left of the cat."], ["The cat."]),
        (Names("object", ("loaf of bread",)), ["bread", "a loaf of bread"], ["a cake"]),
        (Names("sound", ("dog",)), ["dogs", "a dog barking"], ["a cat meowing", "dog, cat"]),
        (Names("sound", ("cat",)), ["It meows.", "a cat"], ["a phone ringing"]),
        (Names("place", ("top", "left")), ["At the top left.", "upper left"], ["left", "right"]),
        (Names("verdict", ("no",)), ["No, there is none."], ["Yes.", "yes and no"]),
        (Names("speaker", ("man", "woman")), ["A woman and a man."], ["A woman."]),
        (Names("language", ("Greek",)), ["This is Greek."], ["Russian"]),
        (Word("OPEN"), ['It says "open".', "Open"], ["opened", "a b c d e f g h open"]),
        (Near((3.2,)), ["At 3.6 seconds.", "three point two", "2.7"], ["3.8", "3.2 or 9", "soon"]),
        (Near((1.0, 2.0)), ["From 1.4 to 1.6.", "one to two"], ["2.0 to 1.0", "1.0"]),
        (Near((21.0,)), ["twenty-one seconds"], ["twenty"]),
        (Says("The bell rings."), ["the bell rings", "The bell ring."], ["A dog.", ""]),
        (Says("Це сова."), ["це сова"], ["owl"]),
        (Timed(((1.0, 2.0, "Go on."),)), ["1.2-2.1 Go on."], ["1.8-2.9 Go on.", "1.0-2.0 Stop."]),
    ],
)  # fmt: skip
def test_checks(one, right, wrong):
    for text in right:
        assert one.right(text), text
    for text in wrong:
        assert not one.right(text), text


def test_event_f1():
    true = (Event("sound", "dog", 1.0, 1.4), Event("object", "red car", 0.0, 4.0))
    assert f1(true, true) == 1 and f1((), ()) == 1 and f1(true, ()) == 0
    late = (Event("sound", "dog", 1.5, 1.9), Event("object", "Red car", 0.4, 2.5))
    assert f1(true, late) == 1  # an end may be off by half of the length
    assert f1(true, (Event("sound", "dog", 1.6, 1.9), true[1])) == 0.5
    assert f1(true, (true[0],) * 3 + true[1:]) == pytest.approx(2 * 2 / 6)
    told = Events(true)
    assert told.right('{"segments": [{"start": 1, "end": 1.4, "sound": "dog"}, '
                      '{"start": 0, "end": 4, "object": "red car"}]}')  # fmt: skip
    for text in ("no json", "[]", '{"segments": 3}', '{"segments": [{"start": "a"}]}'):
        assert told.score(text) == 0
    for text, message in (
        ("{", "not JSON"),
        ("[]", "expected"),
        ('{"segments": [{"start": 1, "end": 2}]}', "segment 0 must have one of"),
        ('{"segments": [{"start": "1", "sound": "dog"}]}', "start and end must be numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            check.parse(text)
    with pytest.raises(ValueError, match="no check 'Guess'"):
        check.from_json({"check": "Guess"})
    with pytest.raises(ValueError, match="a Near check has seconds"):
        check.from_json({"check": "Near", "second": [1]})


def test_error_rate():
    assert error_rate("abc", "abc") == 0 and error_rate("abc", "") == 1
    assert error_rate("a cat", "a  Cat!") == 0
    assert error_rate("kitten", "sitting") == pytest.approx(3 / 6)
    assert All((Word("a"), Word("b"))).score("a") == 0.5


def test_captions_say_what_is_asked_for(train):
    scene = next(s for i in range(99) if (s := sample(i, train, "film")).lines and s.sounds)
    both, seen, heard = (events(scene, senses) for senses in ("both", "seen", "heard"))
    assert set(seen) | set(heard) == set(both) and {e.kind for e in seen} <= {"object", "word"}
    assert {e.kind for e in heard} == {"sound", "speaker"}
    for senses, true in (("both", both), ("seen", seen), ("heard", heard)):
        found = check.parse(caption(scene, "structured", senses))
        assert f1(true, found) == 1 and sorted(found, key=str) == sorted(true, key=str)
    assert SOUNDS[scene.sounds[0].name].heard in caption(scene, "short").lower()
    assert scene.lines[0].text in caption(scene, "detailed", "heard")
    with pytest.raises(ValueError, match="no style of caption 'epic'"):
        caption(scene, "epic")
    with pytest.raises(ValueError, match="no senses 'smelt'"):
        caption(scene, "short", "smelt")


def test_things_are_told_row_by_row(train):
    """In captions, when all are named, and when they are counted."""
    spots = {"cup": (0.8, 0.8), "dog": (0.5, 0.2), "bell": (0.2, 0.5), "lion": (0.8, 0.21)}
    things = tuple(Thing(name, "", "noto", 0.2, (at,)) for name, at in spots.items())
    scene = Scene(0, "train", 0.0, 0.0, 256, 256, Ground("snow", "snow"), things)
    told = [t.answer for t in tasks(scene) if t.name.startswith(("things", "caption"))]
    assert len(told) == 4
    for answer in told:
        order = [answer.index(name) for name in ("dog", "lion", "bell", "cup")]
        assert order == sorted(order), answer
    lions = tuple(Thing("lion", "", "noto", 0.2, (at,)) for at in spots.values())
    counted = [t.answer for t in tasks(dataclasses.replace(scene, things=lions))
               if t.name == "count"]  # fmt: skip
    told = "A lion at the top, one, a lion at the top right, two, a lion on the left, three, "
    assert counted == [f"{told}a lion at the bottom right, four: there are four lions."]


def test_who_looks_for_a_thing_or_a_color_says_where_and_what_is_there():
    at = {"dog": (0.2, 0.2), "cup": (0.8, 0.2), "bell": (0.5, 0.8)}
    colors = {"dog": "red", "cup": "blue", "bell": "green"}
    where = {"dog": "at the top left", "cup": "at the top right", "bell": "at the bottom"}
    things = tuple(Thing(name, colors[name], "noto", 0.2, (at[name],)) for name in at)
    made = tasks(film(seconds=0.0, things=things))
    seen = {name: f"{where[name].capitalize()} is a {colors[name]} {name}. A" for name in at}
    found = [t for t in made if t.name == "exists"]
    assert len(found) == 2
    for task in found:
        (verdict,) = re.findall("Yes|No", task.answer)
        (looked,) = (name for name in at if task.answer.startswith(seen[name]))
        assert (verdict == "Yes") == (f"a {looked}" in task.question)
        other = "No" if verdict == "Yes" else "Yes"
        assert task.check.right(task.answer)
        assert not task.check.right(task.answer.replace(verdict, other))
    which = {t.answer: t for t in made if t.name == "which"}
    assert set(which) == {f"The {colors[n]} thing is {where[n]}: a {colors[n]} {n}." for n in at}
    for answer, task in which.items():
        assert task.check.right(answer)
        assert not task.check.right(answer.replace("a ", "an owl, a "))


def test_counted_things_are_written_in_the_plural():
    at = [(0.2, 0.2), (0.5, 0.5), (0.8, 0.8)]
    things = tuple(Thing("wolf", "blue", "noto", 0.2, (p,)) for p in at)
    assert caption(film(seconds=0.0, things=things)) == "Three blue wolves."


def test_the_bigger_one_is_told_by_the_sizes_of_both():
    cat, pig = (Thing(name, "", "noto", size, (at,)) for name, size, at in
                (("cat", 0.18, (0.2, 0.2)), ("pig", 0.25, (0.8, 0.8))))  # fmt: skip
    (task,) = (t for t in tasks(film(seconds=0.0, things=(cat, pig))) if t.name == "bigger")
    assert task.answer == "The cat is tiny and the pig big: the pig is bigger."
    assert task.check.right(task.answer) and task.check.right("The pig.")
    assert not task.check.right("The cat is tiny and the pig big: the cat is bigger.")
    assert not task.check.right("The pig is bigger: the cat or the pig.")


def test_a_printed_word_is_told_in_capitals():
    word = Print("eyes", "DejaVuSans", (0, 0, 0), 0.2, (0.5, 0.5))
    (task,) = (t for t in tasks(film(seconds=0.0, prints=(word,))) if t.name == "read")
    assert task.answer == 'It says "EYES".' and task.check.right('It says "eyes".')


def test_numbers_are_written_as_they_are_said():
    assert aloud("At 3.2 seconds.") == "At three point two seconds."
    assert aloud("From 0.5 to 12.0.") == "From zero point five to twelve point zero."


# --- as training takes them -----------------------------------------------------------------------


def test_items_are_messages(train, root):
    for kind, part in (("picture", Image), ("sound", Audio), ("film", Video)):
        one = item(5, train, kind)
        assert one == item(5, train, kind) != item(6, train, kind)
        found, question = one.message(train).parts
        assert isinstance(found, part) and question.text == one.task.question
        if kind == "film":
            assert found.audio is not None and len(found.frames) == len(found.times)
            assert abs(found.audio.seconds - one.scene.seconds) < 1e-3
            assert len(one.message(train, rate=4.0, scale=0.5).parts[0].times) == (
                int(one.scene.seconds * 4)
            )
    assert item(1, train, "picture", "read").task.name == "read"
    assert item(1, shelf("test", root, ("fluent",)), "picture").scene.split == "test"
    with pytest.raises(ValueError, match="no task 'opera'; expected one of what,"):
        item(0, train, "picture", "opera")


def test_a_question_is_asked_aloud(train):
    from model.data.voices import Hibari

    one = next(i for seed in range(50) if (i := item(seed, train, "picture")).task.voice)
    _, question = one.message(train, say=Hibari()).parts
    assert isinstance(question, Audio) and 0.4 < question.seconds < 8
    assert voice("warp-0.60-0.85").envelope == 0.85
    with pytest.raises(ValueError, match="no voice 'af_bella' to ask with"):
        voice("af_bella")


def test_a_scene_on_one_page(train, root, tmp_path, capsys, monkeypatch):
    for kind in ("picture", "sound", "film"):
        scene = sample(3, train, kind)
        samples = mix(scene, train.speech) if scene.seconds else None
        page = sheet(scene, samples, tasks(scene))
        assert page.width == 1640 and 400 < page.height < 2500
        assert (np.asarray(page)[:, -40:] == 255).all()  # nothing runs over the edge
    monkeypatch.chdir(tmp_path)
    show = ["scene", "show", "7", "--kind", "film", "--data", str(root)]
    assert main([*show, "-o", "a.png", "--wav", "a.wav", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["scene"]["seed"] == 7 and whole["tasks"][0]["check"]["check"]
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "a.wav"}
    assert main([*show, "-o", "a.png", "--picture", "b.png"]) == 0
    assert np.array_equal(np.asarray(Pillow.open("b.png")), picture(sample(7, train, "film")))
    show[4] = "sound"
    assert main([*show, "-o", "c.png", "--picture", "d.png"]) == 2
    assert "no picture to write" in capsys.readouterr().err
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "a.wav", "b.png"}
    show[4] = "film"
    assert main([*show, "--styles", "fluent"]) == 2
    assert "for the test only" in capsys.readouterr().err
    assert len(frames(sample(7, train, "film"))) >= 3
