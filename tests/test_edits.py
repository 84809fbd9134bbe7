"""Every edit changes what it says and nothing else, and is undone whatever happens."""

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

import workbench as wb
from model.aria import FixedRatio
from model.dualtrack import DualTrack
from model.omni import Omni, OmniConfig
from model.sampling import Sampling
from model.senses.message import Audio, Message
from model.senses.prompt import Modality
from model.turn import State, Voice, opening
from workbench.edits import EDITS, Edit, edited, from_json
from workbench.lab import Lab, load
from workbench.run import Inputs, Run


@pytest.fixture(scope="module")
def lab() -> Lab:
    torch.manual_seed(0)
    return load(Omni(OmniConfig.nano()))


SOUND = Audio(np.linspace(-0.1, 0.1, 16_000, dtype=np.float32), 16_000)


@pytest.fixture(scope="module")
def run(lab) -> Run:
    kinds = ["router-logits", "logits", "states:thinker.stack.blocks.2",
             "states:thinker.stack.blocks.3.mixer", "states:thinker.stack.blocks.3.ffn",
             "states:thinker.stack.blocks.3.mixer.core"]  # fmt: skip
    return lab.run("Hello", speak=False, most=4, record=kinds)


def again(lab, run, *edits, **how) -> Run:
    with lab.edit(*edits):
        return lab.rerun(run, keep_words=True, **how)


def test_without_edits_a_rerun_is_the_same(lab, run):
    alt = lab.rerun(run)
    assert np.array_equal(alt.logits, run.logits) and alt.words.tolist() == run.words.tolist()


def test_bans_and_forces_are_kept_and_only_where_they_should(lab, run):
    alt = again(lab, run, wb.ban_expert(1, [0, 2]), wb.force_expert(2, 3))
    routing, before = alt.routing.thinker, run.routing.thinker
    assert not np.isin(routing.experts[:, 1], [0, 2]).any()
    assert (routing.experts[:, 2] == 3).any(-1).all()
    assert np.array_equal(routing.experts[:, 0], before.experts[:, 0])
    weights = routing.weights.astype(float)
    assert np.allclose(weights.sum(-1), 1, atol=2e-3) and (np.diff(weights, axis=-1) <= 0).all()
    assert not np.array_equal(alt.logits, run.logits)
    assert np.array_equal(lab.rerun(run).logits, run.logits), "the model is whole again"


def test_edits_that_change_nothing_change_nothing(lab, run):
    none = [wb.top_k(2), wb.router_temperature(1.0), wb.next_best(10_000)]
    same = again(lab, run, *none)
    assert same.text == run.text
    # threads may share the sums of a product out in another way
    np.testing.assert_allclose(same.logits, run.logits, atol=1e-5, rtol=1e-3)


def test_top_k_and_temperature(lab, run):
    one = again(lab, run, wb.top_k(1)).routing.thinker
    assert one.experts.shape[2] == 1 and (one.weights == 1).all()
    every = again(lab, run, wb.top_k(4, layer=0), record=["logits"])
    assert every.recorded == ("logits",)
    even = again(lab, run, wb.router_temperature(1e6, layer=0)).routing.thinker
    assert np.allclose(even.weights[:, 0], 0.5, atol=1e-3)
    assert np.array_equal(even.experts[:, 0], run.routing.thinker.experts[:, 0])


def test_next_best_passes_over_the_best_of_one_token(lab, run):
    place = len(run.thinker) - 3
    alt = again(lab, run, wb.next_best(place, layer=0)).routing.thinker
    before = run.routing.thinker
    ranked = np.argsort(-before.logits[place, 0].astype(np.float32))
    assert alt.experts[place, 0].tolist() == ranked[1:3].tolist()
    others = np.arange(len(run.thinker)) != place
    assert np.array_equal(alt.experts[others, 0], before.experts[others, 0])


