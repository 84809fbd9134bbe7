"""What several files of tests start from.

Models are imported late: this file is read before pytest's checks of shapes are on.
"""

import shutil

import pytest


@pytest.fixture(scope="module")
def lab():
    """A lab around nano, with weights drawn from seed 0; each file has its own."""
    import torch

    import workbench as wb
    from model.omni import Omni, OmniConfig

    torch.manual_seed(0)
    return wb.load(Omni(OmniConfig.nano()))


@pytest.fixture(scope="module")
def chromium():
    """Starts the Chromium of this machine with some flags; no browser is downloaded."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install playwright"
    )
    names = ("chromium", "chromium-browser", "google-chrome")
    if not (path := next(filter(None, map(shutil.which, names)), "")):
        pytest.skip("needs Chromium: apt install chromium")
    with playwright.sync_playwright() as play:
        yield lambda *flags: play.chromium.launch(
            executable_path=path, args=["--no-sandbox", *flags]
        )
