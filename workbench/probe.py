"""Look into a model and exchange its parts, by name: `find`, `parts`, `tap`, `swap`.

    with tap(omni, "thinker.*.router") as routes:       # read what every matching part returns
        chunks = list(answer(omni, messages))
    with swap(omni, "thinker.*.mixer.core", Explicit):  # put another part in its place
        ...

Ordinary forward hooks on ordinary modules; nothing is deferred, the model knows nothing of it, and
everything is as it was after the `with`, also after an error. "*" stands for any run of characters,
dots included. What runs lazily (a generator) must be drained inside of the `with`.
Left out: reading between modules (what one may want to see is a module with a typed output), and
compiled models (hooks need eager ones).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from torch import nn


class Reading(NamedTuple):
    """What a part returned when it ran."""

    part: str  # its path, e.g. "thinker.stack.blocks.3.ffn.router"
    value: Any


def find(root: nn.Module, path: str) -> dict[str, nn.Module]:
    """The parts of `root` whose path matches; a name that fits nothing is an error."""
    names = dict(root.named_modules())
    found = {name: part for name, part in names.items() if name and fnmatchcase(name, path)}
    if not found:
        raise ValueError(f"no part of {type(root).__name__} is named {path!r}{near(path, names)}")
    return found


def near(wrong: str, known: Iterable[str]) -> str:
    """ "; did you mean ...?" with the names that come closest, or nothing."""
    known = [name for name in known if name]
    close = get_close_matches(wrong, known, 3)
    if not close:
        tail = wrong.rpartition(".")[2].strip("*")
        close = [name for name in known if tail and name.endswith(tail)][:3]
    return f"; did you mean {', '.join(close)}?" if close else ""


Before = Callable[[str, nn.Module, tuple], None]
After = Callable[[str, nn.Module, tuple, Any], None]


@contextmanager
def listen(
    root: nn.Module, path: str, after: After | None = None, before: Before | None = None
) -> Iterator[None]:
    """Be told whenever a matching part runs: `before(name, part, inputs)`, `after(..., output)`."""
    with ExitStack() as hooks:
        for name, part in find(root, path).items():
            if before is not None:

                def tell(part, inputs, name=name):
                    before(name, part, inputs)

                hooks.callback(part.register_forward_pre_hook(tell).remove)
            if after is not None:

                def told(part, inputs, output, name=name):
                    after(name, part, inputs, output)

                hooks.callback(part.register_forward_hook(told).remove)
        yield


@contextmanager
def tap(root: nn.Module, path: str) -> Iterator[list[Reading]]:
    """Read what every matching part returns, in the order in which they ran."""
    readings: list[Reading] = []
    with listen(root, path, lambda name, _part, _in, out: readings.append(Reading(name, out))):
        yield readings


@contextmanager
def swap(
    root: nn.Module, path: str, make: Callable[[nn.Module], nn.Module]
) -> Iterator[dict[str, nn.Module]]:
    """Put `make(part)` in the place of every matching part, and put the parts back after."""
    parts = find(root, path)
    for name in parts:
        inside = next((other for other in parts if other.startswith(name + ".")), None)
        if inside:
            raise ValueError(f"{path!r} names {name} and {inside} inside of it; swap one of them")
    made = {name: make(part) for name, part in parts.items()}
    try:
        for name, part in made.items():
            root.set_submodule(name, part)
        yield made
    finally:
        for name, part in parts.items():
            root.set_submodule(name, part)


class Changed(nn.Module):
    """A part whose output passes through `change(output, *inputs)`.

    The parts inside of it keep their names, so that they can still be tapped and swapped.
    """

    def __init__(self, part: nn.Module, change: Callable[..., Any]):
        super().__init__()
        object.__setattr__(self, "part", part)
        self._modules, self._parameters = part._modules, part._parameters
        self._buffers = part._buffers
        self.change = change

    def forward(self, *inputs: Any) -> Any:
        return self.change(self.part(*inputs), *inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["part"], name)


def unchanged(part: nn.Module) -> nn.Module:
    """The part itself, without changes put around it."""
    while isinstance(part, Changed):
        part = part.part
    return part


# --- what there is --------------------------------------------------------------------------------


class Part(NamedTuple):
    path: str
    kind: str  # class
    parameters: int  # of it and all inside of it
    shapes: tuple[tuple[str, tuple[int, ...]], ...]  # of its own parameters, by name


@dataclass(frozen=True)
class Parts:
    """The tree of a model, in the order of its modules; prints itself."""

    parts: tuple[Part, ...]

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def __repr__(self) -> str:
        rows = []
        for part in self.parts:
            depth, _, name = part.path.rpartition(".")
            indent = "  " * (part.path.count(".") if depth else 0)
            sizes = ", ".join(f"{n} {'x'.join(map(str, size))}" for n, size in part.shapes)
            rows.append((indent + name, part.kind, f"{part.parameters:,}", sizes))
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
        return "\n".join(
            f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {count:>{widths[2]}}  {sizes}".rstrip()
            for name, kind, count, sizes in rows
        )


def parts(root: nn.Module, path: str = "*") -> Parts:
    """The parts of `root` whose path matches, with the shapes of their parameters."""
    return Parts(
        tuple(
            Part(
                name,
                type(part).__name__,
                sum(p.numel() for p in part.parameters()),
                tuple((n, tuple(p.shape)) for n, p in part.named_parameters(recurse=False)),
            )
            for name, part in find(root, path).items()
        )
    )