def test_shuffling_moves_every_expert(lab, run):
    alt = again(lab, run, wb.shuffle_experts(layer=0, seed=1)).routing.thinker
    before = run.routing.thinker
    moved = dict(zip(before.experts[:, 0].ravel(), alt.experts[:, 0].ravel(), strict=True))
    assert len(set(moved.values())) == len(moved) and all(a != b for a, b in moved.items())
    assert np.array_equal(alt.weights[:, 0], before.weights[:, 0])


def test_a_zeroed_head_and_layer_are_those_parts_taken_away(lab, run):
    core = "thinker.stack.blocks.3.mixer.core"
    states = ["logits", f"states:{core}", "states:thinker.stack.blocks.3"]
    alt = again(lab, run, wb.zero_head(3, 1), record=states)
    assert (alt.states[core][:, 1] == 0).all() and (alt.states[core][:, 0] != 0).any()
    assert np.array_equal(alt.states[core][:, 0], run.states[core][:, 0])
    both = again(lab, run, wb.zero_head(3, 0), wb.zero_head(3, 1), record=states)
    assert (both.states[core] == 0).all()
    delta = again(lab, run, wb.zero_head(0, 1), record=["logits"])
    assert not np.array_equal(delta.logits, run.logits)
    gone = again(lab, run, wb.zero_layer(3), record=states)
    assert np.array_equal(
        gone.states["thinker.stack.blocks.3"], run.states["thinker.stack.blocks.2"]
    )


def test_means_come_from_a_run(lab, run):
    core = "thinker.stack.blocks.3.mixer.core"
    edit = wb.mean_head(run, 3, 0)
    assert np.array_equal(edit.value, run.states[core].mean(0)[0])
    alt = again(lab, run, edit, wb.mean_layer(run, 3), record=[f"states:{core}"])
    assert np.allclose(alt.states[core][:, 0], edit.value)
    with pytest.raises(ValueError, match="states:thinker.stack.blocks.1.mixer.core"):
        wb.mean_head(run, 1, 0)


def test_a_patch_from_the_same_run_changes_nothing_from_another_it_does(lab, run):
    part = "thinker.stack.blocks.2"
    same = again(lab, run, wb.patch(run, part))
    assert np.array_equal(same.logits, run.logits)
    other = lab.run("Heyya", speak=False, most=4, record=[f"states:{part}"])
    place = int((run.thinker.phase == 0).sum()) - 1
    alt = again(lab, run, wb.patch(other, part, place))
    assert np.array_equal(alt.states[part][place], other.states[part][place])
    assert not np.array_equal(alt.logits, run.logits)
    core = "thinker.stack.blocks.3.mixer.core"
    heads = again(lab, run, wb.patch(run, core, [0, 1]))
    assert np.array_equal(heads.logits, run.logits)
    with pytest.raises(ValueError, match="no positions"):
        wb.patch(run, part, 9999)


def test_paces_and_the_talker(lab):
    spoken = lab.say("Yes it is", speech_temperature=1.0, record=["routing"])
    with lab.edit(wb.fixed_ratio(2, 5), wb.ban_expert(None, 1, "talker")):
        alt = lab.rerun(spoken)
    assert alt.inputs.pace == spoken.inputs.pace and alt.edits[0].pace == FixedRatio(2, 5)
    assert alt.audits[0].path[:7] == (True,) * 2 + (False,) * 5
    assert not (alt.routing.talker.experts == 1).any()
    with lab.edit(wb.text_first()):
        path = lab.rerun(spoken).audits[0].path
    assert path == tuple(sorted(path, reverse=True))


@pytest.fixture
def two_tracks(lab, tmp_path):
    """Weights of a dual-track Talker of the lab's size."""
    torch.manual_seed(3)
    talker = DualTrack(lab.omni.config.talker)
    talker.words.spell(lab.omni.tokenizer.letters())
    save_file(talker.state_dict(), tmp_path / "dualtrack.safetensors")
    return talker.eval(), tmp_path / "dualtrack.safetensors"


