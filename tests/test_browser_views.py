"""The views in a real browser, from a file, with every request forbidden.

apt install chromium && pip install playwright      # no browser is downloaded
"""

import base64
import runpy
import time
from pathlib import Path

import numpy as np
import pytest

from widgets.align import AlignView
from widgets.attention import AttentionView
from widgets.attribution import AttributionView
from widgets.latency import LatencyView
from widgets.routing import RoutingView
from widgets.view import bundle, page, style

DATA = runpy.run_path(str(Path(__file__).with_name("view_data.py")))
NAMES = ("align", "latency", "routing", "attention", "attribution")


@pytest.fixture(scope="module")
def views():
    turn = DATA["turn"]()
    words = list(turn["tokens"]["str"])
    words[3:6] = ["<img src=x onerror=hacked=1>", "</script><script>hacked=1</script>", "a\u202eb"]
    turn["tokens"]["str"] = words
    routed = DATA["routing"](T=300)
    return {
        "align": AlignView(**turn, link="run"),
        "latency": LatencyView(**DATA["latency"](repeats=6), cold=1, link="run"),
        "routing": RoutingView(**routed, sounds=DATA["sounds"](routed), link="run"),
        "attention": AttentionView(**DATA["attention"](), **DATA["film"](), link="run"),
        "attribution": AttributionView(
            **DATA["attribution"]() | {"labels": words[:14], "answer": words[2:8]}, link="run"
        ),
    }


@pytest.fixture(scope="module")
def browser(chromium):
    browser = chromium("--autoplay-policy=no-user-gesture-required")
    yield browser
    browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open HTML from a file; at the end nothing was asked of a network and nothing complained."""
    seen = {"requests": [], "complaints": []}
    contexts = []

    def open_page(html: str, width=1000, scheme="light"):
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        tab.on("request", lambda r: r.url.startswith("http") and seen["requests"].append(r.url))
        tab.on("pageerror", lambda error: seen["complaints"].append(str(error)))
        tab.on(
            "console",
            lambda m: m.type in ("error", "warning") and seen["complaints"].append(m.text),
        )
        tab.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert seen == {"requests": [], "complaints": []}


def until(tab, told: str, seconds: float = 30) -> None:
    """Wait until something is true; playwright's own way needs eval, which our pages forbid."""
    end = time.monotonic() + seconds
    while not tab.evaluate(told):
        assert time.monotonic() < end, told
        tab.wait_for_timeout(30)


def ready(tab):
    tab.wait_for_selector("body[data-ready]")
    until(tab, "document.querySelectorAll('.ow canvas').length > 2")
    tab.wait_for_timeout(100)


# colours of each canvas, in a coarse histogram: a blank one has a single colour
COLORS = """() => [...document.querySelectorAll('.ow canvas')].map((c) => {
  const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4)
    seen.add([...data.subarray(i, i + 4)].map((v) => v >> 4).join());
  return seen.size;
})"""
CUT_OFF = """[...document.querySelectorAll('.ow *')]
  .filter((e) => !e.closest('table, .ow-live, .ow-tip'))
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).length"""
HACKED = "typeof hacked"
# where the first focusable canvas, or the largest, can be pointed at
LARGEST = """() => { const all = [...document.querySelectorAll('.ow canvas[tabindex]')];
  all.sort((a, b) => b.clientHeight - a.clientHeight); all[0].scrollIntoView();
  const box = all[0].getBoundingClientRect(); return [box.x, box.y, box.width, box.height]; }"""


@pytest.mark.parametrize("name", NAMES)
def test_a_view_is_drawn_answers_the_pointer_and_the_keys(show, views, name):
    tab = show(views[name].html())
    ready(tab)
    assert min(tab.evaluate(COLORS)) >= 3, "a blank canvas"
    assert tab.evaluate(HACKED) == "undefined"
    x, y, w, h = tab.evaluate(LARGEST)
    tips = set()
    for part in (0.35, 0.5, 0.62, 0.75):
        tab.mouse.move(x + w * part, y + h * 0.55)
        tab.wait_for_timeout(60)
        tip = tab.locator(".ow-tip")
        if tip.is_visible():
            tips.add(tip.inner_text())
    assert len(tips) >= 2 and all(t.strip() for t in tips), tips
    tab.mouse.move(2, 2)
    said = tab.locator(".ow-live")
    tab.locator(".ow canvas[tabindex]").nth(1 if name != "attention" else 0).focus()
    tab.keyboard.press("ArrowRight")
    until(tab, "document.querySelector('.ow-live').textContent.length > 3")
    first = said.inner_text()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_timeout(120)
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_timeout(120)
    assert first and said.inner_text()
    tab.keyboard.press("Escape")
    tab.locator("summary").click()
    rows = tab.locator(".ow table tbody tr")
    rows.first.wait_for()  # the table is made when it is opened
    assert rows.count() == min(200, len(views[name].table.rows))
    if name in ("align", "attribution"):
        assert tab.locator(".ow table td").filter(has_text="onerror").count() == 1, "as text"


