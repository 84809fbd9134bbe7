"""In a real browser: two runs in one layout, that everybody can use the pages, and hostile text.

What the pages must not do: test_browser_views.py.
"""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench as wb
from model.omni import Omni, OmniConfig
from widgets.align import AlignView
from widgets.attention import AttentionView
from widgets.latency import LatencyView
from widgets.pair import PairView
from widgets.routing import RoutingView
from widgets.view import page

BASE = runpy.run_path(str(Path(__file__).with_name("test_browser_views.py")))
browser, show = BASE["browser"], BASE["show"]
until, COLORS, CUT_OFF, DATA = (BASE[name] for name in ("until", "COLORS", "CUT_OFF", "DATA"))


def pair() -> PairView:
    turn, other = DATA["turn"](), DATA["turn"](broken=True)
    words = list(turn["tokens"]["str"])
    n = len(words)
    kind = np.array([1 if i % 9 == 4 else 0 for i in range(n)], np.uint8)
    spans = np.linspace(0, len(turn["audio"]) / turn["sr"], n + 1)
    spans = np.stack([spans[:-1], spans[1:]], 1).astype(np.float32)
    flips = (np.add.outer(np.arange(5), np.arange(60)) % 4 == 0).astype(np.uint8)
    return PairView(
        words={"kind": kind, "str": words, "a": np.arange(n), "kl": np.linspace(0, 0.4, n),
               "b": np.where(kind == 0, np.arange(n), -1), "position": np.arange(n) + 40},
        changed=["BanExperts(layer=2)"], sounds=(turn["audio"], other["audio"][:-4800]),
        rate=turn["sr"], spans=(spans, spans), mel=np.abs(np.sin(np.arange(900) / 40)) * 20,
        codes=np.add.outer(np.arange(8), np.arange(110)) % 3 == 0, flips={"thinker": flips},
        measures=[("speech", 9.8, 9.6, -0.2, "s"), ("KL, mean", None, None, 0.2, "nats a word")],
        link="run",
    )  # fmt: skip


@pytest.fixture(scope="module")
def views():
    attention = DATA["attention"]()
    return {
        "align": AlignView(
            **DATA["turn"](), link="run", beside=AlignView(**DATA["turn"](broken=True))
        ),
        "routing": RoutingView(
            **DATA["routing"](T=300), link="run", beside=RoutingView(**DATA["routing"](T=260))
        ),
        "attention": AttentionView(**attention, link="run", beside=AttentionView(**attention)),
        "latency": LatencyView(
            **DATA["latency"](repeats=6), link="run",
            beside=LatencyView(**DATA["latency"](repeats=3)),
        ),
        "pair": pair(),
    }  # fmt: skip


def ready(tab, count=1):
    tab.wait_for_selector("body[data-ready]")
    until(tab, f"document.querySelectorAll('.ow').length === {count}")
    tab.wait_for_timeout(200)


def canvas(tab, name: str):
    return tab.locator(f'canvas[aria-label^="{name}"]')


