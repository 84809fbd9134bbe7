"""Sweeps: real turns at every point, nothing lost by errors, Ctrl-C or damaged files."""

import json
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest

import workbench as wb
from workbench.kept import keep, kept, made_of
from workbench.sweep import axes_of, metrics_of

QUIET = {"progress": False}


@pytest.fixture(scope="module")
def run(lab):
    return lab.run("Hi", speak=False, most=3, temperature=1.0)


def length(run) -> int:
    return len(run.text)


@pytest.fixture(scope="module")
def sweep(lab, run, tmp_path_factory):
    """Two axes, one of them edits that can't be made at one point; a metric of pairs."""
    grid = {"experts": {k: wb.top_k(k) for k in (1, 2, 99)}, "temperature": [0.5, 1.0]}
    measures = {"length": length, "changed": wb.metrics.words_changed}
    folder = tmp_path_factory.mktemp("kept")
    return lab.sweep(run, grid, measures, repeats=2, cache=folder, **QUIET), folder, grid, measures


def test_a_row_for_each_point_repeat_and_metric(sweep):
    result, *_ = sweep
    data = result.data
    assert list(data) == ["experts", "temperature", "repeat", "seed", "metric", "value", "seconds",
                          "error"]  # fmt: skip
    assert len(data) == 3 * 2 * 2 * 2 and set(data["seed"]) == {0, 1}
    assert (data["seconds"] > 0).all() and result.metrics == ("length", "changed")
    failed = data[data["experts"] == 99]
    assert failed["value"].isna().all()
    assert failed["error"].str.contains("99 of 4 experts are to be chosen").all()
    assert (data[data["experts"] != 99]["error"] == "").all()


def test_every_value_is_that_of_the_turn(lab, run, sweep):
    data = sweep[0].data.set_index(["experts", "temperature", "seed", "metric"])["value"]
    with lab.edit(wb.top_k(1)):
        alt = lab.rerun(run, seed=1, temperature=0.5)
    assert data[1, 0.5, 1, "length"] == len(alt.text)
    base = lab.rerun(run, seed=1)
    assert data[1, 0.5, 1, "changed"] == wb.metrics.words_changed(base, alt)
    assert data[2, 1.0, 0, "changed"] == 0, "two experts a token is how nano works anyway"
    assert lab.edits == ()


def test_means_with_intervals(sweep):
    result = sweep[0]
    summary = result.summary()
    assert len(summary) == 3 * 2 * 2
    row = summary.iloc[0]
    turns = result.data.query("experts == 1 and temperature == 0.5 and metric == 'length'")["value"]
    assert row["mean"] == turns.mean() and row["low"] == turns.min() and row["runs"] == 2
    assert summary.query("experts == 99")["failed"].tolist() == [2] * 4


def test_what_is_done_is_not_done_again(lab, run, sweep, monkeypatch):
    result, folder, grid, measures = sweep
    files = sorted(folder.iterdir())
    assert len(files) == 8, "failed turns are not kept"
    files[0].write_text(files[0].read_text().replace("value", "valve"))
    files[1].write_bytes(files[1].read_bytes()[:-5])
    turns, on = [], wb.edits.TopK.on
    monkeypatch.setattr(wb.edits.TopK, "on", lambda edit, omni: turns.append(1) or on(edit, omni))
    again = lab.sweep(run, grid, measures, repeats=2, cache=folder, **QUIET)
    assert len(turns) == 2 + 4, "the damaged ones and the failed ones"
    columns = ["experts", "temperature", "seed", "metric", "value", "error"]
    assert again.data[columns].equals(result.data[columns])
    other = lab.sweep(run, {"top_k": [0]}, {"length": lambda run: 1}, cache=folder, **QUIET)
    assert other.data["value"].tolist() == [1] and len(list(folder.iterdir())) == 9


