"""The tour as a student has it: in JupyterLab, in a browser, with the network shut.

apt install chromium && pip install -e '.[dev]'     # no browser is downloaded
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs Jupyter: pip install -e '.[lab]'")
pytestmark = pytest.mark.skipif(
    not find_spec("jupyterlab"), reason="needs JupyterLab: pip install -e '.[lab]'"
)

HOUSE = Path(__file__).parents[1]
HERE = "127.0.0.1"
SLOW = float(os.environ.get("SLOW", 1))  # a busy machine may take so many times longer


@pytest.fixture
def server(tmp_path):
    """JupyterLab on a free port, with a copy of the tour and settings of its own."""
    root = tmp_path / "house"
    (root / "notebooks").mkdir(parents=True)
    (root / "datasets").symlink_to(HOUSE / "datasets")
    book = nbformat.read(HOUSE / "notebooks" / "00_tour.ipynb", as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = cell.source.replace("# view.widget()", "view.widget()")  # as it says
    nbformat.write(book, root / "notebooks" / "00_tour.ipynb")
    with socket.socket() as free:
        free.bind((HERE, 0))
        port = free.getsockname()[1]
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    own = {name: str(tmp_path / name.lower()) for name in folders}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "s"), "JUPYTER_PREFER_ENV_PATH": "1"}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "w"), "PYTHONPATH": str(HOUSE)}
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "jupyterlab", "--no-browser", f"--ip={HERE}", f"--port={port}",
            "--port-retries=0", f"--ServerApp.root_dir={root}", "--allow-root",
            "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=None", "--LabApp.extension_manager=readonly",
        ],
        env={k: v for k, v in os.environ.items() if k != "WB_RENDER"} | own,
        cwd=root, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    address = f"http://{HERE}:{port}"
    try:
        until(lambda: answers(f"{address}/api"), "the server answers", 90)
        yield address
    finally:
        process.terminate()  # kernels end with it
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def until(true, what: str, seconds: float = 30.0):
    """The first true value, or a failure that says what did not happen."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = true()
        if value:
            return value
        assert time.monotonic() < end, f"not in {seconds * SLOW:g} s: {what}"
        time.sleep(0.2)


# cells that have code, and how many of them have run; what the kernel does
PROGRESS = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const cells = panel?.content?.widgets?.filter((c) => c.model.type === "code") ?? [];
  return [cells.length, cells.filter((c) => c.model.executionCount).length,
          cells.some((c) => c.model.executionState === "running"),
          panel?.sessionContext?.session?.kernel?.status ?? ""];
}"""
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter((c) => c.model.type === "code").flatMap((c) => c.model.outputs.toJSON())
  .filter((o) => o.output_type === "error").map((o) => `${o.ename}: ${o.evalue}`)"""
SHOW = """async (text) => {
  const book = window.jupyterapp.shell.currentWidget.content;
  const i = book.widgets.findIndex((c) => c.model.sharedModel.getSource().trim().endsWith(text));
  book.activeCellIndex = i;
  await book.scrollToItem(i, "start");
  return i;
}"""
SAID = """(i) => window.jupyterapp.shell.currentWidget.content.widgets[i].model.outputs.toJSON()
  .map((o) => o.data?.["text/plain"] ?? "").join("")"""
COLORS = """() => [...document.querySelectorAll(".ow canvas")].map((c) => {
  const data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4)
    seen.add([...data.subarray(i, i + 4)].map((v) => v >> 4).join());
  return seen.size;
})"""


def test_the_tour_runs_in_jupyterlab_and_python_sees_a_click(server, chromium):
    outside, complaints = [], []
    browser = chromium("--disable-background-networking")
    tab = browser.new_context(viewport={"width": 1300, "height": 1000}).new_page()
    tab.set_default_timeout(60_000 * SLOW)
    tab.on("request", lambda r: outside.append(r.url) if abroad(r.url) else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    tab.goto(f"{server}/lab/tree/notebooks/00_tour.ipynb")
    until(lambda: tab.evaluate(PROGRESS)[0] > 10, "the notebook is open", 90)
    until(lambda: tab.evaluate(PROGRESS)[3] == "idle", "a kernel is there", 90)
    assert tab.locator(".jp-Dialog").count() == 0, "a dialog asks for something"

    tab.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    until(lambda: done(tab), "all cells have run", 180)
    assert tab.evaluate(ERRORS) == []

    frames = tab.locator("iframe.ow-frame")  # the views that need no kernel
    assert frames.count() >= 1
    tab.evaluate(SHOW, "view.widget()")
    tab.locator(".ow canvas").first.wait_for()
    until(lambda: min(tab.evaluate(COLORS), default=0) >= 3, "the widget is drawn")

    selection = tab.evaluate(SHOW, "view.selection")
    assert "tokens=()" in tab.evaluate(SAID, selection), "nothing is chosen yet"
    tab.evaluate(SHOW, "view.widget()")
    assert click(tab), "a click in the picture chooses nothing"
    tab.evaluate(SHOW, "view.selection")
    tab.evaluate("() => window.jupyterapp.commands.execute('notebook:run-cell')")
    until(
        lambda: (said := tab.evaluate(SAID, selection)) and "tokens=()" not in said,
        "Python sees what was chosen",
    )
    browser.close()
    assert outside == []
    assert [text for text in complaints if ours(text)] == []


def done(tab) -> bool:
    cells, ran, running, kernel = tab.evaluate(PROGRESS)
    return ran >= cells and not running and kernel == "idle"


def click(tab) -> bool:
    """Click along the canvases of the widget until it says that something is chosen."""
    chosen = "() => document.querySelector('.ow .ow-live')?.textContent.length > 0"
    canvases = tab.locator(".ow canvas[tabindex]")
    for i in range(canvases.count()):
        for across in (0.4, 0.55, 0.7):
            canvas = canvases.nth(i)
            canvas.scroll_into_view_if_needed()
            box = canvas.bounding_box()
            tab.mouse.click(box["x"] + across * box["width"], box["y"] + 0.5 * box["height"])
            tab.wait_for_timeout(200)
            if tab.evaluate(chosen):
                return True
    return False


def abroad(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https", "ws") and urlsplit(url).hostname != HERE


def ours(text: str) -> bool:
    """JupyterLab complains of things of its own, such as files that are not there."""
    return "Failed to load resource" not in text
