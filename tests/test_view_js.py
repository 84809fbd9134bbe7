"""The pure functions of the views, run by node."""

import shutil
import subprocess
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]


@pytest.mark.skipif(not shutil.which("node"), reason="needs node: apt install nodejs")
def test_pure_functions():
    files = [str(path) for path in (HOUSE / "tests" / "js").glob("*.test.mjs")]
    assert files
    done = subprocess.run(["node", "--test", *files], capture_output=True, text=True, cwd=HOUSE)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