@pytest.mark.parametrize("name", NAMES)
def test_a_view_is_dark_where_the_page_is_and_fits_a_narrow_column(show, views, name):
    tab = show(views[name].html(), width=600, scheme="dark")
    ready(tab)
    assert tab.evaluate("document.querySelector('.ow').dataset.theme") == "dark"
    assert tab.evaluate("getComputedStyle(document.querySelector('.ow')).backgroundColor") == (
        "rgb(21, 23, 27)"
    )
    assert min(tab.evaluate(COLORS)) >= 3
    assert tab.evaluate("document.scrollingElement.scrollWidth") <= 600
    assert tab.evaluate(CUT_OFF) == 0
    tab.emulate_media(color_scheme="light")
    until(tab, "document.querySelector('.ow').dataset.theme === 'light'")


def test_sound_plays_and_the_playhead_moves(show, views):
    tab = show(views["align"].html())
    ready(tab)
    tab.get_by_role("button", name="Play").click()
    at = "document.querySelector('.ow-head').style.transform"
    until(tab, "document.querySelector('.ow-head').style.visibility === 'visible'")
    first = tab.evaluate(at)
    until(tab, f"{at} !== {first!r}")
    tab.get_by_role("button", name="Stop").click()
    until(tab, "document.querySelector('.ow-head').style.visibility === 'hidden'")


def test_a_token_of_sound_is_heard_where_it_lies_in_the_waveform(show, views):
    tab = show(views["routing"].html())
    ready(tab)
    heard = tab.get_by_role("img", name="Waveform of audio")
    before = heard.evaluate("(c) => c.toDataURL()")
    heard.click(position={"x": 400, "y": 20})
    assert tab.locator(".ow-live").inner_text().endswith("audio")
    until(tab, "!document.querySelector('.ow-live').textContent.includes('speech')")
    assert heard.evaluate("(c) => c.toDataURL()") != before, "the token is marked"
    spoken = tab.get_by_role("img", name="Waveform of speech")
    spoken.focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator(".ow-live").inner_text().startswith("token 184: f184, speech")
    still = spoken.evaluate("(c) => c.toDataURL()")
    tab.keyboard.press("Enter")
    until(tab, f"[...document.querySelectorAll('canvas')].at(-2).toDataURL() !== {still!r}")


def test_shares_of_a_word_and_the_sound_of_a_piece(show, views):
    tab = show(views["attribution"].html())
    ready(tab)
    title = tab.locator(".ow h4").nth(1)
    assert "all 6 targets" in title.inner_text()
    tab.locator(".ow-chips button").nth(3).click()
    until(tab, "document.querySelectorAll('.ow h4')[1].textContent.includes('script')")
    assert tab.evaluate(HACKED) == "undefined"
    main = tab.locator(".ow canvas").first
    box = main.bounding_box()
    tab.evaluate(  # a piece is short: nobody may look while it plays
        """() => { const head = document.querySelector('.ow-head');
        const look = () => { if (head.style.visibility === 'visible') head.dataset.played = 1; };
        new MutationObserver(look).observe(head, { attributeFilter: ['style'] }); }"""
    )
    main.click(position={"x": box["width"] * 0.6, "y": box["height"] * 0.4})
    until(tab, "document.querySelector('.ow-head').dataset.played")
    until(tab, "document.querySelector('.ow-head').style.visibility === 'hidden'")
    assert tab.locator(".ow-live").inner_text()


