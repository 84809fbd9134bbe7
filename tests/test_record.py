"""What is recorded is right, and recording changes nothing: nano, tiny turns."""

import math

import numpy as np
import pytest
import torch

import workbench as wb
from model.aria import TextFirst
from model.layers.attention import Causal
from model.omni import Omni, OmniConfig
from model.sampling import Sampling
from model.senses.message import Audio, Image, Message, Text
from model.senses.prompt import Clock
from model.turn import answer, say
from workbench.probe import swap
from workbench.record import Recording, monotone
from workbench.run import MODALITIES, SPEECH, UNITS, Inputs

EVERYTHING = (
    "router-logits", "attn", "attn:talker:3:h1", "align", "delta", "codes", "logits", "latency",
    "states:thinker.stack.blocks.1", "states:talker.stack.blocks.3.mixer.core",
)  # fmt: skip


@pytest.fixture(scope="module")
def omni() -> Omni:
    torch.manual_seed(0)
    return Omni(OmniConfig.nano())


def asked() -> Message:
    rng = np.random.default_rng(0)
    sound = Audio(rng.normal(0, 0.1, 12_000).astype(np.float32), 16_000)
    picture = Image(rng.integers(0, 255, (32, 48, 3), dtype=np.uint8))
    return Message("user", (picture, sound, Text("What is it?")))


QUESTION = asked()
INPUTS = Inputs((QUESTION,), temperature=1.0, speech_temperature=1.0, most=6, seed=5, interval=0.5)


def record(omni, inputs, *kinds, **how):
    recording = Recording(omni, inputs, kinds, **how)
    chunks = list(recording)
    return recording.run(), chunks


@pytest.fixture(scope="module")
def full(omni):
    return record(omni, INPUTS, *EVERYTHING)[0]


def test_a_recorded_turn_is_the_unrecorded_one_bit_for_bit(omni, full):
    how = Sampling(1.0)
    with torch.inference_mode():
        chunks = answer(omni, [QUESTION], how=how, speech=how, seed=5, clock=Clock(0.5), most=6)
        plain = list(chunks)
    assert "".join(chunk.text for chunk in plain) == full.text
    assert np.array_equal(np.concatenate([chunk.audio for chunk in plain]), full.audio)
    bare, _ = record(omni, INPUTS)
    assert np.array_equal(bare.codes, full.codes) and np.array_equal(bare.audio, full.audio)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in omni.modules())


def test_reading_aloud_is_the_unrecorded_one_too(omni):
    text = "One is one. Is it? Yes"
    with torch.inference_mode():
        plain = list(say(omni, text, how=Sampling(1.0), seed=2))
    inputs = Inputs(aloud=text, speech_temperature=1.0, seed=2)
    run, _ = record(omni, inputs, "align", "routing", "codes")
    assert run.text == text and len(run.thinker) == 0 and list(run.routed) == ["talker"]
    assert np.array_equal(np.concatenate([chunk.audio for chunk in plain]), run.audio)
    assert len(run.audits) == 3 and set(run.units.sentence.tolist()) == {0, 1, 2}


def test_text_alone(omni):
    with torch.inference_mode():
        plain = list(answer(omni, [QUESTION], seed=0, aloud=False, most=5))
    run, _ = record(omni, Inputs((QUESTION,), speak=False, most=5), "attn", "routing", "latency")
    assert "".join(chunk.text for chunk in plain) == run.text
    assert len(run.audio) == len(run.codes) == len(run.talker) == 0
    assert run.spanned == "" and np.isnan(run.spans).all()
    assert run.attention[0].maps.shape[2] == len(run.words)


