"""The workbench: run a turn, see it, change one thing, run it again. `import workbench as wb`

Nothing is imported before it is asked for, so that `import workbench` is quick; opening a saved
run needs no torch.
"""

from importlib import import_module
from typing import Any

_EDITS = (
    "aria", "ban_expert", "compact_places", "drop_timestamps", "dual_track", "fixed_ratio",
    "force_expert", "from_json", "hearing_window", "mean_head", "mean_layer", "next_best", "pace",
    "patch", "router_temperature", "scramble_timestamps", "shift_timestamps", "shuffle_experts",
    "space_timestamps", "stretch_timestamps", "text_first", "top_k", "zero_head", "zero_layer",
)  # fmt: skip
_WHERE = {
    "load": "lab.load",
    "Lab": "lab.Lab",
    "Run": "run.Run",
    "Inputs": "run.Inputs",
    "open": "omnirun.open_run",
    "diff": "compare.diff",
    "Sweep": "sweep.Sweep",
    "find": "probe.find",
    "tap": "probe.tap",
    "swap": "probe.swap",
    **{name: f"edits.{name}" for name in _EDITS},
}
_MODULES = ("controls", "edits", "metrics", "probe")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"workbench.{name}")
    if name not in _WHERE:
        raise AttributeError(f"workbench has no {name!r}; it has {', '.join(sorted(_WHERE))}")
    module, _, attribute = _WHERE[name].partition(".")
    return getattr(import_module(f"workbench.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted([*_WHERE, *_MODULES])
