"""Attribution: the number is the recorded one, the pieces are what they say, the sums are right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, LLMAttribution

import workbench as wb
from model.omni import Omni, OmniConfig
from model.senses.message import Audio, load_audio
from workbench.attribution import METHODS, Asked, Stopped, Written, by_taking_away
from workbench.edits import edited
from workbench.pieces import AudioSegments, Question, edges_of

RATE = 16_000
QUIET = {"progress": False}


def tone(seconds: float, hertz: float = 300) -> np.ndarray:
    return np.sin(np.arange(int(seconds * RATE)) * 2 * np.pi * hertz / RATE).astype(np.float32) / 4


@pytest.fixture(scope="module")
def run(lab):
    """Heard: a tone, half a second of nothing, another tone; then a few written words."""
    sound = np.concatenate([tone(0.4), np.zeros(RATE // 2, np.float32), tone(0.38, 900)])
    how = {"temperature": 1.0, "speech_temperature": 1.0, "most": 4, "interval": 0.4}
    return lab.run("What was it?", Audio(sound, RATE), record=["logits"], **how)


def told(run) -> np.ndarray:
    """Log-probabilities of the words as they were chosen, from the recorded logits."""
    logp = torch.from_numpy(run.logits).log_softmax(-1)
    return logp[range(len(run.words)), run.words.tolist()].numpy()


# --- the number ---------------------------------------------------------------------------------


def test_with_everything_there_it_is_the_recorded_log_probability(run):
    why = run.attribute(over="text", **QUIET)
    np.testing.assert_allclose(why.full, told(run), atol=1e-4)
    one = run.attribute(-1, over="text", **QUIET)
    np.testing.assert_allclose(one.full, told(run)[-1:], atol=1e-4)
    assert one.targets == (len(run.words) - 1,)


def test_frames_have_the_probability_of_all_their_codes(lab, run):
    why = run.attribute([0, 2], stage="talker", over="audio", cut=0.4, **QUIET)
    assert why.names == ("frame 0", "frame 2") and np.abs(why.values).max() > 0
    words = tuple(lab.omni.tokenizer.encode("Yes. No it"))
    how = {"words": words, "most": len(words), "speech_temperature": 1.0, "pace": "fixed:1:2"}
    two = lab.run("Hi you", record=["codes"], **how)
    assert len(two.audits) == 2, "two sentences, each with a stream of its own"
    why = two.attribute(stage="talker", over="text", **QUIET)
    known = two.odds.chosen.min(1) > 1e-3  # odds are kept in f16
    assert known.sum() > 4 and len(why.full) == len(two.codes)
    units, frames = two.units, np.flatnonzero(two.units.frame >= 0)
    heard_all = [  # once all words of its sentence are heard, speech might have ended instead
        bool(((units.kind[:u] == 2) & (units.sentence[:u] == units.sentence[u])).any())
        for u in frames
    ]
    assert 0 < sum(heard_all) < len(frames)
    told = np.log(two.odds.chosen.astype(np.float32)).sum(1)
    told += np.where(heard_all, np.log1p(-two.odds.end.astype(np.float32)), 0)
    np.testing.assert_allclose(why.full[known], told[known], atol=0.02)


def test_a_run_is_explained_under_its_own_edits(lab, run):
    with lab.edit(wb.ban_expert(1, [0, 1])):
        edited = lab.rerun(run, record=["logits"], keep_words=True)
        inside = edited.attribute(over="text", **QUIET)
        with pytest.raises(ValueError, match="explained as it was made"):
            run.attribute(**QUIET)
    why = edited.attribute(over="text", **QUIET)
    np.testing.assert_allclose(why.full, told(edited), atol=1e-4)
    np.testing.assert_allclose(why.values, inside.values, atol=1e-4)
    assert np.abs(why.full - told(run)).max() > 1e-3 and lab.edits == ()


def test_without_timestamps_it_is_the_run_whose_timestamps_were_dropped(lab, run):
    why = run.attribute(over="timestamps", **QUIET)
    with lab.edit(wb.drop_timestamps()):
        dropped = lab.rerun(run, record=["logits"], keep_words=True)
    np.testing.assert_allclose(why.empty, told(dropped), atol=1e-4)
    assert why.labels == ("<0.0 seconds>", "<0.5 seconds>", "<0.8 seconds>")
    assert all(run.thinker.modality[list(rows)].tolist() == [4] * len(rows) for rows in why.members)


def test_without_words_it_is_the_same_question_with_no_text(lab, run):
    why = run.attribute(over="text", **QUIET)
    assert why.labels == ("What", " was", " it?")
    (message,) = run.inputs.messages
    how = {"words": tuple(run.words.tolist()), "most": len(run.words), "interval": 0.4}
    bare = lab.run("", message.parts[0], record=["logits"], speak=False, **how)
    np.testing.assert_allclose(why.empty, told(bare), atol=1e-4)
    rows = [row for rows in why.members for row in rows]
    assert rows == np.flatnonzero((run.thinker.modality == 0) & (run.thinker.phase == 0)).tolist()


# --- the shares ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["shapley", "kernel-shap"])
def test_shapley_values_add_up_to_the_change(run, method):
    samples = {"shapley": 3, "kernel-shap": 32}[method]
    why = run.attribute(method=method, cut=0.3, samples=samples, **QUIET)
    assert abs(why.gap) < 1e-3 * max(1, abs(why.change)) and "as they should" in why.check
    if method == "shapley":
        np.testing.assert_allclose(why.each.sum(1), why.full - why.empty, atol=1e-4)
        np.testing.assert_allclose(why.each.sum(0), why.values, atol=1e-4)
        assert why.error.shape == why.values.shape and why.error.max() > 0
    again = run.attribute(method=method, cut=0.3, samples=samples, batch=1, **QUIET)
    np.testing.assert_allclose(again.values, why.values, atol=2e-3)
    other = run.attribute(method=method, cut=0.3, samples=samples, seed=1, **QUIET)
    assert np.abs(other.values - why.values).max() > 1e-6


def test_a_function_whose_shares_are_known():
    """f = sum w[k] there[k] + c there[0] there[1], heard in the middle of each piece."""
    w, c = np.array([2.0, -1.0, 0.5, 0.0]), 3.0
    audio = Audio(np.full(RATE, 0.5, np.float32), RATE)
    segments = AudioSegments(audio, 0.25, hear=lambda x: torch.from_numpy(x[2000::4000] / 0.5))

    def score(heard: list) -> torch.Tensor:
        there = torch.stack(heard).double()
        return ((there @ torch.from_numpy(w)) + c * there[:, 0] * there[:, 1])[:, None].float()

    def shares(method: str, samples: int):
        return by_taking_away(Asked(segments, score), method, samples, 0, 5, 60)

    alone = shares("ablation", 1)
    np.testing.assert_allclose(alone.values, [w[0] + c, w[1] + c, w[2], 0], atol=1e-5)
    fair = np.array([w[0] + c / 2, w[1] + c / 2, w[2], 0])
    shapley = shares("shapley", 60)
    np.testing.assert_allclose(shapley.values[2:], fair[2:], atol=1e-5)
    assert (np.abs(shapley.values - fair) <= 4 * shapley.error + 1e-5).all()
    assert 0.1 < shapley.error[0] < 0.3, "sd 1.5 over 60 orders is 0.19"
    np.testing.assert_allclose(shares("kernel-shap", 400).values, fair, atol=0.3)
    lime = shares("lime", 400).values
    assert lime.argmax() == 0 and abs(lime[3]) < 0.2 and lime[1] > 0.2 < lime[2]
    assert alone.full == pytest.approx([4.5]) and alone.empty == pytest.approx([0])


def test_taking_silence_away_changes_nothing(run):
    why = run.attribute(cut=[0.4, 0.56, 0.72, 0.9], **QUIET)
    assert np.abs(why.values[1:4]).max() < 2e-5, "nothing was to be heard there"
    assert np.abs(why.values[[0, 4]]).min() > 5e-5
    assert why.time[:, 0].tolist() == pytest.approx([0, 0.4, 0.56, 0.72, 0.9])
    noise = run.attribute(cut=[0.4, 0.9], absent="noise", **QUIET)
    assert abs(noise.values[1]) < 2e-5, "noise as loud as nothing is nothing"
    mean = run.attribute(cut=[0.4, 0.9], absent="mean", **QUIET)
    assert abs(mean.values[1]) > 2e-4, "silence is not the mean"


def test_gradients_are_those_of_the_score(lab, run):
    """Gradient times input is the slope when the pieces' embeddings grow (so little that no router
    changes its mind)."""
    why = run.attribute(over="text", method="gradient-x-input", **QUIET)
    with torch.no_grad():
        inputs, clock = edited(run.inputs, run.edits, lab.omni)
        prompt = Question(lab.omni, inputs, clock).prompt()
        goal = Written(run, why.targets)
        rows = [row for rows in why.members for row in rows]

        def score(growth: float) -> float:
            embeds = prompt.embeds.clone()
            embeds[:, rows] *= 1 + growth
            moved = replace(prompt, embeds=embeds)
            return goal.score(lab.omni, [moved]).double().sum().item()

        slope = (score(1e-3) - score(-1e-3)) / 2e-3
    assert why.values.sum() == pytest.approx(slope, rel=0.03, abs=3e-3)
    assert why.without == "moved to zero" and lab.omni.thinker.embed.weight.grad is None


def test_integrated_gradients_go_from_nothing_to_everything(run):
    why = run.attribute(method="integrated-gradients", cut=0.4, samples=24, **QUIET)
    alone = run.attribute(method="ablation", cut=0.4, **QUIET)
    np.testing.assert_allclose(why.empty, alone.empty, atol=1e-4)
    np.testing.assert_allclose(why.full, alone.full, atol=1e-4)
    assert why.passes == 26 and np.isfinite(why.values).all()


# --- pieces -------------------------------------------------------------------------------------


def test_what_is_there_is_untouched_and_what_is_not_is_what_was_said():
    audio = Audio(tone(1.0), RATE)
    segments = AudioSegments(audio, 0.25)
    heard = segments.samples([True, False, False, True])
    assert np.array_equal(heard[:4000], audio.samples[:4000])
    assert np.array_equal(heard[12000:], audio.samples[12000:])
    assert not heard[4080:11920].any(), "silent but for 5 ms beside what is there"
    assert not segments.samples([False] * 4).any()
    assert np.array_equal(segments.samples([True] * 4), audio.samples)
    noise = AudioSegments(audio, 0.25, "noise").samples([True, False, True, True])
    level = [np.sqrt((x[4080:7920] ** 2).mean()) for x in (noise, audio.samples)]
    assert level[0] == pytest.approx(level[1], rel=0.05)
    mean = AudioSegments(audio, 0.25, "mean")
    mel, whole = mean.to_model_input(torch.tensor([[1.0, 0, 1, 1]])), mean.to_model_input()
    assert torch.equal(mel[:, :25], whole[:, :25]) and torch.equal(mel[:, 50:], whole[:, 50:])
    torch.testing.assert_close(mel[:, 30], whole.mean(1))
    assert segments.values[1] == "0.25\u20130.50 s" and segments.to_tensor().shape == (1, 4)


def test_sound_is_cut_where_it_pauses():
    silence = np.zeros(RATE // 5, np.float32)
    audio = Audio(np.concatenate([tone(0.3), silence, tone(0.5), silence, tone(0.2)]), RATE, 2.0)
    cuts = edges_of(audio, "pauses")[1:-1] / RATE
    assert len(cuts) == 2 and 0.3 < cuts[0] < 0.5 and 1.0 < cuts[1] < 1.2
    assert edges_of(audio, [2.5, 3.0]).tolist() == [0, 8000, 16000, 22400]
    assert np.diff(edges_of(audio, 0.35)).tolist() == [5600] * 4
    for cut, wrong in [([1.0], "inside the sound, 2 to"), ("words", "not 'words'"), (0, "longer")]:
        with pytest.raises(ValueError, match=wrong):
            edges_of(audio, cut)


def test_cells_of_a_picture(lab):
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, 48:] = 200
    run = lab.run("What?", image=picture, speak=False, most=3, temperature=1.0)
    why = run.attribute(over="image", cut=(2, 3), absent="black", **QUIET)
    assert abs(why.values[0]) < 1e-4, "black was black before"
    assert np.abs(why.values).max() > 1e-3
    assert [len(rows) for rows in why.members] == [1] * 6 and why.cells.shape == (64, 96)
    halves = (np.arange(96) >= 48)[None].repeat(64, 0)
    two = run.attribute(over="image", cut=halves, absent="black", method="shapley", **QUIET)
    assert len(two.values) == 2 and abs(two.gap) < 1e-4 and abs(two.values[0]) < 1e-4
    slow = run.attribute(over="image", method="integrated-gradients", samples=4, **QUIET)
    np.testing.assert_allclose(slow.full, why.full, atol=1e-4)


def test_segments_are_an_input_for_captums_own_llm_attribution():
    """With a model in the shape of transformers', LLMAttribution gives the shares that we give."""
    audio = Audio(np.full(RATE, 0.5, np.float32), RATE)

    class Ear(torch.nn.Module):
        """The log-probability of token 0 grows with how much is heard."""

        device = torch.device("cpu")

        def forward(self, input_ids, loud, **_rest):
            logits = torch.zeros(*input_ids.shape, 2)
            logits[..., 0] = loud @ torch.tensor([3.0, 0.0, -1.0, 0.5])
            return type("Out", (), {"logits": logits})

    class Heard(LLMAttribution):
        SUPPORTED_INPUTS = (AudioSegments,)

    class Letters:
        def decode(self, _ids):
            return "a"

        def __call__(self, _text, **_how):
            return {"input_ids": [0], "offset_mapping": [(0, 1)]}

    def hear(x):
        loud = torch.from_numpy(x[2000::4000] / 0.5)
        return {"input_ids": torch.zeros(1, 1, dtype=torch.long), "loud": loud}

    ear, segments = Ear(), AudioSegments(audio, 0.25, hear=hear)
    theirs = Heard(FeatureAblation(ear), Letters()).attribute(
        segments, torch.tensor([0]), forward_in_tokens=False
    )

    def score(given):
        logits = torch.stack([ear(**one).logits[0, -1] for one in given])
        return logits.log_softmax(-1)[:, :1]

    ours = by_taking_away(Asked(segments, score), "ablation", 1, 0, 4, 60)
    np.testing.assert_allclose(theirs.seq_attr.numpy(), ours.values, atol=1e-5)
    assert theirs.input_tokens == segments.values and abs(ours.values[1]) < 1e-6 < ours.values[0]