def test_emission_is_the_path_that_the_audit_saw(full):
    (audit,) = full.audits
    kinds = [UNITS[i] for i in full.units.kind]
    assert [kind != "speech" for kind in kinds] == list(audit.path)
    assert full.units.text[full.units.text >= 0].tolist() == list(range(len(full.words)))
    assert full.units.frame[full.units.frame >= 0].tolist() == list(range(len(full.codes)))
    assert (np.diff(full.units.emitted) >= 0).all()
    assert len(full.audio) == len(full.codes) * round(full.meta.frame_s * full.meta.rate)


def test_tokens_of_both_stages_say_what_they_are(full):
    thinker, talker = full.thinker, full.talker
    names = [MODALITIES[i] for i in thinker.modality]
    assert {"text", "audio", "image", "timestamp", "control"} == set(names)
    answered = thinker.id[thinker.phase == 1].tolist()
    assert answered[: len(full.words)] == full.words.tolist()
    assert full.pieces[str(answered[-1])] == "<|im_end|>"
    frames = (talker.modality == SPEECH) & (talker.phase == 1)
    assert frames.sum() == len(full.codes)
    assert np.allclose(talker.time[frames, 0], np.arange(len(full.codes)) * full.meta.frame_s)
    heard = thinker.phase == 0
    context = talker.part[talker.phase == 0]
    assert (context >= 0).sum() == (thinker.part[heard] >= 0).sum(), "the Talker hears the turn"
    assert (np.diff(thinker.place[thinker.phase == 1, 0]) == 1).all()
    table = full.tokens
    assert len(table) == len(thinker) + len(talker)


def test_routing_has_a_row_for_every_token_of_every_stage(omni, full):
    for stage in ("thinker", "talker"):
        routing = full.routing.of(stage)
        assert len(routing.experts) == len(full.stage(stage))
        assert routing.experts.dtype == np.int16 and routing.weights.dtype == np.float16
        assert np.allclose(routing.weights.astype(float).sum(-1), 1, atol=2e-3)
        best = np.argsort(-routing.logits.astype(np.float32), -1, kind="stable")[..., :2]
        assert (np.sort(best) == np.sort(routing.experts)).mean() > 0.99, "f16 may tie"
        assert np.isclose(routing.load().mean(), 1, atol=1e-3) and (routing.margin() >= 0).all()
    load = full.routing.load("talker", by="phase")
    assert set(load.index.get_level_values(0)) == {"prompt", "answer"}


def test_attention_is_that_of_the_model(omni, full):
    """The maps against a core that computes its output from weights, in one pass over all."""
    seen = []

    class Explicit(torch.nn.Module):
        def forward(self, q, k, v):
            group = q.shape[1] // k.shape[1]
            k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
            scores = q @ k.mT * q.shape[3] ** -0.5
            ahead = torch.ones(scores.shape[-2:], dtype=torch.bool)
            scores = scores.masked_fill(ahead.triu(1 + k.shape[2] - q.shape[2]), -torch.inf)
            seen.append(scores.softmax(-1))
            return seen[-1] @ v

    with swap(omni, "thinker.stack.blocks.3.mixer.core", lambda part: Explicit()):
        prompt = omni.read([QUESTION], Clock(0.5))
        words = torch.from_numpy(full.words).long()[None]
        embeds = torch.cat((prompt.embeds, omni.thinker.embed(words)), 1)
        places = torch.from_numpy(full.thinker.place[: embeds.shape[1]]).T[:, None].long()
        with torch.inference_mode():
            omni.thinker(embeds, places)
    maps = full.attention[0]
    assert isinstance(omni.thinker.stack.blocks[3].mixer.core, Causal)
    assert maps.stage == "thinker" and maps.layers == (3,) and maps.heads == (0, 1)
    first = int((full.thinker.phase == 0).sum()) - 1  # the last of the prompt chose the first word
    assert maps.query.tolist() == list(range(first, first + len(full.words)))
    whole = seen[0][0][:, maps.query.tolist(), : maps.maps.shape[-1]]
    assert np.allclose(maps.maps[0], whole.numpy(), atol=2e-3)


