"""Two runs compared: nothing where nothing was changed, and the right thing where something was."""

import base64
import io
import wave

import numpy as np
import pytest

import workbench as wb

KINDS = ["logits", "routing"]


@pytest.fixture(scope="module")
def run(lab):
    return lab.run("Hello <b>you</b>", most=4, temperature=1.0, record=KINDS)


def test_a_run_and_itself_do_not_differ(lab, run, tmp_path):
    same = wb.diff(run, wb.open(run.save(tmp_path / "a.omnirun")))
    assert same.changed == () and same.same_words == len(run.words)
    assert (same.kl == 0).all() and same.mel_db == 0 and (same.codes == 0).all()
    assert all((share == 0).all() for share in same.flips.values())
    assert [p.same for p in same.text] == [True]


def test_a_change_shows_where_it_was_made(lab, run):
    with lab.edit(wb.ban_expert(2, [0, 1])):
        alt = lab.rerun(run, keep_words=True)
    change = wb.diff(run, alt)
    assert change.changed[0] == "BanExperts(layer=2, stage='thinker', experts=(0, 1))"
    assert len(change.kl) == len(run.words) and (change.kl >= 0).all() and change.kl.max() > 0
    flips = change.flips["thinker"]
    assert flips[0] == flips[1] == 0 and flips[2] > 0.3
    summary = change.summary()
    assert {"KL, mean", "mel distance", "expert flips, thinker"} <= set(summary.index)
    assert len(change.words()) == len(run.words)
    page = change._repr_html_()
    assert "BanExperts" in repr(change) and "<b>" not in page
    assert "<script" not in page and page.count("<img") == 1
    sounds = [sounding(part) for part in page.split("audio/wav;base64,")[1:]]
    assert [len(s) for s in sounds] == [len(run.audio), len(alt.audio)]
    assert np.abs(sounds[1] / 32767 - alt.audio.clip(-1, 1)).max() < 1e-4


def sounding(part: str) -> np.ndarray:
    with wave.open(io.BytesIO(base64.b64decode(part.split("'")[0]))) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_texts_that_part(lab, run):
    alt = lab.rerun(run, seed=1, speak=False, record=[])
    change = wb.diff(run, alt)
    assert change.kl is None and change.codes is None and change.flips == {}
    assert "seed: 0 -> 1" in change.changed
    assert "".join(p.run for p in change.text) == "".join(run.pieces[str(i)] for i in run.words)
    assert change.summary().loc["words changed", "change"] > 0
    with pytest.raises(ValueError, match="expected two runs"):
        wb.diff(run, "alt")


def test_another_pace_has_the_same_words(lab):
    run = lab.say("Yes it is so", speech_temperature=1.0, record=["routing"])
    with lab.edit(wb.text_first()):
        alt = lab.rerun(run)
    change = wb.diff(run, alt)
    assert change.changed == ("SetPace(pace=TextFirst())",) and np.isfinite(change.mel_db)
    assert set(change.flips) == {"talker"} and change.kl is None


def test_both_runs_in_one_layout_and_in_every_view(lab, run, tmp_path):
    kinds = ["router-logits", "attn", "align", "delta", "latency", "logits"]
    one = lab.rerun(run, record=kinds)
    with lab.edit(wb.ban_expert(2, [0, 1]), wb.text_first()):
        alt = lab.rerun(one)
    change = wb.diff(one, alt)
    data = change.layout.data
    mine, yours = (data["words"]["kind"] != k for k in (2, 1))
    texts = np.array(data["words"]["str"], object)
    assert "".join(texts[mine]) == "".join(one.pieces[str(i)] for i in one.words)
    assert "".join(texts[yours]) == "".join(one.pieces.get(str(i), "") or alt.pieces[str(i)]
                                            for i in alt.words)  # fmt: skip
    known = np.isfinite(data["words"]["kl"])
    assert np.allclose(data["words"]["kl"][known], change.kl)
    assert np.isclose(data["mel"].mean(), change.mel_db, rtol=1e-3)
    assert np.allclose(data["codes"].mean(1), change.codes)
    flips = data["flips"]["thinker"]
    both = flips[0] != 255
    assert np.allclose(flips[:, both].mean(1), change.flips["thinker"])
    views = list(change.view)
    assert [v.module for v in views] == ["align", "routing", "attention", "latency"]
    for view in views:
        assert view.beside is not None and view.png("dark")[:4] == b"\x89PNG"
    routing = views[1]
    first = routing.data["delta"]["thinker"]
    assert np.allclose(first, routing.beside.load[0] - routing.load[0])
    shared = routing.arrays["flips"] < 255
    assert (routing.arrays["flips"][: len(one.thinker)][shared[: len(one.thinker)]]
            == flips.sum(0)[both]).all()  # fmt: skip
    text = change.export(tmp_path / "ab.html").read_text()
    assert text.count('type="module"') == 5 and "://" not in text
    bundle = change._repr_mimebundle_()
    assert "sandbox" in bundle["text/html"] and bundle["text/plain"] == repr(change)


def test_runs_without_sound_or_records_have_a_layout_too(lab, run):
    bare = lab.rerun(run, speak=False, record=[])
    change = wb.diff(bare, lab.rerun(run, speak=False, seed=1, record=[]))
    assert list(change.view) == [] and "<audio" not in change._repr_html_()
    with pytest.raises(ValueError, match="not spoken"):
        wb.diff(run, bare).view.align()


def test_a_repeated_turn_has_percentiles_and_when_it_was_played(lab, run):
    recording = lab.recording("Hello", most=3, record=["latency"])
    for i, chunk in enumerate(recording):
        if len(chunk.audio) and i % 2:
            recording.played(len(recording.watch.audio) - 1)
    one = recording.run()
    played, ready = one.latency.played, one.units.emitted[one.units.kind == 1]
    known = np.isfinite(played)
    assert known.any() and not known.all() and (played[known] / 1e9 >= ready[known]).all()
    frames = one.view.latency().frames[0]
    assert np.isfinite(frames["played"]).all() and frames["assumed"] and frames["measured"]
    repeats = [lab.rerun(one) for _ in range(3)]
    assert repeats[0].latency.played is None
    view = one.view.latency(repeats=repeats, cold=1)
    assert len(view.requests) == 4 and view.percentiles()["TTFP"][3] == 3
    with pytest.raises(ValueError, match="no frame 999"):
        recording.played(999)
