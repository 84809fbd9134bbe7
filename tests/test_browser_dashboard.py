"""The dashboard in a real browser, which can reach nothing but the loopback.

apt install chromium && pip install playwright      # no browser is downloaded
"""

import re
import subprocess
import sys
import time

import pytest
import torch

from model.omni import Omni, OmniConfig

pytest.importorskip("panel", reason="needs panel: pip install -e '.[lab]'")

VIEWS = ["Text and speech", "Expert routing", "Attention of the thinker over time",
         "Streaming latency"]  # fmt: skip
# colours of each canvas, in a coarse histogram: a blank one has a single colour
COLORS = """(all) => all.map((c) => {
  const copy = new OffscreenCanvas(c.width, c.height);
  const context = copy.getContext('2d', { willReadFrequently: true });
  context.drawImage(c, 0, 0);
  const data = context.getImageData(0, 0, c.width, c.height).data;
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4)
    seen.add([...data.subarray(i, i + 4)].map((v) => v >> 4).join());
  return seen.size;
})"""
PICTURE = "(c) => c.toDataURL()"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """`omni dashboard` with the smallest of models, as a person would start it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "nano"
    Omni(OmniConfig.nano()).save(folder)
    args = ["dashboard", "--port", "0", "--no-browser", "--model", str(folder)]
    server = subprocess.Popen(
        [sys.executable, "-m", "workbench.cli", *args], stderr=subprocess.PIPE, text=True
    )
    seen = []
    while not (seen and "http://" in seen[-1]):
        seen.append(server.stderr.readline())
        assert seen[-1], "".join(seen)
    yield re.search(r"http://127\.0\.0\.1:\d+", seen[-1])[0]
    server.terminate()
    told = server.communicate(timeout=30)[1]
    assert "Traceback" not in told, told
    assert server.returncode == 143


@pytest.fixture(scope="module")
def browser(chromium):
    browser = chromium("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    yield browser
    browser.close()


@pytest.fixture
def visit(browser, address):
    """Open the page; at the end nothing outside was asked for and nothing complained."""
    outside, complaints, contexts = [], [], []

    def open_page(width=1440, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        own = (address, "data:", "blob:")
        tab.on("request", lambda r: r.url.startswith(own) or outside.append(r.url))
        tab.on("requestfailed", lambda r: complaints.append(f"{r.url} {r.failure}"))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
        tab.goto(address)
        tab.get_by_role("button", name="Run", exact=True).wait_for()
        tab.get_by_text("MB.").wait_for()
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert (outside, complaints) == ([], [])


def run(tab, told: str = "Done in") -> None:
    tab.get_by_role("button", name="Run", exact=True).click()
    tab.get_by_text(told).wait_for()
    tab.get_by_role("button", name="Run", exact=True).and_(tab.locator(":enabled")).wait_for()


def drawn(tab, count: int = 4) -> None:
    """Wait until so many views are there and none of their canvases is blank."""
    end = time.monotonic() + 60
    while True:
        tab.wait_for_timeout(200)
        colors = tab.locator(".ow canvas").evaluate_all(COLORS)
        if tab.locator(".ow").count() == count and len(colors) > 2 * count and min(colors) >= 2:
            return
        assert time.monotonic() < end, (tab.locator(".ow").count(), colors)


def short(tab, tokens: str = "6") -> None:
    """Answers of a few tokens: nano has nothing to say."""
    tab.get_by_text("Voice, length, seed").click()
    tab.get_by_label("Longest answer, tokens").fill(tokens)
    tab.keyboard.press("Tab")


def test_an_example_runs_is_seen_pinned_and_compared(visit):
    tab = visit()
    assert "Ask a speech model something" in tab.inner_text("header")
    short(tab)
    run(tab)
    drawn(tab)
    assert [box.inner_text() for box in tab.locator(".ow h3").all()] == VIEWS
    # a key in one view moves the others
    bars = tab.locator(".ow", has_text="Streaming latency").locator("canvas[tabindex]").nth(1)
    before = bars.evaluate(PICTURE)
    tab.locator(".ow").first.locator("canvas[tabindex]").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.get_by_text("view.selection = Selection(tokens=").wait_for()
    tab.wait_for_timeout(400)
    assert bars.evaluate(PICTURE) != before, "the frames of the token are marked"
    # A beside B
    tab.get_by_role("button", name="Pin as A").click()
    tab.get_by_text("This run is A.").wait_for()
    tab.locator("select").filter(has_text="Add a change").select_option(label="top k")
    tab.get_by_label("count").wait_for()
    tab.get_by_text("with lab.edit(wb.top_k(1)):").wait_for()
    run(tab)
    drawn(tab)
    tab.get_by_text("Changed: wb.top_k(1)").wait_for()
    assert tab.get_by_label("sound of A").count() == tab.get_by_label("sound of B").count() == 1
    tab.get_by_role("button", name="B", exact=True).click()
    drawn(tab)
    tab.get_by_role("button", name="Latency", exact=True).click()
    drawn(tab, 3)
    with tab.expect_download() as kept:
        tab.get_by_role("button", name="Keep the views").click()
    assert kept.value.suggested_filename == "turn.html"


def test_dark_narrow_and_by_keyboard(visit):
    tab = visit(width=420, scheme="dark")
    dark = "getComputedStyle(document.body).backgroundColor"
    assert tab.evaluate(dark) == "rgb(15, 17, 20)"
    short(tab)
    tab.get_by_role("button", name="Run", exact=True).focus()
    tab.keyboard.press("Enter")
    drawn(tab)
    themes = tab.locator(".ow").evaluate_all("(all) => all.map((one) => one.dataset.theme)")
    assert set(themes) == {"dark"}
    assert tab.evaluate("document.scrollingElement.scrollWidth") <= 420
    tab.get_by_label("Theme").select_option("light")
    assert tab.evaluate(dark) == "rgb(244, 244, 241)"
    tab.wait_for_timeout(200)
    themes = tab.locator(".ow").evaluate_all("(all) => all.map((one) => one.dataset.theme)")
    assert set(themes) == {"light"}


def test_uploads_hostile_text_and_stop(visit, tmp_path):
    tab, other = visit(), visit()
    tab.get_by_role("button", name="Upload").click()
    bad = tmp_path / "song.wav"
    bad.write_bytes(b"this is no sound")
    tab.locator("input[type=file]").set_input_files(bad)
    tab.get_by_text("neither a recording").wait_for()
    tab.get_by_role("button", name="Type").click()
    hostile = "<img src=x onerror='window.hacked=1'></pre><script>hacked=1</script>"
    tab.get_by_label("What do you want to ask?").fill(hostile)
    short(tab, "256")
    tab.get_by_role("button", name="Run", exact=True).click()
    tab.get_by_text("s of speech").wait_for()
    tab.get_by_role("button", name="Stop").and_(tab.locator(":enabled")).click()
    tab.get_by_text("Stopped after").wait_for()
    drawn(tab)
    assert tab.evaluate("typeof hacked") == "undefined"
    assert "Press Run" in other.locator(".said").inner_text(), "another tab has its own state"
    assert not other.locator(".ow").count()