def test_attention_of_chosen_heads_and_queries(omni, full):
    talker = full.attention[1]
    assert (talker.layers, talker.heads) == ((3,), (1,)) and len(talker.query) == len(full.codes)
    assert np.allclose(talker.maps.astype(float).sum(-1), 1, atol=5e-3)
    run, _ = record(omni, INPUTS, "attn:3:h0:q4,7", "attn:talker:qall")
    few, every = run.attention
    assert few.query.tolist() == [4, 7] and few.maps.shape[1:3] == (1, 2)
    assert (few.maps[0, 0, 0, 5:] == 0).all(), "nothing is seen ahead"
    assert every.query.tolist() == list(range(len(run.talker)))
    rows = np.searchsorted(every.query, talker.query)
    width = talker.maps.shape[-1]
    assert np.allclose(every.maps[0, 1, rows, :width], talker.maps[0, 0], atol=2e-3)


def test_delta_codes_logits_and_states(omni, full):
    for stage in ("thinker", "talker"):
        delta = full.delta[stage]
        assert delta.layers == (0, 1, 2) and len(delta.decay) == len(full.stage(stage))
        assert (delta.decay <= 0).all() and ((delta.write >= 0) & (delta.write <= 1)).all()
    odds = full.odds
    most = math.log(omni.config.talker.mtp.codes) + 1e-2
    assert odds.entropy.shape == full.codes.shape and (odds.entropy <= most).all()
    assert ((odds.chosen > 0) & (odds.chosen <= 1)).all() and len(odds.end) == len(full.codes)
    assert full.logits.shape == (len(full.words), omni.config.thinker.vocab)
    states = full.states["thinker.stack.blocks.1"]
    assert states.shape == (len(full.thinker), omni.config.thinker.stack.width)
    heads = full.states["talker.stack.blocks.3.mixer.core"]
    assert heads.shape == (len(full.talker), 2, 16)


def test_greedy_words_are_the_argmax_of_their_logits(omni):
    run, _ = record(omni, Inputs((QUESTION,), speak=False, most=4), "logits")
    assert run.logits.argmax(-1).tolist() == run.words.tolist()


def test_latency_spans_and_marks(omni, full):
    lat = full.latency
    assert (lat.end >= lat.start).all() and (lat.start >= 0).all()
    count = dict(zip(lat.names, np.bincount(lat.name), strict=True))
    assert count["code2wav"] == count["mtp"] == len(full.codes)
    assert count["audio encoder"] == count["vision encoder"] == count["thinker prefill"] == 1
    order = [full.marks[m] for m in ("prompt", "first word", "first frame", "first audio", "end")]
    assert order == sorted(order)
    assert lat.end.max() <= full.marks["end"]


def test_a_text_first_pace_hears_all_before_it_speaks(omni):
    run, _ = record(omni, Inputs(aloud="Yes it is so", pace=TextFirst(), speech_temperature=1.0))
    kinds = [UNITS[i] for i in run.units.kind]
    assert "text" not in kinds[kinds.index("speech") :]


def test_spans_share_the_sound_out(omni, full):
    assert full.spanned == "attention"
    begins, ends = full.spans.T
    assert (ends >= begins).all() and (begins[1:] >= ends[:-1] - 1e-6).all()
    rate, _ = record(omni, INPUTS)
    assert rate.spanned == "rate" and (rate.spans[:, 1] > rate.spans[:, 0]).all()
    assert rate.spans[-1, 1] <= len(rate.codes) * rate.meta.frame_s + 1e-5


def test_the_monotone_path_follows_the_attention():
    align = np.zeros((3, 9), np.float32)
    for frame, word in enumerate([0, 0, 1, 1, 1, 1, 2, 2, 2]):
        align[word, frame] = 1
    align[0, 7] = 0.4  # looks back for a moment
    assert monotone(align).tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2]


