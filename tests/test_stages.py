"""The stages on nano and a dozen clips: batches are right, losses fall, stages follow on."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from model.aria import lawful
from model.data.shelf import shelf
from model.data.store import CLIPS, TURNS, Store, Turn, encode, write
from model.layers.mel import log_mel_16k
from model.omni import Omni, OmniConfig
from model.senses.message import Audio, Text
from model.train import stages
from model.train.batch import (
    Reading,
    alike,
    conversation,
    copied,
    distort,
    sounding,
    speak_batch,
    speak_item,
)
from model.train.codec import tokenise
from model.train.codes import Codes, Copy
from model.train.features import Features
from model.train.loop import Recipe, Run, weights
from model.train.losses import IGNORE, Balance, cross_entropy
from model.train.mtp import mtp
from model.train.pack import assemble
from model.train.prompts import Prompts
from model.train.spell import spell
from model.train.spelling import said, spelled, word_spans

PHONES = ["_", "h", "ə", "l", "ˈ", "O", " ", "ð", "ɛ", "ɹ", "_"]
UNITS = [4, 3, 3, 4, 1, 8, 2, 4, 5, 4, 2]  # 25 ms each: 1 s


def clip(number: int, split: str) -> dict:
    rng = np.random.default_rng(number)
    tone = np.sin(2 * np.pi * (200 + 50 * (number % 5)) * np.arange(24_000) / 24_000)
    wave = (0.3 * tone + 0.02 * rng.normal(size=24_000)).astype(np.float32)
    return {"id": f"{split}-{number}", "text": "hello there", "source": "template",
            "voice": "heart" if number % 2 else "male", "speed": 1.0, "rate": 24_000,
            "flac": encode(wave, 24_000), "seconds": 1.0, "phones": PHONES, "units": UNITS,
            "sha256": ""}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a small store and the codes of its clips."""
    root = tmp_path_factory.mktemp("stages")
    for split, count in (("train", 12), ("valid", 4)):
        clips = [clip(i, split) for i in range(count)]
        write(root / f"spoken/{split}-00000.parquet", clips, CLIPS)
        turn = {"id": "t", "task": "greeting", "question": "Hello?", "answer": "hello there",
                "key": "hello", "question_audio": f"{split}-0",
                "answer_audio": f"{split}-1"}  # fmt: skip
        write(root / f"turns/{split}.parquet", [turn] * 3, TURNS)
    omni = nano()
    for split in ("train", "valid"):
        tokenise(Store(root).spoken(split), omni.codec, root / f"codes/{split}.npz", copies=2)
    return root


def nano() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def run(place, name: str, steps: int = 12) -> Run:
    return Run(place / name, steps=steps, log_every=1, valid_every=10**6)


def losses(place, name: str, metric: str = "loss") -> list[float]:
    lines = (place / name / "metrics.jsonl").read_text().splitlines()
    return [row[metric] for row in map(json.loads, lines) if metric in row]


def test_every_stage_learns_and_the_model_is_packed(place, monkeypatch):
    store, cache, recipe = Store(place), place / "features", Recipe(lr=3e-3, warmup=0.0)
    small = {"size": 4}
    for kind in (stages.EarData, stages.HearData, stages.SpeakData, stages.TalkData):
        init = kind.__init__
        monkeypatch.setattr(
            kind, "__init__", lambda self, *a, _init=init, **k: _init(self, *a, **(small | k))
        )
    stages.ear(nano(), store, cache, run(place, "ear"), recipe)
    ear = place / "ear/last.safetensors"
    stages.hear(nano(), store, cache, run(place, "hear"), recipe, start=ear)
    stages.speak(nano(), store, place / "codes", run(place, "speak"), recipe)
    speak = place / "speak/last.safetensors"
    stages.talk(nano(), store, cache, place / "codes", run(place, "talk"), recipe, start=speak)
    for name, metric in (("ear", "loss"), ("hear", "text"), ("speak", "code0"), ("talk", "code0")):
        values = losses(place, name, metric)
        assert all(map(math.isfinite, values))
        assert sum(values[-3:]) < sum(values[:3]), name
    with pytest.raises(FileNotFoundError, match="omni train codec"):
        assemble(place, config=OmniConfig.nano())
    omni = assemble(place, (("hear",), ("talk", "speak")), OmniConfig.nano())
    trained = weights(place / "talk/last.safetensors")["speak.talker.head.weight"]
    assert torch.equal(omni.talker.head.weight, trained)
    before = {name: value.clone() for name, value in omni.state_dict().items()}
    mtp(omni, store, place / "features", place / "codes", run(place, "mtp", 40), recipe)
    values = losses(place, "mtp")
    assert sum(values[-3:]) < sum(values[:3])
    moved = {name for name, value in omni.state_dict().items() if not value.equal(before[name])}
    assert moved and all(re.match(r"talker\.mtp\.(stack|heads)\.", name) for name in moved)
    parts = (("hear",), ("talk", "speak"), ("mtp",))
    packed = assemble(place, parts, OmniConfig.nano()).talker
    assert all(map(torch.equal, packed.parameters(), omni.talker.parameters()))