# --- how it is asked ----------------------------------------------------------------------------


def test_targets_are_named_by_number_or_text(run):
    texts = [run.pieces[str(i)] for i in run.words.tolist()]
    said = "".join(texts)
    assert run.attribute(said, over="text", **QUIET).targets == tuple(range(len(texts)))
    assert run.attribute(range(2), over="text", **QUIET).targets == (0, 1)
    for target, wrong in [
        ("no such text", "nowhere"),
        (99, r"no tokens \[99\]: the answer has 4"),
        ([], "no tokens"),
    ]:
        with pytest.raises(ValueError, match=wrong):
            run.attribute(target, **QUIET)
    with pytest.raises(ValueError, match="named by numbers"):
        run.attribute("a", stage="talker", **QUIET)


def test_a_run_remembers_its_lab_but_not_in_a_file(lab, run, tmp_path):
    again = wb.open(run.save(tmp_path / "a.omnirun"))
    with pytest.raises(ValueError, match="say which lab to ask"):
        again.attribute(over="text", **QUIET)
    here = run.attribute(over="text", **QUIET)
    there = lab.attribute(again, over="text", method="ablation", **QUIET)
    assert np.array_equal(here.values, there.values)
    torch.manual_seed(1)
    other = wb.load(Omni(OmniConfig.nano()))
    with pytest.raises(ValueError, match="the answer is not its own"):
        run.attribute(lab=other, **QUIET)