def test_a_stopped_turn_gives_the_run_of_what_was_said(omni):
    recording = Recording(omni, INPUTS, EVERYTHING)
    chunks = iter(recording)
    taken = [next(chunks) for _ in range(7)]
    chunks.close()
    run = recording.run()
    assert run.text == "".join(chunk.text for chunk in taken)
    assert np.array_equal(run.audio, np.concatenate([chunk.audio for chunk in taken]))
    assert len(run.routed["talker"].experts) == len(run.talker)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in omni.modules())


def test_budgets_are_kept(omni):
    with pytest.raises(ValueError, match=r"needs up to .* MB \(logits .*budget is 0.01 MB"):
        Recording(omni, INPUTS, ["logits"], budget=0.01)
    recording = Recording(omni, INPUTS, ["logits"])
    recording.budget = 0.02
    with pytest.raises(ValueError, match="outgrew its budget"):
        list(recording)
    estimate = Recording(omni, INPUTS, ["logits", "routing"]).estimate
    assert "routing" in str(estimate) and 0 < estimate.total < 1


@pytest.mark.parametrize("kinds", [["router-logits", "delta"], ["logits"], ["attn"], ["codes"]])
def test_the_estimate_is_of_the_right_size(omni, kinds):
    recording = Recording(omni, INPUTS, kinds)
    list(recording)
    parts = recording.run()
    arrays = [parts.logits] if parts.logits is not None else []
    arrays += [a.maps for a in parts.attention]
    arrays += [x for d in parts.delta.values() for x in (d.decay, d.write)]
    arrays += [x for r in parts.routed.values() for x in (r.experts, r.weights, r.logits)]
    arrays += [parts.odds.entropy, parts.odds.chosen] if parts.odds else []
    held = sum(x.nbytes for x in arrays) / 1e6
    assert held / 2 <= recording.estimate.total <= 3 * held


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["rooting"], "did you mean routing"),
        (["attn:1"], "no 1 among the attention layers of the thinker, which are .3."),
        (["attn:3:h9"], "no 9 among the heads"),
        (["attn:3:x"], "'x' is unknown"),
        (["states:thinker.stack.blocks.9"], "did you mean thinker.stack.blocks"),
        (["states:ear"], "no part of a stage"),
        (["routing", "routing"], "twice"),
        ("routing", r"\['routing'\]"),
    ],
)
def test_what_can_not_be_recorded_is_told(omni, kinds, told):
    with pytest.raises(ValueError, match=told):
        Recording(omni, INPUTS, kinds)


def test_what_this_turn_will_not_have_is_told(omni):
    with pytest.raises(ValueError, match="not spoken"):
        Recording(omni, Inputs((QUESTION,), speak=False), ["align"])
    with pytest.raises(ValueError, match="nothing is thought"):
        Recording(omni, Inputs(aloud="Yes"), ["logits"])
    with pytest.raises(ValueError, match="returns no tensor"):
        list(Recording(omni, INPUTS, ["states:thinker.stack.blocks.0.ffn.router"]))
    with pytest.raises(ValueError, match="nothing was said yet"):
        Recording(omni, INPUTS).run()


def test_a_layer_may_choose_fewer_experts():
    """What is not chosen is -1, other layers flip as ever, and margins know how many they count."""
    lab = wb.load(Omni(OmniConfig.nano()))
    run = lab.run("Hi", speak=False, most=3, record=["router-logits"])
    with lab.edit(wb.top_k(1, layer=0)):
        alt = lab.rerun(run, keep_words=True)
    one, other = run.routing.thinker, alt.routing.thinker
    assert other.experts.shape == one.experts.shape
    assert (other.experts[:, 0, 1:] == -1).all() and (other.experts[:, 1:] >= 0).all()
    assert np.allclose(other.weights.astype(float).sum(-1), 1, atol=1e-3)
    assert (other.margin() >= 0).all()
    assert wb.metrics.layer_flips(run, alt)[0] == 1
    assert wb.diff(run, alt).view.routing().html()