def test_a_dual_track_talker_speaks_the_turn_and_is_recorded(lab, two_tracks, tmp_path):
    talker, file = two_tracks
    kinds = ["routing", "codes", "align", "latency", "attn:talker", "delta"]
    run = lab.say("Yes it is. No", speech_temperature=1.0, record=kinds)
    with lab.edit(wb.dual_track(file)):
        alt = lab.rerun(run)
        bare = lab.rerun(run, record=[])
    assert np.array_equal(alt.codes, bare.codes) and np.array_equal(alt.audio, bare.audio)
    assert alt.text == run.text and len(alt.audits) == 2
    assert alt.audits[0].path[:4] == (True, False, True, False), "a word a frame"
    assert len(alt.talker) == len(alt.routing.talker.experts)
    assert lab.rerun(run).codes.tolist() == run.codes.tolist(), "our own Talker is back"
    with lab.edit(wb.dual_track(file)):
        start = opening(lab.omni, State(), Voice())[:, :-1]
    first = lab.omni.tokenizer.encode("Yes it is.")
    how, generator = Sampling(1.0), torch.Generator().manual_seed(0)
    said = list(talker.say(start, iter(first), lab.omni.tokenizer, how, generator))
    count = len(alt.audits[0].path) - sum(alt.audits[0].path)
    assert torch.stack(said).tolist() == alt.codes[:count].tolist()
    again = wb.open(alt.save(tmp_path / "two.omnirun"))
    assert again.edits == alt.edits and len(list(again.view)) == 4
    assert wb.diff(run, alt).changed == (repr(wb.dual_track(file)),)


def test_what_a_dual_track_talker_lacks_is_told(lab, two_tracks):
    def on(*file):
        with lab.edit(wb.dual_track(*file)):
            pass

    with pytest.raises(ValueError, match="dualtrack.safetensors is missing .none are shipped"):
        on()
    file = two_tracks[1]
    for broken in (b"nothing", save({"head.weight": torch.zeros(2)})):
        file.write_bytes(broken)
        with pytest.raises(ValueError, match="no dual-track Talker of this size"):
            on(file)


def prompt(lab, *edits, interval=0.3):
    inputs = Inputs((Message.of("user", SOUND),), interval=interval)
    inputs, clock = edited(inputs, edits, lab.omni)
    laid = lab.omni.read(list(inputs.messages), clock)
    stamps = laid.ids[laid.spans.modality == int(Modality.TIMESTAMP)]
    return laid, lab.omni.tokenizer.decode(stamps.tolist())


def test_timestamps_say_what_the_edits_want(lab):
    plain, text = prompt(lab)
    assert text == "<0.0 seconds><0.3 seconds><0.6 seconds><1.0 seconds>"
    assert prompt(lab, wb.drop_timestamps())[1] == ""
    shifted, text = prompt(lab, wb.shift_timestamps(2))
    assert text == "<2.0 seconds><2.3 seconds><2.6 seconds><3.0 seconds>"
    assert torch.equal(shifted.spans.time.nan_to_num(-1), plain.spans.time.nan_to_num(-1))
    twice = prompt(lab, wb.shift_timestamps(1), wb.stretch_timestamps(10))[1]
    assert twice.startswith("<10.0 seconds><13.2 seconds>")
    scrambled = prompt(lab, wb.scramble_timestamps(seed=1))[1]
    assert scrambled != prompt(lab)[1] and sorted(scrambled) == sorted(prompt(lab)[1])
    assert prompt(lab, wb.space_timestamps(0.5))[1] == "<0.0 seconds><0.6 seconds>"
    assert prompt(lab, wb.space_timestamps(None))[1] == ""
    with pytest.raises(ValueError, match="this turn has no timestamps"):
        prompt(lab, wb.shift_timestamps(1), interval=None)


def test_compact_places_and_hearing_windows(lab):
    inputs, clock = edited(Inputs((Message.of("user", "Hi"),)), [wb.compact_places()], lab.omni)
    assert inputs.compact and clock.compact
    long = Audio(np.sin(np.arange(64_000) / 9).astype(np.float32), 16_000)
    with torch.inference_mode():
        whole = lab.omni.listen(long)
        with lab.edit(wb.hearing_window(1.0)):
            narrow = lab.omni.listen(long)
        assert whole.shape == narrow.shape and not torch.equal(whole, narrow)
        assert torch.equal(lab.omni.listen(long), whole)


