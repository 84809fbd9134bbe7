"""The badge beside a slider: it says what is shown, and names what ipywidgets leaves nameless."""

import shutil

import pytest

from widgets.badge import badge_class
from widgets.view import bundle

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
BOX = """<div class="widget-box"><div class="noUi-handle" role="slider" tabindex="0"></div>
<div class="widget-readout" contenteditable="true">2</div><div id="badge"></div></div>"""
MOUNT = """const values = { value: "<b>stale</b>: shown is 2", stale: true,
                 label: "experts a token" };
render({ model: { get: (name) => values[name], on() {}, off() {} },
         el: document.getElementById("badge") });"""
LATER = """document.querySelector('.noUi-handle').outerHTML =
  '<div class="noUi-handle" role="slider"></div>'"""
NAMES = """[...document.querySelectorAll('[role=slider], .widget-readout')]
  .map((part) => part.getAttribute('aria-label'))"""


def test_it_is_a_widget_of_three_plain_values():
    badge = badge_class()(label="heat", value="shown is 3")
    assert (badge.label, badge.value, badge.stale) == ("heat", "shown is 3", False)
    assert badge_class() is badge_class()


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt install chromium")
def test_a_slider_gets_a_name_also_when_it_is_made_anew(tmp_path):
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install playwright"
    )
    page = tmp_path / "page.html"
    page.write_text(f'{BOX}<script type="module">{bundle("badge")}\n{MOUNT}</script>')
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(page.as_uri())
        tab.wait_for_function(f"({NAMES}).every(Boolean)")
        assert tab.evaluate(NAMES) == ["experts a token"] * 2
        status = tab.get_by_role("status")
        assert (
            status.inner_text() == "<b>stale</b>: shown is 2" and status.locator("b").count() == 0
        )
        tab.evaluate(LATER)
        tab.wait_for_function(f"({NAMES}).every(Boolean)")
        browser.close()
