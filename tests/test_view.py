"""The base of all views: what comes out, that it is safe, small, offline and always the same."""

import base64
import io
import json
import re
import runpy
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import widgets.view
from widgets.align import AlignView
from widgets.attention import AttentionView
from widgets.attribution import AttributionView
from widgets.latency import LatencyView
from widgets.routing import RoutingView
from widgets.view import (
    Selection,
    Table,
    View,
    bundle,
    column,
    escape,
    json_script,
    pack,
    page,
    palette,
    set_render,
    shaped,
    shown,
    style,
)

DATA = runpy.run_path(str(Path(__file__).with_name("view_data.py")))
WIDGETS = Path(widgets.view.__file__).parent
MODULES = ("align", "latency", "routing", "attention", "attribution")
HOSTILE = (
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    "abc\u202egnp.exe\u2066\u200f",
    "<!--<script>",
    "https://example.org/x.js",
    "\ud800 lone, \x00\x1b[31m, \u2028",
    "w" * 10_000,
    "${alert(1)}`'\"&amp;",
)


@pytest.fixture(autouse=True)
def default_render():
    yield
    set_render("auto")


@pytest.fixture(scope="module")
def views() -> dict[str, View]:
    return {
        "align": AlignView(**DATA["turn"]()),
        "latency": LatencyView(**DATA["latency"](repeats=6), cold=1),
        "routing": RoutingView(**DATA["routing"](T=300)),
        "attention": AttentionView(**DATA["attention"](Q=20)),
        "attribution": AttributionView(**DATA["attribution"]()),
    }


def hostile_view() -> AlignView:
    turn = DATA["turn"]()
    words = list(turn["tokens"]["str"])
    words[: len(HOSTILE)] = HOSTILE
    turn["tokens"]["str"] = words
    turn |= {"title": HOSTILE[0], "method": HOSTILE[1]}
    return AlignView(**turn)


@pytest.mark.parametrize("name", MODULES)
def test_a_page_is_offline_small_and_deterministic(views, name):
    text = views[name].html()
    assert not re.search(r"https?://|//cdn|@import|\burl\(|\bfetch\(|XMLHttp", text)
    assert "default-src 'none'" in text
    assert len(text) < 500_000
    assert text == views[name].html()


@pytest.mark.parametrize("name", MODULES)
def test_a_picture_is_a_png_and_deterministic(views, name):
    from PIL import Image

    light, dark = views[name].png(), views[name].png("dark")
    assert light[:8] == b"\x89PNG\r\n\x1a\n" and len(light) < 150_000 and light != dark
    with Image.open(io.BytesIO(light)) as image:
        assert min(image.size) > 300
        assert len(image.convert("RGB").getcolors(1 << 16)) > 8, "blank"


@pytest.mark.parametrize("name", MODULES)
def test_every_render_ends_in_plain_html_and_text(views, name):
    view = views[name]
    html = view._repr_mimebundle_()
    assert set(html) == {"text/html", "text/plain"}
    assert 'sandbox="allow-scripts"' in html["text/html"]
    assert "<details>" in html["text/html"] and "data:image/png;base64," in html["text/html"]
    assert "<table>" in html["text/html"] and view.title in html["text/plain"]
    assert "https://" not in html["text/html"]
    set_render("static")
    static = view._repr_mimebundle_()["text/html"]
    assert "<iframe" not in static and "<script" not in static
    assert "<img alt=" in static and "<table>" in static
    with pytest.raises(ValueError, match="render is one of"):
        set_render("gif")


@pytest.mark.parametrize("name", MODULES)
def test_the_live_widget_has_the_same_data(views, name):
    view = views[name]
    widget = view.widget()
    assert widget is view.widget(), "one a view"
    spec, blob = widget.spec, widget.blob
    assert json.loads(json.dumps(spec)) == spec
    for entry in spec["arrays"]:
        array = view.arrays[entry["name"]]
        raw = np.frombuffer(blob, array.dtype, array.size, entry["at"])
        np.testing.assert_array_equal(raw.reshape(entry["shape"]), array)
    widget.selection = {"tokens": [3], "time": [0.5, 1.0], "layer": 2, "head": None, "expert": 1}
    assert view.selection == Selection((3,), (0.5, 1.0), 2, None, 1)
    view.selection = Selection(layer=1)
    assert widget.selection["layer"] == 1
    set_render("widget")
    assert "application/vnd.jupyter.widget-view+json" in str(view._repr_mimebundle_())


def test_views_of_one_link_share_their_selection_without_a_kernel(views):
    widgets.view.link(views["align"], views["routing"])


def test_several_views_are_one_page(views):
    text = page([views["align"], views["routing"]], "A run")
    assert text.count('type="module"') == 2 and 'id="ow-spec-1"' in text


def test_hostile_text_stays_text_and_whole():
    view = hostile_view()
    assert view.data["tokens"]["str"][6] == "w" * 10_000, "data is not cut"
    text = view.html()
    assert text.count("</script>") == 3, "spec, bytes, module"
    assert "onerror=" not in text.replace("\\u003cimg src=x onerror=window.hacked=1", "").replace(
        "&lt;img src=x onerror=window.hacked=1", ""
    )
    assert "\u202e" not in text and "https://" not in text and "w" * 200 not in text
    frame = view._repr_mimebundle_()["text/html"]

    class Tags(HTMLParser):
        seen: list[str] = []

        def handle_starttag(self, tag, attrs):
            self.seen.append(tag)
            assert not [n for n, _ in attrs if n.startswith("on")], (tag, attrs)

    Tags().feed(frame)
    assert Tags.seen.count("script") == 1, "ours, the one that sets the height"
    assert Tags.seen.count("img") == 1
    assert "w" * 200 not in frame