def test_the_speller_alone_learns_to_spell(place):
    omni, store = nano(), Store(place)
    before = {name: value.clone() for name, value in omni.state_dict().items()}
    recipe = Recipe(lr=1e-2, warmup=0.0)
    nobody = replace(shelf("train", place), foreign=())  # those of others: test_tongues.py
    spell(omni, store, place / "features", (nobody, nobody), run(place, "spell"), recipe, (4, 4))
    for name in ("whole", "each"):
        values = losses(place, "spell", name)
        assert all(map(math.isfinite, values)) and sum(values[-3:]) < sum(values[:3]), name
    moved = {name for name, value in omni.state_dict().items() if not value.equal(before[name])}
    assert moved == {"speller.weight", "speller.bias"}
    packed = assemble(place, (("spell",),), OmniConfig.nano())
    assert torch.equal(packed.speller.weight, omni.speller.weight)


def test_batches_follow_from_the_step_alone(place):
    omni, store = nano(), Store(place)
    features = Features.build(store, "train", place / "features")
    data = stages.HearData(omni, features, store.turns("train"), size=6)
    one, two, other = data(3), data(3), data(4)
    assert torch.equal(one.ids, two.ids) and torch.equal(one.ear.mel, two.ear.mel)
    assert not torch.equal(one.ear.mel[:1, :, :16], other.ear.mel[:1, :, :16])


def test_copies_are_heard_instead_of_the_clips(place, monkeypatch):
    omni, store = nano(), Store(place)
    features = Features.build(store, "train", place / "features")
    copies = Features.build(store, "train", place / "copies", omni.codec)
    assert [row["id"] for row in copies.rows] == [row["id"] for row in features.rows]
    clip, copy = features[0], copies[0]
    assert copy.mel.shape == clip.mel.shape and not np.array_equal(copy.mel, clip.mel)
    assert np.array_equal(copy.phones, clip.phones) and copy.spans == clip.spans
    original = next(iter(store.spoken("train")))
    wave = torch.from_numpy(Audio(original.samples, original.rate).at(24_000).samples)
    with torch.inference_mode():
        sound = omni.codec.decode(omni.codec.encode(wave[None]))[0, : len(wave)].float().numpy()
    again = log_mel_16k(torch.from_numpy(Audio(sound, 24_000).at(16_000).samples)[None])[0].T
    np.testing.assert_allclose(copy.mel[: len(again)], again, atol=0.01)

    monkeypatch.setattr(stages, "COPIED", 1.0)
    heard, real = [], stages.ear_rows
    monkeypatch.setattr(
        stages, "ear_rows", lambda clips, *rest: heard.extend(clips) or real(clips, *rest)
    )
    stages.HearData(omni, features, store.turns("train"), size=8, asks=0.0, splices=0,
                    copies=copies)(0)  # fmt: skip
    assert heard and all(
        any(np.array_equal(one.mel, copies[i].mel) for i in range(len(copies))) for one in heard
    )


def test_states_of_the_ear_fit_the_pads_of_the_text(place):
    omni, store = nano(), Store(place)
    features = Features.build(store, "train", place / "features")
    batch = stages.HearData(omni, features, store.turns("train"), size=8)(0)
    assert int(stages.held(batch.ear.frames, batch.ear.mel.shape[2]).sum()) == int(
        (batch.ids == omni.tokenizer.audio_pad).sum()
    )


def test_a_spoken_sentence_becomes_a_lawful_stream(place):
    omni = nano()
    marks, end = omni.tokenizer, omni.config.talker.end
    codes = np.random.default_rng(0).integers(0, 16, (20, 8))
    for seed in range(20):
        reading = Reading("a", "hello there", "heart", ())
        item = speak_item(marks, reading, Copy(codes, 0), end, np.random.default_rng(seed))
        heard = item["text"].nonzero()[0]
        path = item["text"][heard[0] :]
        assert lawful(path.tolist()) and (~path).sum() == 20
        assert marks.decode(item["words"][heard].tolist()) == "hello there"
        assert item["words"][heard[-1]] == marks.tts_text_eod
        assert item["targets"][-1] == end
        at = item["frame"].nonzero()[0]
        assert (item["targets"][at - 1] == codes[:, 0]).all(), "each frame is predicted before"
        assert (item["codes"][at] == codes).all()


