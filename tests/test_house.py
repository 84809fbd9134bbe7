"""The house rules that a reader relies on: what may import what, nothing hidden, nothing stale."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
PACKAGES = ("model", "workbench", "widgets")
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]

# a module of `model` imports from its own package and from those listed here
LAW = {
    "layers": "",
    "sampling": "",
    "aria": "",
    "senses": "layers",
    "speech": "layers",
    "data": "layers senses",
    "thinker": "layers",
    "mtp": "layers sampling",
    "talker": "layers senses speech thinker mtp sampling aria",
    "dualtrack": "layers senses speech thinker mtp sampling aria talker",
    "omni": "layers senses speech thinker mtp sampling aria talker",
    "shapes": "layers senses speech thinker mtp sampling aria talker omni",
    "attend": "layers senses thinker omni",
    "form": "senses sampling",
    "turn": "layers senses speech data thinker mtp sampling aria talker dualtrack omni form",
    "transcribe": "turn omni layers senses",
    "rehearse": "aria omni sampling senses speech transcribe turn",
}
LAW["train"] = " ".join(LAW) + " data"


def sources(*folders: str) -> list[Path]:
    return [p for folder in folders for p in sorted((HOUSE / folder).rglob("*.py"))]


def imports(path: Path, nested: bool = True) -> set[str]:
    """Full names of what a file imports; without `nested`, at its top level only."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if nested else tree.body
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_datasets_holds_no_python():
    """A package of that name would hide Hugging Face's."""
    assert list((HOUSE / "datasets").rglob("*.py")) == []


@pytest.mark.parametrize("path", sources("model"), ids=lambda p: str(p.relative_to(HOUSE)))
def test_model_imports_downwards(path):
    own = path.relative_to(HOUSE / "model").with_suffix("").parts[0]
    if own == "__init__":
        assert not imports(path)
        return
    assert own in LAW, f"say in LAW what model/{own} may import"
    allowed = {own, *LAW[own].split()}
    for name in imports(path):
        package, _, rest = name.partition(".")
        assert package not in ("workbench", "widgets"), f"model knows nothing of {name}"
        assert package != "model" or rest.split(".")[0] in allowed, f"{own} may not import {name}"


def test_widgets_stand_alone():
    for path in sources("widgets"):
        assert not {n.split(".")[0] for n in imports(path)} & {"model", "workbench", "torch"}, path


def test_every_import_is_declared():
    """What stands at the top of a file that `omni talk` needs is a base dependency."""
    base = _names(PROJECT["dependencies"])
    every = base.union(*map(_names, PROJECT["optional-dependencies"].values()))
    where = importlib.metadata.packages_distributions()
    with_extras = (  # imported where what they need was asked for
        "model/data/", "model/train/", "workbench/evidence/", "workbench/judges.py",
        "workbench/attribution/", "workbench/pieces.py", "workbench/dashboard/",
        "workbench/chat/",
    )  # fmt: skip
    for path in sources("model", "workbench", "widgets", "tests"):
        inside = str(path.relative_to(HOUSE))
        base_only = not inside.startswith((*with_extras, "tests/"))
        for nested in (False, True):
            for name in imports(path, nested):
                package = name.split(".")[0]
                if package in sys.stdlib_module_names or package in PACKAGES:
                    continue
                declared = base if base_only and not nested else every
                found = {_plain(d) for d in where.get(package, [package])}
                assert found & declared, f"{inside} imports {package}, pyproject.toml lacks it"


def test_tested_versions_are_within_the_bounds():
    from packaging.requirements import Requirement

    lines = (HOUSE / "constraints.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    bounds = {_plain(r.name): r.specifier for g in groups for r in map(Requirement, g)}
    for name, version in tested.items():
        assert version in bounds[_plain(name)], f"{name} {version} is outside of pyproject.toml"


def test_the_command_line_starts_without_torch():
    told = (
        "import sys, workbench.cli; print(sorted({'torch', 'numpy', 'model'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, cwd=HOUSE)
    assert done.stdout.strip() == "[]", done.stderr


def test_nothing_speaks_of_one_machine():
    machine = re.compile(r"""(?<![\w.~>:/-])/(home|root|Users|mnt|opt|work|tmp)/\w""")
    listed = subprocess.run(["git", "ls-files"], cwd=HOUSE, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = HOUSE / name
        if path.suffix in (".py", ".md", ".toml", ".txt", ".json", ".js", "") and path.is_file():
            text = path.read_text(errors="ignore")
            assert not machine.search(text), f"{name}: {machine.search(text)}"


def test_the_readme_tells_of_commands_and_files_that_exist():
    text = (HOUSE / "README.md").read_text()
    make = (HOUSE / "Makefile").read_text()
    cli = "".join((HOUSE / "workbench" / f).read_text() for f in ("cli.py", "training.py"))
    for target in re.findall(r"^make (\w+)", text, re.M):
        assert re.search(rf"^{target}:", make, re.M), f"make {target}"
    commands = re.findall(r"(?:^|\| |`)omni (\w+)(?: (\w+))?", text, re.M)
    assert commands
    for command, second in commands:
        group = command in ("data", "train")
        for name in (command, second) if group else (command,):
            assert re.search(rf'def {name}\(|name="{name}"', cli), f"omni {command} {second}"
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (HOUSE / target).exists(), f"README's link: {target}"
    tree = text.partition("## The tree")[2].split("```")[1]
    folders: list[str] = []
    for line in filter(str.strip, tree.splitlines()):
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.split(r"\s{2,}", line.strip())[0].split()
        folders = folders[:depth]
        for name in names:
            assert (HOUSE / "/".join([*folders, name])).exists(), f"README's tree: {line}"
        folders.append(names[0].rstrip("/"))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(requirements: list[str]) -> set[str]:
    return {_plain(re.match(r"[\w.-]+", line)[0]) for line in requirements}