def test_shares_of_words_cells_and_moments_on_one_page(show):
    words = {
        "values": [1.0, -0.5, 0.2],
        "labels": ["What", "</b>is", " it?"],
        "answer": ["No", "."],
    }
    words |= {"full": [-1.0, -0.5], "empty": [-1.5, -0.7], "each": [[1, -0.5, 0], [0, 0, 0.2]]}
    cells = {"values": [2.0, -1.0], "labels": ["left", "right"], "answer": ["cat"], "kind": [2, 2]}
    cells |= {"full": [-1.0], "empty": [-2.0], "image": np.full((40, 60, 3), 90, np.uint8)}
    cells["cells"] = (np.arange(60) >= 30).astype(int)[None].repeat(40, 0)
    moments = DATA["attribution"]() | {"error": None}
    moments["t1"] = moments["t0"]
    three = [AttributionView(**one) for one in (words, cells, moments)]
    tab = show(page(three, "Shares"), scheme="dark")
    until(tab, "document.querySelectorAll('.ow').length === 3")
    tab.wait_for_timeout(200)
    assert min(tab.evaluate(COLORS)) >= 3, "a blank canvas"
    tab.get_by_role("button", name="</b>is").click()
    assert tab.locator("#ow-0 .ow-live").inner_text() == "</b>is: \u22120.50"
    picture = tab.locator("#ow-1 canvas").first
    picture.click(position={"x": 10, "y": 10})
    assert tab.locator("#ow-1 .ow-live").inner_text() == "left: +2.00"


def test_views_on_one_page_share_their_selection(show, views):
    tab = show(page([views["align"], views["latency"]], "One run"))
    tab.wait_for_selector("body[data-ready]")
    until(tab, "document.querySelectorAll('.ow').length === 2")
    tab.wait_for_timeout(200)
    bars = tab.locator("#ow-1 canvas[tabindex]").nth(1)
    before = bars.evaluate("(c) => c.toDataURL()")
    tab.locator("#ow-0 canvas[tabindex]").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_timeout(400)
    assert bars.evaluate("(c) => c.toDataURL()") != before, "the frames of the token are marked"


def test_frames_in_a_notebook_take_their_height_and_share_their_selection(show, views):
    host = (
        '<!doctype html><body data-jp-theme-light="false">'
        f"{views['align'].frame()}{views['latency'].frame()}"
    )
    tab = show(host)
    frames = tab.locator("iframe.ow-frame")
    assert frames.count() == 2
    until(
        tab,
        """[...document.querySelectorAll("iframe")].every((f) =>
        f.clientHeight > 500 && !["760px", "860px"].includes(f.style.height))""",
    )
    inner = [tab.frame_locator("iframe.ow-frame").nth(i) for i in (0, 1)]
    inner[1].locator(".ow[data-theme=dark]").wait_for()
    bars = inner[1].locator("canvas[tabindex]").nth(1)
    before = bars.evaluate("(c) => c.toDataURL()")
    inner[0].locator("canvas[tabindex]").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_timeout(600)
    assert bars.evaluate("(c) => c.toDataURL()") != before
    tab.evaluate("document.body.dataset.jpThemeLight = 'true'")  # the notebook's theme changes
    inner[0].locator(".ow[data-theme=light]").wait_for()


def test_two_of_a_kind_live_on_one_page_and_leave_nothing_behind(show, views):
    """As anywidget runs it: the module is imported, render() returns what cleans up."""
    view = views["routing"]
    tab = show(f"<!doctype html><style>{style()}</style><body><div></div><div></div>")
    left = tab.evaluate(
        """async ([code, spec, bytes]) => {
          const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
          const { default: module } = await import(url);
          const blob = new DataView(Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0)).buffer);
          const ends = [...document.querySelectorAll("div")].map((el) => {
            const values = { spec, blob, selection: {} };
            const get = (k) => values[k];
            const set = (k, v) => (values[k] = v);
            const model = { get, set, on() {}, off() {}, save_changes() {} };
            return module.render({ model, el });
          });
          await new Promise((done) => setTimeout(done, 300));
          const drawn = document.querySelectorAll(".ow canvas").length;
          ends.forEach((end) => end());
          return [drawn, document.querySelectorAll(".ow").length];
        }""",
        [bundle("routing"), view.spec, base64.b64encode(view.widget().blob).decode()],
    )
    assert left[0] >= 8 and left[1] == 0