def every_edit(run) -> list[Edit]:
    return [
        wb.ban_expert(1, [0]), wb.force_expert(None, 2), wb.shuffle_experts(), wb.top_k(1, 0),
        wb.router_temperature(0.5), wb.next_best([3, 4], 1), wb.zero_head(3, 0),
        wb.mean_head(run, 3, 0), wb.zero_layer(1), wb.mean_layer(run, 3),
        wb.patch(run, "thinker.stack.blocks.2", 1), wb.hearing_window(2.0), wb.pace("aria:2"),
        wb.aria(1), wb.fixed_ratio(1, 3), wb.text_first(), wb.dual_track(), wb.drop_timestamps(),
        wb.shift_timestamps(1), wb.stretch_timestamps(2), wb.scramble_timestamps(),
        wb.space_timestamps(0.5), wb.compact_places(),
    ]  # fmt: skip


def test_every_edit_is_a_value_with_repr_and_json(run):
    edits = every_edit(run)
    assert {type(edit) for edit in edits} == set(EDITS)
    for edit in edits:
        back = from_json(edit.json())
        assert repr(back) == repr(edit) and back.json() == edit.json() and len(repr(edit)) < 200
    with pytest.raises(ValueError, match="no JSON"):
        from_json("{")
    with pytest.raises(ValueError, match="not of an edit"):
        from_json('{"is": "Text", "fields": {"text": "x"}}')


def test_all_is_restored_after_an_error(lab, run):
    before = {name: id(part) for name, part in lab.omni.named_modules()}
    with pytest.raises(RuntimeError, match="on purpose"), lab.edit(*every_edit(run)[:12]):
        assert "ban" in repr(lab).lower()
        raise RuntimeError("on purpose")
    assert {name: id(part) for name, part in lab.omni.named_modules()} == before
    hooks = [m for m in lab.omni.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert hooks == [] and lab.edits == ()


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda: wb.ban_expert(9, 0), "no layer 9 in the thinker, which has layers 0 to 3"),
        (lambda: wb.ban_expert(1, 7), r"no experts \[7\], which are 0 to 3"),
        (lambda: wb.ban_expert(1, [0, 1, 2]), "2 of 4 experts are to be chosen, 1 may be"),
        (lambda: wb.top_k(5), "5 of 4 experts are to be chosen"),
        (lambda: wb.top_k(0), "0 of 4 experts"),
        (lambda: wb.force_expert(1, [0, 1, 2]), "more experts than the 2"),
        (lambda: wb.zero_head(3, 5), "no head 5 in layer 3"),
        (lambda: wb.zero_layer(4, "talker"), "no layer 4 in the talker"),
        (lambda: wb.zero_layer(0, "taker"), "no stage 'taker'"),
        (lambda: wb.ban_expert(1, 0, "taker"), "no stage 'taker'"),
        (lambda: wb.router_temperature(0), "must be positive"),
        (lambda: wb.hearing_window(0), "longer than 0"),
        (lambda: wb.pace("fast"), "unknown pace"),
        (lambda: "ban", "'ban' is no edit"),
    ],
)  # fmt: skip
def test_what_can_not_be_done_is_told_and_leaves_nothing_behind(lab, edit, told):
    with pytest.raises(ValueError, match=told), lab.edit(edit()):
        pass
    assert lab.edits == () and not any(m._forward_pre_hooks for m in lab.omni.modules())


def test_what_a_mean_layer_needs_is_said_at_once(lab):
    bare = lab.run("Hi", speak=False, most=2)
    with pytest.raises(ValueError, match=r"blocks\.1\.mixer', 'states:.*blocks\.1\.ffn'"):
        wb.mean_layer(bare, 1)
