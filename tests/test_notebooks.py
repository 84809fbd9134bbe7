"""The notebooks: each runs from nothing in a kernel of its own, and is kept as a reader needs it.

What is expected of the files: short cells, a prediction before the picture, asserts at the end,
outputs that show where no script runs. To make the outputs anew: notebooks/README.md.
"""

import gc
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs Jupyter: pip install -e '.[lab]'")
nbclient = pytest.importorskip("nbclient", reason="needs Jupyter: pip install -e '.[lab]'")

HOUSE = Path(__file__).parents[1] / "notebooks"
BOOKS = sorted(HOUSE.glob("*.ipynb"))
LINES, BYTES = 5, 1_500_000  # of code in a cell; of a file

# Jupyter's own, while it starts and stops kernels
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
each = pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def swept():
    """The loops that Jupyter leaves open are cleared away here, not in somebody else's test."""
    yield
    gc.collect()


def read(path: Path):
    return nbformat.read(path, as_version=4)


def code(book) -> list:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def lines(cell) -> list[str]:
    """What has to be understood: no blank lines, no comments."""
    return [line for line in cell.source.splitlines() if not re.match(r"\s*(#|%%|$)", line)]


def outputs(book) -> list:
    return [output for cell in code(book) for output in cell.outputs]


def test_all_eight_are_there():
    assert [path.name[:2] for path in BOOKS] == [f"{i:02}" for i in range(8)]


@each
def test_a_notebook_runs_from_nothing(path, monkeypatch):
    monkeypatch.setenv("WB_RENDER", "static")
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")  # the kernel of the Python that runs this
    book, where = read(path), {"metadata": {"path": str(HOUSE)}}
    nbclient.NotebookClient(book, timeout=600, kernel_name="python3", resources=where).execute()
    assert not any(output.output_type == "error" for output in outputs(book))


@each
def test_a_notebook_is_written_for_a_class(path):
    book = read(path)
    prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    assert prose.count("**Write down what you expect.**") >= 4
    assert prose.count("**What we see.**") >= 3
    assert "## Try it" in prose and "micro" in prose
    for cell in code(book):
        assert len(lines(cell)) <= LINES, f"more than {LINES} lines:\n{cell.source}"
    last = prose.rpartition("## ")[2]
    assert last.startswith("What is always true")
    assert "assert " in code(book)[-1].source


@each
def test_its_outputs_show_where_nothing_runs(path):
    book, size = read(path), path.stat().st_size
    assert size < BYTES, f"{size / 1e6:.2f} MB"
    counts = [cell.execution_count for cell in code(book) if lines(cell)]
    assert counts == sorted(counts) and counts[0] == 1, "run it from the top: notebooks/README.md"
    kinds = [kind for output in outputs(book) for kind in output.get("data", {})]
    assert not [kind for kind in kinds if "widget" in kind]
    html = "".join(o.data["text/html"] for o in outputs(book) if "text/html" in o.get("data", {}))
    assert kinds.count("image/png") + html.count('src="data:image/png') >= 3
    assert not any(output.output_type == "error" for output in outputs(book))


@each
def test_it_keeps_nothing_of_the_one_who_ran_it(path):
    book = read(path)
    assert book.metadata.kernelspec.name == "python3"
    assert set(book.metadata) <= {"kernelspec", "language_info"}
    assert not [cell.metadata for cell in book.cells if cell.metadata]
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    texts = [cell.source for cell in book.cells] + [
        str(text)
        for output in outputs(book)
        for text in (output.get("text", ""), output.get("data", {}).get("text/plain", ""))
    ]
    for text in texts:
        assert not re.search(r"(?<![\w.~>:/-])/(home|root|Users|mnt|opt|work|tmp)/\w", text), text


def test_nothing_is_fetched():
    for path in [*BOOKS, *HOUSE.glob("*.js"), *HOUSE.glob("*.html")]:
        asset = r"""(src|href|import|from|url|fetch)\W{0,4}(https?:)?//\w"""
        found = re.search(asset, path.read_text(encoding="utf-8").replace("://www.w3.org", ""))
        assert not found, f"{path.name}: {found and found[0]}"