def test_it_says_what_it_will_take_and_can_be_stopped(lab, run, capsys):
    run.attribute(cut=0.4)
    assert "attribution: at most 5 forward passes, about" in capsys.readouterr().err
    with pytest.raises(ValueError, match="at most 2002 forward passes, .* budget is 0.001 s"):
        run.attribute(cut=0.4, method="lime", samples=2000, budget=0.001, **QUIET)
    asked = iter([False, False, True])
    with pytest.raises(Stopped, match="after 2 passes"):
        run.attribute(cut=0.2, batch=2, stop=lambda: next(asked), **QUIET)
    assert lab.edits == ()


def test_wrong_words_are_told_with_the_right_ones(lab, run):
    for how, wrong in [
        ({"over": "video"}, "over is one of audio, image, text, timestamps, not 'video'"),
        ({"method": "guess"}, f"method is one of {', '.join(METHODS)}, not 'guess'"),
        ({"absent": "grey"}, "absent, over audio, is one of silence, noise, mean"),
        ({"over": "text", "cut": "letters"}, "cut, over text, is one of words, tokens"),
        ({"over": "image"}, "no picture"),
        ({"part": 1}, "no sound 1, this turn has 1"),
        ({"cut": 99.0}, "one piece"),
        ({"samples": 0}, "at least 1"),
        ({"stage": "ear"}, "no stage 'ear'"),
    ]:
        with pytest.raises(ValueError, match=wrong) as error:
            run.attribute(**how, **QUIET)
        assert "\n" not in str(error.value)
    aloud = lab.say("Yes", most=2)
    with pytest.raises(ValueError, match="answers nothing"):
        aloud.attribute(**QUIET)
    bare = lab.run("Hi you", speak=False, most=2)
    with pytest.raises(ValueError, match="no timestamps"):
        bare.attribute(over="timestamps", **QUIET)
    with pytest.raises(ValueError, match="no frame"):
        bare.attribute(0, stage="talker", over="text", **QUIET)
    with pytest.raises(ValueError, match="no grid"):
        black = lab.run("?", image=np.zeros((32, 32, 3), np.uint8), speak=False, most=1)
        black.attribute(over="image", cut=(99, 1), **QUIET)