def test_a_file_is_whole_or_nothing(tmp_path):
    path = tmp_path / "a.json"
    keep(path, "a", {"x": 1.5})
    assert kept(path, "a") == {"x": 1.5} and kept(path, "b") is None
    for text in ("", "{}", "[]\n0", path.read_text().replace("1.5", "2.5"), "\ud800"):
        path.write_text(text, errors="surrogatepass")
        assert kept(path, "a") is None
    assert kept(tmp_path, "a") is None and [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_changed_metric_is_another():
    def metric(factor, text="x = lambda run: run * factor"):
        place = {"factor": factor}
        exec(compile(text, "cell", "exec"), place)
        return json.dumps(made_of(place["x"]))

    assert metric(1) == metric(1, "\n\nx = lambda run: run * factor  # the same")
    assert metric(1) != metric(2)
    assert metric(1) != metric(1, "x = lambda run: run + factor")
    inner = "def f(run): return run * {}\ndef x(run): return [f(r) for r in run]"
    assert metric(1, inner.format(1)) != metric(1, inner.format(2))
    with pytest.raises(TypeError):
        metric(i for i in range(3))


def test_stopping_keeps_what_is_done(lab, run, tmp_path):
    count = []

    def metric(run):
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt
        return 1.0

    grid = {"top_p": [0.5, 0.9, 1.0]}
    with pytest.warns(UserWarning, match="nothing is kept on disk|stopped: 1 of 3 turns are done"):
        part = lab.sweep(run, grid, metric, cache=tmp_path, **QUIET)
    assert len(part.data) == 1 and (part.done, part.planned) == (1, 3)
    assert "stopped after 1 of 3 turns" in repr(part)
    assert len(lab.omni.talker._forward_pre_hooks) == 0


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_turns_run_where_joblib_says(lab, run, tmp_path, backend):
    lab.omni.save(tmp_path / "mine")
    there = wb.load(tmp_path / "mine")
    grid = {"experts": [None, wb.top_k(1)], "temperature": [0.5, 1.0]}

    def values():
        return there.sweep(run, grid, ["words", "kl"], cache=None, **QUIET).data["value"]

    here = values()
    with there.edit(wb.ban_expert(0, [0])):
        banned = values()
        with joblib.parallel_config(backend, n_jobs=2):
            assert np.allclose(values(), banned, atol=1e-5)
    assert values().equals(here) and not np.allclose(banned, here, atol=1e-5)


def test_a_model_in_memory_stays_in_its_process(lab, run):
    with (
        joblib.parallel_config("loky", n_jobs=2),
        pytest.raises(ValueError, match="only in memory"),
    ):
        lab.sweep(run, {"top_p": [0.5, 1.0]}, "words", cache=None, **QUIET)


def test_words_may_be_kept(lab, run):
    grid = {"edit": [wb.top_k(1)]}
    kl = lab.sweep(run, grid, "kl", keep_words=True, cache=None, **QUIET).data["value"][0]
    with lab.edit(wb.top_k(1)):
        alt = lab.rerun(run, keep_words=True, record=["logits"])
    assert kl == wb.metrics.kl(lab.rerun(run, keep_words=True, record=["logits"]), alt) > 0


def test_what_is_wrong_is_told_at_once(lab, run):
    def told(grid, metric="words", **how):
        with pytest.raises(ValueError) as error:
            lab.sweep(run, grid, metric, cache=None, progress=False, **how)
        return str(error.value)

    assert "empty" in told({})
    assert "did you mean temperature, " in told({"temprature": [1]})
    assert "needs a list" in told({"pace": "aria"}) and "no values" in told({"pace": []})
    assert "unknown pace" in told({"pace": ["slow"]})
    assert "repeats are seeds" in told({"seed": [1, 2]})
    assert "mixes edits" in told({"edit": [wb.top_k(1), 3]})
    assert "Inputs.temperature must be float" in told({"temperature": ["hot"]})
    assert "name them" in told({"temperature": [1, 1.0]})
    assert "did you mean words" in told({"top_p": [1.0]}, "wrods")
    assert "expected a number" in told({"top_p": [1.0]}, lambda run: run.text)
    assert "(run) or (baseline, run)" in told({"top_p": [1.0]}, lambda a, b, c: 1)
    assert "no metric" in told({"top_p": [1.0]}, [])
    assert "whole number" in told({"top_p": [1.0]}, repeats=0)
    with pytest.raises(ValueError, match="starts from a run, not from a str"):
        lab.sweep("Hi", {"top_p": [1.0]}, "words")
    missing = lab.sweep(run, {"top_p": [1.0]}, lambda run: float("nan"), cache=None, **QUIET)
    assert "is nan, expected a finite number" in missing.data["error"][0]


def test_repeats_of_a_turn_without_chance_are_warned_of(lab, run):
    with pytest.warns(UserWarning, match="nothing is drawn at random"):
        same = lab.sweep(run, {"temperature": [0.0]}, "words", repeats=2, cache=None, **QUIET)
    assert same.data["value"].nunique() == 1


def test_axes_and_metrics_have_names():
    grid = {
        "edit": [None, wb.top_k(1), (wb.top_k(2), wb.aria(2)), wb.ban_expert(3, [5])],
        "pace": ["aria", "fixed:1:3"],
        "named": {"a": wb.top_k(1), "b": None},
        "interval": [None, 1.0],
    }
    edit, pace, named, interval = axes_of(grid)
    assert edit.labels == (
        "unedited",
        "TopK(count=1)",
        "TopK(count=2) + SetPace(pace=Aria(lead=2))",
        "BanExperts(layer=3, stage='thinker', experts=(5,))",
    )
    assert pace.labels == ("aria", "fixed:1:3") and not pace.numeric
    assert named.values == ((wb.top_k(1),), ()) and interval.labels == ("none", "1.0")
    assert axes_of({"temperature": np.array([0.0, 0.5])})[0].numeric
    assert [m.name for m in metrics_of(["kl", length, len])] == ["kl", "length", "len"]
    assert metrics_of(wb.metrics.flips)[0].record == ("routing",)


def test_it_is_seen_without_a_kernel_and_escaped(lab, run, sweep):
    result = sweep[0]
    page = result._repr_html_()
    assert page.count("data:image/png;base64,") == 2 and "prefers-color-scheme: dark" in page
    assert "<script" not in page and "://" not in page and len(page) < 300_000
    assert "few for an interval" in page and "4 of 12 failed" in page
    assert "TopK" not in repr(result) and "99 of 4 experts" in repr(result)
    grid = {"edit": {"<img src=x onerror=hacked=1>": wb.top_k(1), "a\u202eb $x$": None}}
    hostile = lab.sweep(run, grid, {"</script>": length}, cache=None, **QUIET)
    page = hostile._repr_html_()
    assert "<img src=x" not in page and "</script>" not in page and "\u202e" not in page


def test_files(sweep, tmp_path):
    result = sweep[0]
    lines = result.save(tmp_path / "a.csv").read_text().splitlines()
    assert len(lines) == 1 + len(result.data) and lines[0].startswith("experts,temperature,repeat")
    assert result.save(tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="saved as .csv, .png, .html"):
        result.save(tmp_path / "a.xlsx")
    assert {p.name for p in tmp_path.iterdir()} == {"a.csv", "a.png"}


def test_the_live_figure_shows_turns_means_and_intervals(sweep):
    result = sweep[0]
    figure = result.plot("length", x="temperature", theme="dark")
    assert figure.xaxis[0].axis_label == "temperature" and figure.y_range.start < 0
    kinds = [type(r.glyph).__name__ for r in figure.renderers]
    assert kinds.count("Segment") == 3 and kinds.count("Line") == 3
    dots = [r for r in figure.renderers if "seed" in getattr(r.data_source, "column_names", [])]
    values = [v for r in dots for v in r.data_source.data["seed"]]
    assert sorted(values) == [-1] * 4 + [0] * 4 + [1] * 4
    with pytest.raises(ValueError, match="no axis 'experst'"):
        result.plot(x="experst")
    with pytest.raises(ValueError, match="did you mean length"):
        result.plot("lenght")


def test_names_stand_side_by_side(lab, run):
    grid = {"edit": [None, wb.top_k(1)], "stage": [None, wb.top_k(1, stage="talker")]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = lab.sweep(run, grid, "words", cache=None, **QUIET)
        page = result.html()
    assert "bokeh" in page and Path(__file__).name not in page and len(page) < 3_000_000
    lines = result._chart().lines("words")
    assert [len(line.spots) for line in lines] == [2, 2]
    places = [spot.place for line in lines for spot in line.spots]
    assert len(set(places)) == 4 and result.plot().xaxis[0].major_label_overrides