def test_context_enters_before_the_words(place):
    omni = nano()
    marks = omni.tokenizer
    context = np.array([marks.im_start, marks.audio_pad, marks.audio_pad, marks.im_end])
    copy = Copy(np.zeros((5, 8), np.int64), 0)
    item = speak_item(marks, Reading("a", "hello", "heart", ()), copy, 16,
                      np.random.default_rng(0), context)  # fmt: skip
    assert item["before"].sum() == 2
    assert (item["targets"][: int(item["text"].argmax()) - 1] == IGNORE).all()
    assert speak_batch([item, item]).before.shape == (2, len(item["words"]))


def test_an_answer_is_said_sentence_by_sentence(place):
    store, made = Store(place), Codes(place / "codes/train.npz")
    rows = stages.spoken(store, "train", made)
    rows[3] = rows[3]._replace(text="Nobody asked!")
    features = Features.build(store, "train", place / "features")
    both = Turn("t", "greeting", "Hello?", "Nobody asked! hello there", "", "train-0")
    unsaid = replace(both, answer="Nobody says this.")
    unheard = replace(both, question_audio="")
    data = stages.TalkData(
        stages.SpeakData(nano(), rows, made), features, [both, unsaid, unheard], size=6
    )
    assert data.answers == [(both, ["Nobody asked!", "hello there"])]
    assert data.says["Nobody asked!"] == [3] and len(data.says["hello there"]) == 11
    batch = data(1)
    asked = round(0.6 * 6)
    assert len(batch.ids) == asked and batch.speak.before[:asked].any(1).sum() == len(batch.ear.mel)


def test_a_sample_of_the_voice_stands_in_the_prompt_and_is_not_learnt(place):
    marks = nano().tokenizer
    codes, sample = np.full((5, 8), 3), np.full((7, 8), 4)
    rng = np.random.default_rng(0)
    reading = Reading("a", "hello", "fast", (), 1.25)
    item = speak_item(marks, reading, Copy(codes, 0), 16, rng, sample=sample)
    start = 1 + len(marks.encode("fast"))
    assert item["words"][0] == marks.im_start and item["words"][start + 7] == marks.im_end
    assert (item["codes"][start : start + 7] == sample).all()
    assert item["frame"][start : start + 7].all() and item["frame"].sum() == 12
    assert (item["targets"][: start + 8] == IGNORE).all()
    assert ((item["targets"] >= 0) & (item["targets"] < 16)).sum() == 5
    assert speak_batch([item]).tempo.tolist() == pytest.approx([0.8])


def prompts(voices: str) -> Prompts:
    rows = [Reading(str(i), "hello", voice, ()) for i, voice in enumerate(voices.split("; "))]

    class Heard(Codes):  # they tell which clip they are of
        def __init__(self):
            pass

        def draw(self, name, rng):
            return Copy(np.full((30, 8), int(name)), 0)

    return Prompts(rows, Heard())


def test_the_voice_is_heard_in_other_plain_clips_of_the_speaker():
    asked, rng = (
        prompts("heart; heart; heart, loud; male; af_sky; af_sky"),
        np.random.default_rng(0),
    )
    heard = [asked.sample(0, rng) for _ in range(30)]
    assert {int(code) for sample in heard for code in sample.ravel()} == {1}
    assert all(19 <= len(sample) <= 30 for sample in heard), "one clip of 30 frames is all there is"
    assert {int(code) for code in asked.sample(2, rng).ravel()} <= {0, 1}
    assert asked.sample(3, rng) is None
    assert asked.words(4, rng) == ""


def test_a_name_alone_means_the_voice_as_it_is():
    asked, rng = prompts("heart; heart, loud; warp-0.60-0.86, sad"), np.random.default_rng(0)
    plain, loud, sad = ([asked.words(i, rng) for _ in range(60)] for i in range(3))
    assert "heart" in plain and "heart" not in loud
    assert all("loud" in words or "quiet" not in words for words in loud)
    assert not any("warp" in words for words in sad) and len(set(sad)) > 10


def test_a_frame_looks_at_the_word_it_speaks(place):
    """Two words: 100 to 575 ms and 625 to 950 ms, after 40 ms of silence in this copy."""
    omni = nano()
    marks, codes = omni.tokenizer, np.zeros((13, 8), np.int64)
    reading = Reading("a", "hello there", "heart", word_spans(PHONES, UNITS))
    first, second = (len(marks.encode(word)) for word in ("hello", " there"))
    early = 0
    for seed in range(20):
        item = speak_item(marks, reading, Copy(codes, 40.0), 16, np.random.default_rng(seed))
        words, frames = item["text"].nonzero()[0], item["frame"].nonzero()[0]
        for i, at in enumerate(frames):
            ms = (i + 0.5) * 80 - 40
            spoken = item["spoken"][at - 1, 0]
            if 100 <= ms < 575:
                mine = words[:first]
            elif 625 <= ms < 950:
                mine = words[first : first + second]
            else:
                mine = []
            early += spoken < 0 < len(mine)
            assert spoken in mine or spoken < 0
            assert spoken < at, "only what has been taken"
    assert early < 60, "most frames are spoken after their word was taken"


