"""Scenes: plain data both ways, made again from a seed, drawn and heard where the data says."""

import dataclasses
import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import label

from model.data import pictures, sounds
from model.data.catalog import (
    COLORS,
    MORE_STYLES,
    OBJECTS,
    ROOT,
    SEEN_FONTS,
    SEEN_STYLES,
    SOUNDS,
    UNSEEN_FONTS,
    UNSEEN_STYLES,
    dyed,
    plural,
    recordings,
    share,
    split_of,
    words,
)
from model.data.draw import box, frames, letters, picture, times
from model.data.mix import hum, mix
from model.data.scenes import BENT, KINDS, Line, Print, Scene, Sound, Thing, sample, signs
from model.data.shelf import LANGUAGES, shelf, speaker
from model.data.store import SPLITS

DATA = runpy.run_path(str(Path(__file__).with_name("scene_data.py")))
film, differs = DATA["film"], DATA["differs"]
root, train = DATA["root"], DATA["train"]  # fixtures
STAMPS = pytest.mark.skipif(
    not sounds.STAMPS.exists(),
    reason="no stamps: install the Debian package tuxpaint-stamps-default",
)


# --- data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_is_json_and_comes_again_from_its_seed(train, kind):
    scenes = [sample(seed, train, kind) for seed in range(60)]
    assert {scene.kind for scene in scenes} == {kind}
    for seed, scene in enumerate(scenes):
        assert Scene.read(scene.json()) == scene == sample(seed, train, kind)
    assert len({scene.json() for scene in scenes}) == 60
    a, b = scenes[3], Scene.read(scenes[3].json())
    if kind != "sound":
        assert (frames(a) == frames(b)).all()
    if kind != "picture":
        assert (mix(a, train.speech) == mix(b, train.speech)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("seconds"), "scene has wrong fields .missing: seconds."),
        (lambda v: v.update(colour=1), "scene has wrong fields .unknown: colour."),
        (lambda v: v.update(seconds="6"), "scene.seconds must be float, not str '6'"),
        (lambda v: v.update(things={}), "scene.things must be a list"),
        (lambda v: v["things"][0].update(size=True), r"scene.things\[0\].size must be float"),
        (lambda v: v["things"][0]["path"][0].append(1), r"path\[0\] must have 2 values, not 3"),
        (lambda v: v["things"][0].update(path=[]), "bus needs a path of one point or more"),
        (lambda v: v["things"][0].update(end=0.5), "expected start <= end"),
        (lambda v: v.update(width=0), "expected 0 s or more and at least 32 x 32"),
        (lambda v: v.update(rate=math.nan), "scene.rate must be finite"),
    ],
)
def test_what_is_wrong_with_a_scene_is_said(change, message):
    value = json.loads(film().json())
    change(value)
    with pytest.raises(ValueError, match=message):
        Scene.read(json.dumps(value))
    with pytest.raises(ValueError, match="not the JSON of a scene"):
        Scene.read("{")


def test_sampling_refuses_what_it_does_not_know(train, root):
    with pytest.raises(ValueError, match="no kind of scene 'opera'"):
        sample(0, train, "opera")
    with pytest.raises(ValueError, match="no split 'dev'"):
        shelf("dev", root)
    with pytest.raises(ValueError, match="styles fluent are for the test only"):
        shelf("train", root, ("fluent",))
    with pytest.raises(ValueError, match="no style 'cubist'"):
        shelf("test", root, ("cubist",))


def test_scenes_are_made_without_any_voices(tmp_path):
    here = shelf("train", tmp_path)
    scenes = [sample(seed, here) for seed in range(40)]
    assert {scene.kind for scene in scenes} == set(KINDS)
    assert not any(line.language == "en" for scene in scenes for line in scene.lines)


def test_what_is_held_out_is_held_out(root):
    assert [len(dyed(split)) for split in SPLITS] == pytest.approx([1250, 45, 180], rel=0.25)
    for of in (dyed, words):
        train, valid, test = (set(of(split)) for split in SPLITS)
        assert not train & test and not train & valid and not valid & test
        assert len(test) > 0.08 * len(train)
    assert not set(SEEN_STYLES) & set(UNSEEN_STYLES) and not set(SEEN_FONTS) & set(UNSEEN_FONTS)
    by = {split: {r.id for r in recordings() if r.split == split} for split in ("train", "test")}
    assert not by["train"] & by["test"]
    shelves = {split: shelf(split, root) for split in SPLITS}
    seen = {
        split: [sample(seed, shelves[split]) for seed in range(250)] for split in ("train", "test")
    }
    for get in (
        lambda s: {(t.name, t.color) for t in s.things if t.color},
        lambda s: {p.text.lower() for p in s.prints if p.text.isalpha()},
        lambda s: {p.font for p in s.prints},
        lambda s: {x.recording for x in s.sounds},
        lambda s: {x.voice for x in s.lines if x.language == "en"},
        lambda s: {x.clip for x in s.lines},
    ):
        train, test = (set().union(*map(get, seen[split])) for split in ("train", "test"))
        assert train and test and not train & test
    assert set(shelves["test"].sounds) <= set(shelves["train"].sounds)
    shown = {path.stem.partition("_")[2] for path in (ROOT.parent / "samples").glob("sound_*")}
    trained = {r.id.partition("-")[2] for r in recordings() if r.split == "train"}
    assert not shown & trained  # the samples stay out of training