# what an audit of accessibility looks at first; "" where a thing is as it should be
AUDIT = r"""() => {
  const wrong = [];
  const note = (node, what) => wrong.push(`${what}: ${node.outerHTML.slice(0, 120)}`);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 :
      ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const parts = (color) => color.match(/[\d.]+/g).map(Number);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parts(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0.5) return color;
    }
    return [255, 255, 255];
  };
  if (!document.documentElement.lang) wrong.push("the page has no language");
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id occurs twice");
  for (const view of document.querySelectorAll(".ow")) {
    if (!view.getAttribute("aria-label")) note(view, "a view has no name");
    if (!view.querySelector("details table, details summary")) note(view, "no table twin");
    if (!view.querySelector("[aria-live]")) note(view, "nothing is said aloud");
    for (const node of view.querySelectorAll("button, select, a, input, summary")) {
      const label = node.closest("label");
      const names = [node.getAttribute("aria-label"), node.tagName === "SELECT" ? "" :
        node.textContent, node.title, label && [...label.childNodes].filter((kid) =>
        kid !== node).map((kid) => kid.textContent).join("")];
      if (!names.some((name) => name && name.trim())) note(node, "no name");
      const box = node.getBoundingClientRect();
      if (box.width && box.height < 20) note(node, "too small to hit");
    }
    for (const node of view.querySelectorAll("canvas")) {
      if (node.getAttribute("role") !== "img") note(node, "a canvas without role");
      if (!(node.getAttribute("aria-label") || "").trim()) note(node, "a canvas without name");
    }
    for (const node of view.querySelectorAll("img")) if (!node.alt) note(node, "no alt");
    for (const node of view.querySelectorAll("th"))
      if (!node.scope) note(node, "a heading of a table without scope");
    const walk = document.createTreeWalker(view, NodeFilter.SHOW_TEXT);
    for (let text = walk.nextNode(); text; text = walk.nextNode()) {
      const node = text.parentElement;
      if (!text.textContent.trim() || node.closest(".ow-live, .ow-tip, option")) continue;
      if (!node.getClientRects().length) continue;
      const [a, b] = [parts(getComputedStyle(node).color), behind(node)].map(light);
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) note(node, `contrast ${ratio.toFixed(2)}`);
    }
  }
  return wrong;
}"""
UNSEEN = """() => [...document.querySelectorAll(
  ".ow button, .ow select, .ow summary, .ow canvas[tabindex]")].filter((node) => {
  node.focus({ preventScroll: true });
  const style = getComputedStyle(node);
  return document.activeElement === node &&
    (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 1);
}).map((node) => node.outerHTML.slice(0, 100))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_pages(show, views, scheme):
    tab = show(page(list(views.values()), "All views"), scheme=scheme)
    ready(tab, len(views))
    tab.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    tab.wait_for_timeout(300)
    assert tab.evaluate(AUDIT) == []
    assert min(tab.evaluate(COLORS)) >= 2, "a blank canvas"
    tab.keyboard.press("Tab")  # from now on focus is shown
    assert tab.evaluate(UNSEEN) == []
    names = tab.evaluate(
        "[...document.querySelectorAll('canvas[tabindex]')].map((c) => c.ariaLabel)"
    )
    assert len(names) > 15 and all(names)


def test_two_runs_answer_in_a_narrow_column(show, views):
    tab = show(page(list(views.values()), "All views"), width=560)
    ready(tab, len(views))
    assert tab.evaluate("document.scrollingElement.scrollWidth") <= 560
    assert tab.evaluate(CUT_OFF) == 0
    canvas(tab, "Text tokens where they were emitted").nth(1).focus()
    tab.keyboard.press("ArrowRight")
    until(tab, "document.querySelector('#ow-0 .ow-live').textContent.includes('of B')")
    shown = tab.locator("#ow-1 select").nth(1)
    before = canvas(tab, "Load by layer and expert").evaluate("(c) => c.toDataURL()")
    assert "B minus A" in tab.locator("#ow-1").inner_text()
    shown.select_option("B")
    tab.wait_for_timeout(150)
    assert canvas(tab, "Load by layer and expert").evaluate("(c) => c.toDataURL()") != before
    assert canvas(tab, "Attention of each query").count() == 2


def test_one_sound_goes_on_where_the_other_was(show, views):
    tab = show(views["pair"].html())
    ready(tab)
    tab.get_by_role("button", name="Play A").click()
    until(tab, "document.querySelector('.ow-head').style.visibility === 'visible'")
    tab.get_by_role("button", name="Switch").click()
    tab.get_by_role("button", name="Stop B").wait_for()
    assert tab.get_by_role("button", name="Play A").count() == 1
    canvas(tab, "Waveform of A").focus()
    tab.keyboard.press("x")
    tab.get_by_role("button", name="Stop A").click()
    tab.locator(".ow-said button").nth(3).click()
    until(tab, "document.querySelector('.ow-live').textContent.length > 3")
    assert tab.locator(".ow-said del").count() == 4


def test_a_request_runs_again_at_any_speed(show, views):
    tab = show(views["latency"].html())
    ready(tab)
    fall = canvas(tab, "Waterfall")
    tab.get_by_label("Speed of the replay").select_option("0.25")
    tab.evaluate(  # from inside, so that it is paused in time on a busy machine, too
        """async () => {
        const all = [...document.querySelectorAll("button")];
        const play = all.find((b) => b.textContent.includes("Replay"));
        play.click();
        for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
        play.click(); }"""
    )
    tab.wait_for_timeout(200)
    stopped = fall.evaluate("(c) => c.toDataURL()")
    tab.wait_for_timeout(200)
    assert fall.evaluate("(c) => c.toDataURL()") == stopped
    tab.get_by_role("button", name="Replay").wait_for()
    fall.focus()
    tab.keyboard.press("Escape")
    tab.wait_for_timeout(150)
    assert fall.evaluate("(c) => c.toDataURL()") != stopped


def test_an_edge_that_was_dragged_is_exported_and_nothing_else(show, views):
    view = views["align"]
    tab = show(view.html())
    ready(tab)
    words = canvas(tab, "Text tokens where they were emitted").first
    words.scroll_into_view_if_needed()
    box = words.bounding_box()
    seconds = max(view.meta["seconds"], view.beside.meta["seconds"])
    t1 = view.data["tokens"]["t1"]
    token = int(np.nanargmax(t1 - view.data["tokens"]["t0"]))
    x = box["x"] + box["width"] * t1[token] / seconds
    assert tab.get_by_role("button", name="Corrections").count() == 0
    tab.mouse.move(x - 1, box["y"] + 96)
    tab.mouse.down()
    tab.mouse.move(x - 9, box["y"] + 96, steps=4)
    tab.mouse.up()
    tab.get_by_text("1 span corrected by hand, here only").wait_for()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Corrections").click()
    head, row = Path(download.value.path()).read_text().splitlines()
    assert head.startswith("run,token,text") and row.startswith(f"A,{token},")
    assert float(row.split(",")[-1]) < t1[token]


HOSTILE = (
    "<img src=x onerror=hacked=1>", "</script><script>hacked=1</script>", "a\u202eb\u2066c",
    "\x00\x1b[31m\ud800", "https://example.org/?<b>", "x" * 10_000, "\u0627\u0644\u0633" * 50,
    '" onfocus="hacked=1" autofocus="', "]]>--><svg onload=hacked=1>", "{{7*7}}${hacked=1}",
)  # fmt: skip


@pytest.fixture(scope="module")
def hostile():
    """Two runs of which every token is hostile, and so are the texts and the names."""
    torch.manual_seed(0)
    lab = wb.load(Omni(OmniConfig.nano()))
    kinds = ["router-logits", "attn", "align", "delta", "latency", "logits"]
    how = {"temperature": 1.0, "most": 6, "speech_temperature": 1.0}
    run = lab.run(HOSTILE[0], record=kinds, **how)
    with lab.edit(wb.ban_expert(1, 0)):
        alt = lab.rerun(run, seed=1)
    said = [str(token) for made in (run, alt) for token in made.words]  # these the tables tell
    ids = dict.fromkeys([*said, *sorted({*run.pieces, *alt.pieces})])
    pieces = {i: HOSTILE[k % len(HOSTILE)] for k, i in enumerate(ids)}

    def bad(run):
        meta = replace(run.meta, model=HOSTILE[1], versions={HOSTILE[0]: HOSTILE[7]})
        return replace(run, pieces=pieces, text=HOSTILE[1], meta=meta)

    return bad(run), bad(alt)


def test_hostile_text_is_text_in_every_export(show, hostile, tmp_path):
    run, alt = hostile
    change = wb.diff(run, alt)
    pages = {
        "run": (run.export(tmp_path / "run.html").read_text(), 4),
        "diff": (change.export(tmp_path / "diff.html").read_text(), 5),
    }
    for told, (html, count) in pages.items():
        assert "<img src=x" not in html and "<svg" not in html and "</script><script>h" not in html
        assert len(html) < 2_000_000, f"{told}: long tokens are cut"
        tab = show(html)
        ready(tab, count)
        tab.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        for node in tab.locator("canvas[tabindex]").all()[:12]:
            node.focus()
            tab.keyboard.press("ArrowRight")
            box = node.bounding_box()
            tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
        tab.wait_for_timeout(200)
        assert tab.evaluate("typeof hacked") == "undefined"
        assert tab.evaluate("document.scrollingElement.scrollWidth") <= 1000
        assert tab.evaluate("document.querySelectorAll('.ow :is(img, svg, script)').length") == 0
        assert tab.locator(".ow td").filter(has_text="onerror").count() > 0


def test_hostile_text_is_text_where_scripts_are_stripped(show, hostile):
    run, alt = hostile
    static = [view.snapshot() for view in run.view]
    static += [wb.diff(run, alt)._repr_html_(), run._repr_html_()]
    for html in static:
        assert "<script" not in html and "onerror=hacked" not in html.replace("&gt;", ">").replace(
            "&lt;img src=x onerror=hacked", ""
        )
        assert "\u202e" not in html or html is static[-1]
    tab = show("<!doctype html><html lang=en><meta charset=utf-8>" + "".join(static))
    tab.wait_for_timeout(300)
    assert tab.evaluate("typeof hacked") == "undefined"
    assert tab.evaluate("document.querySelectorAll('svg, [onerror], [onfocus]').length") == 0
    assert tab.evaluate("[...document.images].every((i) => i.alt && i.src.startsWith('data:'))")
    assert tab.locator("audio").count() == 2