def test_it_tells_and_shows_itself(run):
    why = run.attribute(cut=0.4, method="shapley", samples=2, **QUIET)
    lines = repr(why).splitlines()
    assert "by 3 pieces of audio (shapley, 2 samples)" in lines[0]
    assert "all pieces replaced by silence" in lines[1] and "as they should" in lines[1]
    table = why.table
    assert table["piece"].tolist() == list(why.labels) and "error" in table
    assert table.shape == (3, 5 + len(run.words))
    for one in (
        why,
        run.attribute(over="timestamps", **QUIET),
        run.attribute(over="text", **QUIET),
        run.attribute([1, 0], stage="talker", cut=0.4, **QUIET),
    ):
        view = one.view()
        assert np.array_equal(view.data["values"], one.values)
        assert set(view.data["members"][0]) == set(one.members[0])
        text = view.html()
        assert "http://" not in text and "https://" not in text
    assert set(why._repr_mimebundle_()) == {"text/html", "text/plain"}
    heard = why.view().data["audio"]
    assert np.array_equal(heard, run.inputs.messages[0].parts[0].samples)


def test_speech_in_pieces_of_its_pauses():
    path = Path(__file__).parents[1] / "datasets/samples/question.wav"
    audio = load_audio(path)
    edges = edges_of(audio, "pauses") / RATE
    assert 3 <= len(edges) - 1 <= 12 and np.diff(edges).min() >= 0.08
