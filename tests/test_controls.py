"""Sliders without a front end: set a value, wait, look at what is shown. Real turns."""

import threading

import numpy as np
import pytest

import workbench as wb
from model.senses.message import Audio
from widgets import view
from workbench.controls import control, twin

NOW = {"rest": 0.01}


@pytest.fixture(scope="module")
def run(lab):
    sound = Audio(np.sin(np.arange(16_000) / 7).astype(np.float32) / 10, 16_000)
    return lab.run("<b>Hi", sound, speak=False, most=3, temperature=1.0, interval=0.5,
                   record=["logits"])  # fmt: skip


def shown(control) -> str:
    return control.result.outputs[0]["data"]["text/html"]


def test_a_slider_runs_the_turn_again_and_compares(lab, run):
    experts = wb.controls.top_k(lab, run, **NOW)
    assert (experts.value, experts.slider.max) == (2, 4) and experts.run is run
    assert not experts.stale and experts.result.outputs == ()
    experts.value = 1
    alt = experts.wait()
    assert alt.edits == (wb.top_k(1),) and not experts.stale and alt.recorded == ("logits",)
    with lab.edit(wb.top_k(1)):
        assert alt.text == lab.rerun(run).text
    assert "TopK" in shown(experts) and "shown is 1" in experts.badge.value
    experts.value = 2
    assert experts.wait() is run, "as it was"
    assert lab.edits == () and lab.omni is not experts.lab.omni


def test_all_four_change_what_they_say(lab, run):
    warm = wb.controls.temperature(lab, run, **NOW)
    warm.value = 0.5
    assert warm.wait().inputs.temperature == 0.5 and "temperature: 1.0" in shown(warm)
    clock = wb.controls.clock_shift(lab, run, **NOW)
    clock.value = -2.0
    assert clock.wait().edits == (wb.shift_timestamps(-2.0),)
    aloud = lab.say("Yes it is")
    rate = wb.controls.rate(lab, aloud, words=2, **NOW)
    rate.value = 3
    assert rate.wait().edits == (wb.fixed_ratio(2, 3),)
    assert "<audio" in shown(rate) and rate.slider.label == "3"
    voice = wb.controls.temperature(
        lab, aloud, speech=True, show=lambda a, b: b.view.align(), **NOW
    )
    voice.value = 0.9
    assert voice.wait().inputs.speech_temperature == 0.9 and "<iframe" in shown(voice)


def test_a_new_value_stops_the_turn_that_runs(lab, run):
    import ipywidgets

    begun, go, asked = threading.Event(), threading.Event(), []

    def change(value):
        asked.append(value)
        begun.set()
        go.wait(30)  # the turn is about to run
        return {"temperature": value}

    slider = ipywidgets.FloatSlider(1.0, min=0, max=2, description="heat")
    heat = control(lab, run, slider, change, show=lambda run, alt: alt, **NOW)
    heat.value = 0.3
    assert begun.wait(30) and heat.stale and "stale" in heat.badge.value
    assert heat.button.disabled is False
    for value in (0.4, 0.5, 0.6):
        heat.value = value
    go.set()
    assert heat.wait().inputs.temperature == 0.6
    assert asked[0] == 0.3 and asked[-1] == 0.6 and len(asked) < 4, "those between are passed over"
    assert heat.button.disabled and not heat.stale


def test_stop_keeps_what_was_shown(lab, run):
    slow = wb.controls.temperature(lab, run, rest=30)
    slow.value = 0.5
    with pytest.raises(TimeoutError, match="not done"):
        slow.wait(0.01)
    slow.button.click()
    assert slow.wait() is run and slow.stale and "stopped" in slow.badge.value


def test_errors_are_told_and_the_next_turn_works(lab, run):
    import ipywidgets

    slider = ipywidgets.IntSlider(0, 0, 9, description="expert")
    ban = control(lab, run, slider, lambda e: wb.ban_expert(0, [e]), **NOW)
    ban.value = 9
    with pytest.raises(ValueError, match="no experts"):
        ban.wait()
    assert "failed: no experts [9]" in ban.badge.value and ban.stale
    ban.value = 1
    assert ban.wait().edits == (wb.ban_expert(0, [1]),)


def test_the_runs_own_edits_stay_on(lab, run):
    with lab.edit(wb.ban_expert(0, [0])):
        banned = lab.rerun(run)
        with pytest.raises(ValueError, match="edits are on"):
            wb.controls.top_k(lab, run)
    experts = wb.controls.top_k(lab, banned, **NOW)
    experts.value = 3
    assert experts.wait().edits == (wb.ban_expert(0, [0]), wb.top_k(3))


def test_a_twin_shares_weights_and_nothing_else(lab, run):
    other = twin(lab)
    own = dict(lab.omni.named_parameters())
    assert all(p.data_ptr() == own[n].data_ptr() for n, p in other.omni.named_parameters())
    with other.edit(wb.top_k(1)):
        assert lab.rerun(run).text == run.text
    assert other.about is lab.about


def test_it_is_read_without_a_kernel_and_escaped(lab, run, monkeypatch):
    heat = wb.controls.temperature(lab, run, **NOW)
    heat.value = 0.5
    heat.wait()
    bundle = heat._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "temperature: 0.5" in bundle["text/html"] and "<b>Hi" not in bundle["text/html"]
    monkeypatch.setattr(view, "_render", "static")
    assert set(heat._repr_mimebundle_()) == {"text/html", "text/plain"}
    assert heat.badge.label == heat.slider.description == "temperature" and not heat.badge.stale


def test_what_is_wrong_is_told(lab, run):
    with pytest.raises(ValueError, match="starts from a run, not from a str"):
        wb.controls.rate(lab, "Hi")
    with pytest.raises(ValueError, match="no stage"):
        wb.controls.top_k(lab, run, stage="ear")
    with pytest.raises(ValueError, match="has no timestamps"):
        wb.controls.clock_shift(lab, lab.run("Hi", speak=False, most=1))
