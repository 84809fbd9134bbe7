"""From a Run to the views: they open, and what they show is what the Run holds."""

from pathlib import Path

import numpy as np
import pytest

from model.senses.message import Audio, Image, Video
from widgets.view import View

KINDS = ["router-logits", "attn", "attn:talker", "align", "delta", "latency"]


@pytest.fixture(scope="module")
def run(lab):
    sound = Audio(np.sin(np.arange(16_000) / 7).astype(np.float32) / 10, 16_000)
    how = {"temperature": 1.0, "speech_temperature": 1.0, "most": 4, "interval": 0.5}
    return lab.run("<script>What?</script>", sound, record=KINDS, **how)


def test_the_alignment_has_every_word_and_frame(run):
    data = run.view.align().data
    assert list(data["tokens"]["str"]) == [run.pieces[str(i)] for i in run.words]
    units = data["units"]
    assert np.array_equal(units["kind"], run.units.kind)
    table = run.tokens
    rows = data["tokens"]["position"]
    assert table.loc[list(rows), "id"].tolist() == run.words.tolist()


@pytest.mark.parametrize("pace", ["aria:0", "fixed:1:8", "text-first"])
def test_the_law_of_the_alignment_is_the_audits(lab, pace):
    run = lab.say("Yes it is. Oh, no", pace=pace, speech_temperature=1.0)
    law, sentence = run.view.align().data["law"], run.units.sentence
    broken = {int(sentence[u]) for u in law["broken"]}
    assert [audit.lawful for audit in run.audits] == [
        i not in broken for i in range(len(run.audits))
    ]
    assert [item["n"] for item in law["items"]] == [sum(a.path) for a in run.audits]


def test_routing_shows_both_stages_or_one(run):
    both, one = run.view.routing(), run.view.routing("talker")
    assert both.data["topk_ids"].shape[0] == len(run.thinker) + len(run.talker)
    assert np.array_equal(one.data["topk_ids"], run.routing.talker.experts)


def test_what_was_heard_spoken_and_seen_goes_to_the_views(lab, run):
    assert [lane["name"] for lane in run.view.routing().meta["sounds"]] == ["audio", "speech"]
    assert [lane["name"] for lane in run.view.routing("thinker").meta["sounds"]] == ["audio"]
    still = np.zeros((64, 64, 3), np.uint8)
    times = np.arange(4, dtype=np.float32) / 2
    film = Video(np.zeros((4, 64, 64, 3), np.uint8), times)
    how = {"image": Image(still), "video": film, "speak": False, "most": 1, "record": ["attn"]}
    view = lab.run("What?", **how).view.attention()
    assert view.arrays["film_at"].tolist()[:4] == [0, 0.5, 1, 1.5]  # a video comes first
    assert np.isnan(view.arrays["film_at"][4]) and view.meta["axis"] == "heard"


def test_attention_keeps_its_mass_and_its_timestamps(run):
    for stage in ("thinker", "talker"):
        assert isinstance(run.view.attention(stage), View)
    places, seconds = run.view._stamps("thinker")
    assert seconds.tolist() == pytest.approx([0.0, 0.6])
    assert (run.thinker.modality[places] == 4).all()


def test_latency_marks_and_frames(run):
    view = run.view.latency()
    assert isinstance(view, View) and "TTFP" in str(view.table) + str(view.meta)


def test_one_page_of_all_views_offline(run, tmp_path):
    text = run.export(tmp_path / "turn.html").read_text()
    assert "http://" not in text and "https://" not in text
    assert "<script>What" not in text
    with pytest.raises(ValueError, match="ends in .html"):
        run.export(tmp_path / "turn.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["turn.html"]


def test_a_run_shows_what_was_recorded_in_small_pictures(lab, run):
    html = run._repr_html_()
    assert html.count('src="data:image/png;base64,') == len(list(run.view)) == 5
    assert len(html) < 200_000 and "<script>What" not in html
    assert "<img" not in lab.run("Hi", speak=False, most=1)._repr_html_()


def test_how_sure_a_span_is_comes_from_attention(lab, run):
    data = run.view.align().arrays["confidence"]
    assert ((data >= 0) & (data <= 1)).all()
    assert np.isnan(lab.say("Yes").view.align().arrays["confidence"]).all()


def test_rows_may_be_about_a_second(run):
    about = np.linspace(0, 1, len(run.attention[0].query))
    view = run.view.attention(about=about)
    assert view.meta["has_ref"] and len(view.ranking("reference")) == view.miss.size


def test_what_was_not_recorded_has_no_view(lab):
    bare = lab.run("Hi", speak=False, most=2)
    for view, told in [
        (bare.view.align, "not spoken"),
        (bare.view.routing, r"record=\['routing'\]"),
        (bare.view.attention, r"record=\['attn:thinker'\]"),
        (bare.view.latency, r"record=\['latency'\]"),
        (lambda: bare.export("x.html"), "nothing to show"),
    ]:
        with pytest.raises(ValueError, match=told):
            view()


def test_a_sentence_read_aloud(lab):
    run = lab.say("Yes it is. No", speech_temperature=1.0, record=["routing", "latency"])
    assert len(list(run.view)) == 3
    rows = run.view.align().data["tokens"]["position"]
    taken = run.units.token[run.units.text >= 0].tolist()
    assert run.tokens.loc[list(rows), "id"].tolist() == taken
    pieces = [[run.pieces[str(i)] for i in ids] for ids in (run.words.tolist(), taken)]
    assert pieces[1] != pieces[0], "the second sentence begins without a space"
    assert "".join(pieces[1]) == "".join(pieces[0]).replace(". ", ".")


def test_rows_of_attention_are_tokens_words_sentences_or_seconds(run):
    view = run.view.attention()
    whole = run.view.attention(per="sentence").data["attn"]
    assert view.data["attn"].shape[2] == len(run.attention[0].query)
    assert whole.shape[2] <= view.data["attn"].shape[2]
    assert np.allclose(whole.sum(-1), 1, atol=1e-2)
    words = run.view.attention(per="word")
    assert words.meta["Q"] == len(words.meta["queries"]) <= view.meta["Q"]
    frames = run.view.attention("talker", per="second")
    assert frames.meta["Q"] <= run.view.attention("talker").meta["Q"]
    with pytest.raises(ValueError, match="per must be token, word, sentence, second, not 'page'"):
        run.view.attention(per="page")


def test_pictures_for_the_readme(lab, tmp_path):
    from workbench.evidence.views import ALTS, LARGEST, lines, write

    sample = Path(__file__).parents[1] / "datasets/samples/question.wav"
    how = {"temperature": 1.0, "speech_temperature": 1.0, "most": 3}
    written = write(lab, tmp_path / "pictures", question=sample, repeats=1, **how)
    assert [p.stem for p in written[:2]] == ["align-light", "align-dark"]
    assert len(written) == 2 * len(ALTS) and max(p.stat().st_size for p in written) <= LARGEST
    text = lines(written)
    assert text.count("prefers-color-scheme: dark") == len(ALTS)
    assert all(alt in text for alt in ALTS.values())