def test_text_is_shown_as_it_is_but_never_reorders_its_surroundings():
    assert shown("\u3053\u3093\u306b\u3061\u306f \u0645\u0631\u062d\u0628\u0627") == (
        "\u3053\u3093\u306b\u3061\u306f \u0645\u0631\u062d\u0628\u0627"
    )
    assert shown("a\u202eb") == "a\u27e8U+202E\u27e9b"
    assert shown("a\nb\x00") == "a\\nb\\x00"
    assert shown("x" * 100, 10) == "x" * 10 + "\u2026 (+90)"
    assert escape('<b>"http://x') == "&lt;b&gt;&quot;http&#58;&#47;&#47;x"
    for text in HOSTILE:
        coded = json_script({"x": text})
        assert not set("<>&") & set(coded) and coded.isascii() and "://" not in coded
        assert json.loads(coded)["x"] == text


def test_large_outputs_warn_and_larger_ones_are_refused():
    def sized(n: int) -> View:
        noise = np.frombuffer(np.random.default_rng(0).bytes(n), np.uint8)
        return View(
            title="t", subtitle="s", alt="a", meta={}, arrays={"x": noise},
            table=Table(("a",)), data={},
        )  # fmt: skip

    for cls_name in ("small", "warned", "refused"):
        view = sized({"small": 1000, "warned": 2_000_000, "refused": 8_000_000}[cls_name])
        view.module = "runtime"
        if cls_name == "small":
            view.html()
        elif cls_name == "warned":
            with pytest.warns(UserWarning, match="MB"):
                view.html()
        else:
            with pytest.raises(ValueError, match="force=True"):
                view.html()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert len(view.html(force=True)) > 10_000_000


def test_selection_is_json_and_code():
    value = Selection((1, 2), (0.0, 1.5), 3, None, 7)
    assert Selection.of(json.loads(json.dumps(value.json()))) == value
    with pytest.raises(ValueError, match="no 'tokes'"):
        Selection.of({"tokes": [1]})
    view = AlignView(**DATA["turn"]())
    view.selection = value
    made = {"view": AlignView(**DATA["turn"]()), "Selection": Selection}
    exec(view.to_code(), made)
    assert made["view"].selection == value


def test_arrays_lie_at_multiples_of_eight():
    index, blob = pack({"a": np.arange(3, dtype=np.uint8), "b": np.arange(2, dtype=np.float32)})
    assert [i["at"] for i in index] == [0, 8] and len(blob) == 16
    with pytest.raises(TypeError, match="no type for int64"):
        pack({"a": np.arange(3)})


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"x has shape \(3,\), expected \(T=4, 2\)"):
        shaped(np.zeros(3), "x", "T 2", "float32", T=4)
    with pytest.raises(ValueError, match="x holds float64, expected int32"):
        shaped(np.zeros(3), "x", "T", "int32")
    with pytest.raises(ValueError, match="units lacks the column 'kind'; it has a, b"):
        column({"a": [1], "b": [2]}, "kind", "uint8", of="units")


def test_pictures_and_pages_share_their_colours():
    light, dark = palette("light"), palette("dark")
    assert set(light) == set(dark) and light["bg"] == "#ffffff" and light != dark
    for name in light:
        assert f"--ow-{name}: {light[name]};" in style() and dark[name] in style()
    used = set()
    for path in WIDGETS.glob("*.js"):
        used |= set(re.findall(r"colors\.([a-z0-9]+)\b(?!\()", path.read_text()))
    assert used <= {n.replace("-", "") for n in light}, used


def test_colours_can_be_read():
    """Contrast of text on its ground, by the formula of WCAG: 4.5 for text, 3 for marks."""

    def light(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        lin = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * lin[0] + 0.7152 * lin[1] + 0.0722 * lin[2]

    for theme in ("light", "dark"):
        colors = palette(theme)
        for names, least in (
            (("ink", "soft", "bad", "text"), 4.5),
            (("speech", "audio", "image", "video", "timestamp", "control", "low", "high"), 3),
        ):
            for name in names:
                a, b = sorted((light(colors[name]), light(colors["bg"])))
                assert (b + 0.05) / (a + 0.05) >= least, (theme, name)


@pytest.mark.parametrize("name", MODULES)
def test_a_bundle_is_one_module_without_imports(name):
    text = bundle(name)
    assert not re.search(r"^import ", text, re.M)
    assert re.findall(r"^export .*", text, re.M)[-1] == "export default { render };"
    assert "</script" not in text and "eval(" not in text and "innerHTML" not in text
    names = re.findall(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", text, re.M)
    assert len(names) == len(set(names)), "two files define one name"
    assert len(text) < 100_000


def test_no_view_makes_up_data():
    """Every number shown comes from the arrays that were given."""
    for path in [*WIDGETS.glob("*.py"), *WIDGETS.glob("*.js")]:
        assert not re.search(r"\brandom|default_rng|\bshuffle\(", path.read_text()), path.name


def test_widgets_import_quickly_and_without_torch():
    import subprocess
    import sys

    told = (
        "import sys, widgets.align, widgets.latency, widgets.routing, widgets.attention,"
        "widgets.attribution;"
        "print(sorted({'torch', 'matplotlib', 'anywidget', 'pandas', 'model'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_same_picture_each_time(views):
    html = views["latency"].snapshot()
    coded = re.search(r"base64,([^\"]+)", html)[1]
    assert base64.b64decode(coded) == views["latency"].png() == views["latency"]._draw("light", 110)