def test_a_token_is_written_where_it_sounds(place):
    omni = nano()
    marks = omni.tokenizer
    said_at = said("hello there", word_spans(PHONES, UNITS), marks)
    pads = [marks.audio_pad] * 7  # of 160 ms
    answer = [*marks.encode("hello there"), marks.im_end]
    ids = np.array([marks.im_start, *pads, marks.im_end, *answer])
    targets = np.full(len(ids), IGNORE)
    targets[8:-1] = answer
    places = sounding(ids, targets, said_at, marks.audio_pad, 160.0)
    assert places[8].tolist()[0] == 1, "the first token begins at 100 ms, in the first state"
    assert places[8 + said_at[-1].index].tolist()[1] == 1 + 5, "the last one ends at 950 ms"
    assert (places[:8] == -1).all() and (places[8 + len(said_at) :] == -1).all()


def test_an_answer_that_stands_in_its_question_is_to_be_looked_up_there():
    marks = Omni(OmniConfig.nano()).tokenizer
    rng = np.random.default_rng(0)

    def looked(question: str, answer: str) -> list[tuple[bytes, bytes]]:
        ids, _, targets = conversation(marks, [Text(question)], answer, rng)
        places = copied(ids, targets)
        assert (places[:, 0] == places[:, 1]).all()
        assert (places[:, 0] < np.arange(len(ids))).all()
        pairs = [(targets[t], ids[place]) for t, (place, _) in enumerate(places) if place >= 0]
        return [(marks.piece(int(token)), marks.piece(int(there))) for token, there in pairs]

    found = looked("Please say: The old man sat down.", "The old man sat down.")
    assert b"".join(token for token, _ in found) == b"The old man sat down."
    assert all(token == there.strip() or token == there for token, there in found)
    assert looked("What is the old man?", "The old man is a man.") == []
    assert looked("Hi.", "Hello, how can I help you today?") == []


def test_guidance_is_the_weight_of_the_places_to_look_at():
    torch.manual_seed(0)
    guided = stages.Guided()
    q, k = torch.randn(1, 2, 6, 8), torch.randn(1, 1, 6, 8)
    guided(q, k, k)
    heard = torch.full((1, 6, 2), -1)
    heard[0, 4] = torch.tensor([1, 2])
    weights = (q[0, 0] @ k[0, 0].T / 8**0.5)[4, :5].softmax(-1)
    assert guided.loss(heard).item() == pytest.approx(-weights[1:3].sum().log().item(), abs=1e-5)
    guided(q, k, k)
    assert guided.loss(torch.full((1, 6, 2), -1)) == 0


def test_codes_that_are_missing_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="train the codec"):
        Codes(tmp_path / "train.npz")


def test_items_of_a_batch_are_of_like_length():
    lengths = np.arange(1000)
    drawn = lengths[alike(lengths, 20, np.random.default_rng(0))]
    assert len(drawn) == 20 and drawn.max() - drawn.min() < 300


def test_distortion_keeps_shape_and_range():
    rng = np.random.default_rng(0)
    mel = rng.uniform(-1.5, 2, (80, 128)).astype(np.float16)
    for seed in range(50):
        out = distort(mel, np.random.default_rng(seed))
        assert out.shape == mel.shape and out.dtype == np.float32
        assert np.isfinite(out).all() and out.min() >= -1.5


def test_words_are_spelled_in_time():
    tokenizer = nano().tokenizer
    spans = word_spans(PHONES, UNITS)
    assert spans == [(100.0, 575.0), (625.0, 950.0)]
    labels = spelled("hello there", spans, tokenizer, 40.0, 25)
    labels = labels.tolist()
    runs = [labels[0], *(b for a, b in zip(labels, labels[1:], strict=False) if a != b)]
    assert tokenizer.decode([t for t in runs if t != tokenizer.tts_pad]) == "hello there"
    assert labels[0] == labels[-1] == tokenizer.tts_pad
    assert (spelled("hello", spans, tokenizer, 40.0, 25) == IGNORE).all(), "other words"
    assert (spelled("hello there", [], tokenizer, 40.0, 25) == IGNORE).all(), "no timings"


def test_losses():
    logits = torch.randn(5, 7)
    assert cross_entropy(logits, torch.full((5,), IGNORE)) == 0
    omni = nano()
    balance = Balance(omni.thinker)
    omni.train()
    omni.thinker(torch.randn(2, 9, 32))
    value = float(balance.take().detach())
    assert 1.9 < value < 4.1, "2 of 4 experts: 2 when all are used alike, 4 when always the same"
    assert balance.take() == 0