def test_splits_are_pure_hashes():
    assert share("dye", "car", "red") == share("dye", "car", "red")
    assert [split_of("word", w) for w in ("cat", "bank", "open")] == ["train", "train", "train"]
    shares = [split_of("anything", str(i)) for i in range(4000)]
    assert 0.10 < shares.count("test") / 4000 < 0.14
    assert 0.02 < shares.count("valid") / 4000 < 0.04


def test_names():
    assert [plural(n) for n in ("bus", "fox", "leaf", "strawberry", "key", "loaf of bread")] == [
        "buses", "foxes", "leaves", "strawberries", "keys", "loaves of bread",
    ]  # fmt: skip
    assert {s for s in SOUNDS if s in OBJECTS} >= {"dog", "cat", "bell", "guitar", "duck"}
    voices = ("heart", "deep", "warp-0.60-0.85", "warp-0.75-0.90", "af_bella", "warp-1.30-1.10")
    assert [speaker(v) for v in voices] == ["woman", "man", "man", "", "woman", "child"]


def test_what_is_shipped_is_there_small_and_licensed():
    rows = [r for r in recordings() if r.shipped]
    files = {path.stem for path in (ROOT / "sounds").glob("*.ogg")}
    assert {r.id for r in rows} == files
    free = {"CC0-1.0", "CC-BY-3.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "MIT"}
    assert {r.licence for r in rows} == free
    assert all(r.attribution and r.source for r in rows)
    assert sum(p.stat().st_size for p in ROOT.rglob("*") if p.is_file()) < 5_500_000
    for row in rows[::9]:
        wave = sounds.wave(row.id)
        assert abs(len(wave) / sounds.RATE - row.seconds) < 0.03
        assert np.abs(wave).max() <= 0.91
    with pytest.raises(ValueError, match="no recording is named 'moo'"):
        sounds.wave("moo")


# --- frames ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", (*SEEN_STYLES, "fluent"))
def test_things_are_where_the_scene_says(style):
    for name, color in (("bus", "red"), ("key", ""), ("ice cream", "blue"), ("snake", "purple")):
        thing = Thing(name, color, style, 0.3, ((0.2, 0.3), (0.8, 0.6)), 1.0, 5.0)
        scene = film(things=(thing,), width=288, height=224)
        for time in (1.0, 2.5, 4.0):
            rows, columns = np.nonzero(differs(scene, time))
            found = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            assert np.abs(np.subtract(found, box(scene, thing, time))).max() <= 3
        for time in (0.0, 0.9, 5.0):
            assert not differs(scene, time).any()
        left, top, right, bottom = box(scene, thing, 3.0)
        assert abs((left + right) / 2 - 0.5 * 288) <= 1
        assert abs((top + bottom) / 2 - 0.45 * 224) <= 1
        assert abs(max(right - left, bottom - top) - 0.3 * 224) <= 1


def test_sampled_things_do_not_cover_each_other(train):
    """As many separate spots as there are things: a count can be told from the picture."""
    for seed in range(60):
        scene = sample(seed, train, "picture")
        if len(scene.things) < 2:
            continue
        masks = np.zeros((scene.height, scene.width), int)
        for thing in scene.things:
            left, top, right, bottom = box(scene, thing)
            assert 0 <= left < right <= scene.width and 0 <= top < bottom <= scene.height
            masks[top:bottom, left:right] += 1
        assert masks.max() == 1
        assert not (differs(scene, 0.0) & (masks == 0)).any() or scene.prints
        assert label(masks)[1] <= len(scene.things)


def test_films_do_not_cover_things_either(train):
    for seed in range(40):
        scene = sample(seed, train, "film")
        for time in times(scene).tolist():
            boxes = [box(scene, t, time) for t in scene.visible(time)]
            for i, a in enumerate(boxes):
                for b in boxes[i + 1 :]:
                    wide = min(a[2], b[2]) - max(a[0], b[0])
                    high = min(a[3], b[3]) - max(a[1], b[1])
                    assert wide < 8 or high < 8, scene.seed


@pytest.mark.parametrize("style", (*SEEN_STYLES, *MORE_STYLES, "fluent"))
def test_dyed_things_have_their_colour(style):
    """The colour of most pixels is nearer to the one named than to any other."""
    wrong = []
    drawn = pictures.names(style)
    pairs = [(name, color) for i, name in enumerate(drawn) for color in list(COLORS)[i % 3 :: 3]]
    for name, color in pairs[::5]:
        pixels = np.asarray(pictures.sticker(name, style, color), float)
        solid = pixels[pixels[..., 3] > 200][:, :3]
        middle = np.median(solid, axis=0)
        nearest = min(COLORS, key=lambda c: math.dist(COLORS[c], middle))
        if nearest != color:
            wrong.append((name, color, nearest))
    assert len(wrong) <= 0.06 * len(pairs[::5]), wrong


def test_training_has_styles_that_lack_objects(train, root):
    assert set(train.styles) == {*SEEN_STYLES, *MORE_STYLES}
    assert shelf("test", root).styles == shelf("valid", root).styles == SEEN_STYLES
    assert all(pictures.names(style) == tuple(OBJECTS) for style in (*SEEN_STYLES, "fluent"))
    for style in MORE_STYLES:
        assert 80 < len(pictures.names(style)) < len(OBJECTS)
        assert "goose" not in pictures.names(style)
        with pytest.raises(ValueError, match=f"no picture of 'goose' among those of {style}"):
            pictures.sticker("goose", style, "red")
    scenes = [sample(seed, train, "picture") for seed in range(300)]
    seen = {thing.style for scene in scenes for thing in scene.things}
    assert seen == set(train.styles)


def test_what_others_lend_is_told_by_package(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="nobody is named 'zoo'"):
        sounds.lent("zoo:lion.ogg")
    monkeypatch.setitem(sounds.LENDERS, "hydrogen", (tmp_path / "none", "hydrogen-drumkits"))
    with pytest.raises(ValueError, match="install the Debian package hydrogen-drumkits"):
        sounds.lent("hydrogen:kit/Clap.flac")
    assert not any(r.id.startswith("hydrogen:") for r in sounds.available("train"))


def test_recordings_of_training_are_bent_further(train, root):
    speeds = {
        place.split: [s.speed for seed in range(60) for s in sample(seed, place, "sound").sounds]
        for place in (train, shelf("valid", root), shelf("test", root))
    }
    low, high = min(speeds["train"]), max(speeds["train"])
    assert 1 / BENT - 0.01 <= low < 0.75 and 1.35 < high <= BENT
    assert all(0.92 <= s <= 1.08 for split in ("valid", "test") for s in speeds[split])


def test_letters_are_where_they_are_said_to_be():
    word = Print("iWl", "DejaVuSans", (0, 0, 0), 0.3, (0.5, 0.5))
    scene = film(seconds=0.0, prints=(word,))
    ink = np.abs(picture(scene).astype(int) - picture(dataclasses.replace(scene, prints=())))
    ink = ink.max(-1) > 60
    boxes = letters(scene, word)
    assert all(ink[top:bottom, left:right].any() for left, top, right, bottom in boxes)
    for left, top, right, bottom in boxes:
        ink[top:bottom, left - 1 : right + 1] = False
    assert not ink.any(), "nothing is printed elsewhere"
    widths = [right - left for left, _, right, _ in boxes]
    assert widths[1] > 2 * max(widths[0], widths[2])


def test_signs_are_letters_in_rows(train, root):
    for seed in range(20):
        scene = signs(seed, train)
        assert scene == signs(seed, train) and not scene.things
        assert [round(6 * word.at[1]) for word in scene.prints] == [1, 3, 5]
        assert all(word.text.isalnum() and word.font in SEEN_FONTS for word in scene.prints)
    held_out = [word for seed in range(20) for word in signs(seed, shelf("test", root)).prints]
    assert {word.font for word in held_out} == set(UNSEEN_FONTS)
    assert {w.text.lower() for w in held_out if w.text.isalpha()} <= set(words("test"))


def test_words_are_drawn_inside_and_can_be_told_from_the_ground(train):
    seen = 0
    for seed in range(300):
        scene = sample(seed, train, "picture")
        for word in scene.prints:
            alone = dataclasses.replace(scene, things=())
            rows, columns = np.nonzero(differs(alone, 0.0))
            assert columns.min() > 2 and columns.max() < scene.width - 3
            assert abs(rows.mean() / scene.height - word.at[1]) < 0.06
            ink = np.float32(word.color).mean()
            ground = picture(dataclasses.replace(scene, things=(), prints=())).mean()
            assert abs(ink - ground) > 55
            seen += 1
    assert seen > 20


def test_frames_have_the_size_and_times_that_are_asked_for():
    scene = film(width=288, height=224)
    assert times(scene).tolist() == [0, 1, 2, 3, 4, 5]
    assert times(scene, 2.0).tolist() == [i / 2 for i in range(12)]
    assert frames(scene).shape == (6, 224, 288, 3)
    assert frames(scene, [0.0, 2.5], 0.5).shape == (2, 112, 144, 3)
    assert picture(film(seconds=0.0)).shape == (256, 256, 3)
    with pytest.raises(ValueError, match="no font is named 'Comic'"):
        picture(film(prints=(Print("hi", "Comic", (0, 0, 0), 0.2, (0.5, 0.5), 0.0, 6.0),)))
    with pytest.raises(ValueError, match="no color 'mauve'"):
        pictures.sticker("bus", "noto", "mauve")
    with pytest.raises(ValueError, match="no object is named 'unicorn'"):
        pictures.sticker("unicorn", "noto")


@STAMPS
def test_stamps_and_foreign_voices_are_found(root):
    assert len(pictures.names("stamp")) > 40
    here = shelf("test", root, ("stamp",))
    assert len(here.tongues) >= 8 and len(LANGUAGES) >= 8
    scene = sample(1, here, "picture")
    assert differs(scene, 0.0).any() and {t.style for t in scene.things} == {"stamp"}
    clip = here.foreign[0]
    assert len(here.speech(clip.id)) / sounds.RATE == pytest.approx(here.seconds(clip), abs=0.1)


def test_photos_are_found():
    for name in pictures.names("photo"):
        assert min(pictures.sticker(name, "photo").size) > 60


# --- sound ----------------------------------------------------------------------------------------


def loudness(samples: np.ndarray, start: float, end: float) -> float:
    part = samples[round(start * sounds.RATE) : round(end * sounds.RATE)]
    return 20 * math.log10(float(np.sqrt((part**2).mean())) + 1e-9) if len(part) else -180.0


def test_it_sounds_when_the_scene_says(train):
    for seed in range(40):
        scene = dataclasses.replace(sample(seed, train, "sound"), hum="")
        samples = mix(scene, train.speech)
        assert len(samples) == round(scene.seconds * sounds.RATE)
        events = sorted((*scene.sounds, *scene.lines), key=lambda e: e.start)
        quiet = 0.0
        for event in events:
            assert loudness(samples, quiet, event.start) < -100
            assert loudness(samples, event.start, event.end) > -45
            quiet = event.end + 0.02
        assert loudness(samples, quiet, scene.seconds) < -100


def test_speed_gain_and_hum():
    bark = Sound("dog", "scratch-Dog2", 1.0, 0.14)
    quiet = dataclasses.replace(bark, gain=-6.0)
    fast = dataclasses.replace(bark, speed=2.0, seconds=0.07)
    plain = film(things=(), seconds=2.0, sounds=(bark,))
    a = mix(plain)
    b = mix(dataclasses.replace(plain, sounds=(quiet,)))
    assert np.abs(a).max() / np.abs(b).max() == pytest.approx(10 ** (6 / 20), rel=0.01)
    c = mix(dataclasses.replace(plain, sounds=(fast,)))
    assert np.count_nonzero(a) / np.count_nonzero(c) == pytest.approx(2.0, rel=0.1)
    for kind in ("hiss", "hum"):
        assert loudness(hum(kind, -30.0, 32_000, 1), 0, 2) == pytest.approx(-30, abs=0.2)
    loud = mix(film(things=(), sounds=(bark,) * 30))
    assert np.abs(loud).max() <= 0.991
    with pytest.raises(ValueError, match="no hum 'rain'"):
        hum("rain", -30.0, 100, 1)
    with pytest.raises(ValueError, match="a picture has no sound"):
        mix(film(seconds=0.0))
    line = Line("wordnet-1", "Hello.", "heart", "woman", 0.5, 1.0)
    with pytest.raises(ValueError, match="pass the speech of a shelf"):
        mix(film(lines=(line,)))


def test_lines_are_cut_to_what_is_heard(train):
    clip = train.clips[0]
    samples = train.speech(clip.id)
    assert len(samples) / sounds.RATE == pytest.approx(clip.seconds, abs=0.011)
    assert clip.seconds == pytest.approx(1.0 - 0.075 - 0.225)  # of a clip of one second
    with pytest.raises(ValueError, match="omni data build micro"):
        train.speech("nobody")
