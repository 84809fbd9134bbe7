"""The training loop, the only one: every stage hands it a module, a loss and its batches.

    def batches(step: int) -> dict[str, Tensor]:        # a pure function of the step (and a seed)
        draw = np.random.default_rng([seed, step])
        return {"x": ..., "y": ...}

    def loss(batch) -> tuple[Tensor, dict[str, Tensor]]:   # closes over `module`
        y = module(batch["x"])
        return F.mse_loss(y, batch["y"]), {"mae": (y - batch["y"]).abs().mean()}

    result = train(module, loss, batches, Run(out=Path("runs/speak"), minutes=40),
                   Recipe(lr=8e-4), held_out=[batches(-1 - i) for i in range(4)])
    module.load_state_dict(weights(result.checkpoint))  # or of another, earlier run

Call it again with the same `out` and it goes on where it stopped; a finished run returns at once.

- A run ends after `steps`, or after `minutes` of wall clock spent training (whichever comes first);
  the schedule follows the same measure, so a budget in minutes also ends with a learning rate of 0.
  Seconds already trained are kept in the checkpoint. With `steps` alone a run that is interrupted
  and resumed is, bit for bit, the run that was not; with `minutes` the schedule reads the clock.
- All random numbers of a step (dropout and the like) follow from (seed, step), so no generator
  state has to be kept.
- A checkpoint is one safetensors file, `last.safetensors`: weights ("model."), the optimizer's
  moments ("optim.") and step, seconds and seed in its header. It is written under another name and
  renamed.
- SIGINT and SIGTERM end the step, save and return (`finished=False`); a second one is not caught.
- A step whose gradient is not finite is skipped and counted; 20 in a row raise.
- Several processes (`torchrun --nproc-per-node 2 -m workbench.cli train ...`): process r of n takes
  batch `step * n + r`; the first one's clock counts, and when one is stopped, all stop.
  Batches are tensors in tuples, dicts or named tuples, so that they can be moved to the device.

Left out: gradient accumulation, a second optimiser, sharded weights, loading data in workers.
"""

import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedDataParallelKwargs,
    gather,
    send_to_device,
    set_seed,
)
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from model.train.muon import Muon
from model.train.precision import has_bf16

Batch = Any  # tensors in tuples, dicts or named tuples
Loss = Callable[[Batch], tuple[Tensor, Mapping[str, Tensor | float]]]

MOST_SKIPS = 20  # steps in a row without a finite gradient


@dataclass(frozen=True)
class Recipe:
    """The optimizer (muon.py) and its schedule. Matrices decay; vectors do not."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the whole gradient
    warmup: float = 0.02  # this share of the run rises from 0
    decay: float = 1.0  # this share of the run falls to 0 at its end as half a cosine; between: lr
    scales: Mapping[str, float] = field(default_factory=dict)  # {"thinker.*": 0.1}: lr of a part

    def at(self, done: float) -> float:
        """The learning rate when this share of the run is done."""
        rise = min(1.0, done / self.warmup) if self.warmup > 0 else 1.0
        fall = min(1.0, (1.0 - done) / min(self.decay, 1.0 - self.warmup)) if self.decay > 0 else 1
        return self.lr * rise * (0.5 - 0.5 * math.cos(math.pi * max(0.0, fall)))


@dataclass(frozen=True)
class Run:
    """How long to train, and where to keep what comes of it."""

    out: Path
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    bf16: bool | None = None  # None: where the processor has it in hardware
    save_minutes: float = 5.0
    log_every: int = 20  # steps
    valid_every: int = 250  # steps

    def __post_init__(self):
        if self.steps is None and self.minutes is None:
            raise ValueError("a run needs an end: give steps, minutes or both")
        for name in ("steps", "minutes"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise ValueError(f"{name} must be more than 0, not {value}")

    def done(self, step: int, seconds: float) -> float:
        """The share of the run that lies behind, 0 to 1."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / self.steps)
        if self.minutes is not None:
            shares.append(seconds / (60 * self.minutes))
        return min(1.0, max(shares))


class Result(NamedTuple):
    step: int
    seconds: float  # of training, over all calls
    finished: bool  # False: stopped by a signal before its end
    loss: float  # of the last step; NaN when there was nothing left to do
    checkpoint: Path


def train(
    module: nn.Module | dict[str, nn.Module],
    loss: Loss,
    batches: Callable[[int], Batch],
    run: Run,
    recipe: Recipe | None = None,
    held_out: Sequence[Batch] = (),
) -> Result:
    """Train `module` (or several at once, as a dict) until the run's end or a signal."""
    recipe = recipe or Recipe()
    module = nn.ModuleDict(module) if isinstance(module, dict) else module
    some = DistributedDataParallelKwargs(find_unused_parameters=True)  # not every batch needs all
    accelerator = Accelerator(  # without autocast: that is _Task's
        mixed_precision="no", cpu=not torch.accelerator.is_available(), kwargs_handlers=[some]
    )
    tables = [m.weight for m in module.modules() if isinstance(m, nn.Embedding)]
    optimizer = Muon(_groups(module, recipe), recipe.lr, recipe.betas, tables)
    run.out.mkdir(parents=True, exist_ok=True)
    checkpoint = run.out / "last.safetensors"
    step, spent = 0, 0.0
    if checkpoint.exists():
        step, spent = _restore(checkpoint, module, optimizer, run.seed)
    bf16 = has_bf16(accelerator.device) if run.bf16 is None else run.bf16
    task, optimizer = accelerator.prepare(_Task(module, loss, bf16), optimizer)
    log = _Log(run.out / "metrics.jsonl", step, accelerator.is_main_process)

    start = saved = time.monotonic()
    first, value, skips = step, math.nan, 0
    with _signals() as stop, _bar(run, step, spent, accelerator.is_main_process) as bar:
        while True:
            seconds, stopped = _together(spent + time.monotonic() - start, stop, accelerator)
            if (done := run.done(step, seconds)) >= 1 or stopped:
                break
            for group in optimizer.param_groups:
                group["lr"] = recipe.at(done) * group["scale"]
            set_seed(run.seed + step, device_specific=True)
            task.train()
            batch = batches(step * accelerator.num_processes + accelerator.process_index)
            total, metrics = task(send_to_device(batch, accelerator.device))
            optimizer.zero_grad()
            accelerator.backward(total)
            norm = float(accelerator.clip_grad_norm_(task.parameters(), recipe.clip))
            if math.isfinite(norm):
                optimizer.step()
                skips = 0
            elif (skips := skips + 1) >= MOST_SKIPS:
                raise FloatingPointError(
                    f"{skips} steps in a row without a finite gradient, at step {step}: "
                    "the learning rate is probably too high"
                )
            step, value = step + 1, float(total.detach())
            log.add({"loss": value, "norm": norm, "skipped": float(skips > 0), **metrics})
            if step % run.log_every == 0:
                log.write(step, seconds, lr=recipe.at(done))
            if held_out and step % run.valid_every == 0:
                log.write_valid(step, seconds, _validate(task, held_out, run, accelerator))
            bar.set_postfix_str(f"loss {value:.4g}", refresh=False)
            bar.update((step if run.minutes is None else int(60 * run.minutes * done)) - bar.n)
            if time.monotonic() - saved > 60 * run.save_minutes:
                seconds = spent + time.monotonic() - start
                _save(checkpoint, module, optimizer, step, seconds, run.seed, accelerator)
                saved = time.monotonic()
        if step > first:  # something was trained since the checkpoint was read
            if step % run.log_every:
                log.write(step, seconds, lr=recipe.at(done))
            if held_out and done >= 1 and step % run.valid_every:
                log.write_valid(step, seconds, _validate(task, held_out, run, accelerator))
            _save(checkpoint, module, optimizer, step, seconds, run.seed, accelerator)
    return Result(step, seconds, done >= 1, value, checkpoint)


def weights(checkpoint: str | Path) -> dict[str, Tensor]:
    """The state dict of the module in a checkpoint of `train`."""
    with _opened(Path(checkpoint)) as file:
        return {
            name.removeprefix("model."): file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118 (not a dict)
            if name.startswith("model.")
        }


class _Task(nn.Module):
    """What is wrapped for several processes: one forward is one loss, whatever parts it calls."""

    def __init__(self, module: nn.Module, loss: Loss, bf16: bool):
        super().__init__()
        self.module, self.loss, self.bf16 = module, loss, bf16

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        device = next(self.module.parameters()).device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.bf16):
            total, metrics = self.loss(batch)
        return total.float(), {
            name: float(torch.as_tensor(v).detach()) for name, v in metrics.items()
        }


def _groups(module: nn.Module, recipe: Recipe) -> list[dict]:
    """Parameters that share learning rate and weight decay; frozen ones are in none."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    unused = set(recipe.scales)
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        patterns = [pattern for pattern in recipe.scales if fnmatchcase(name, pattern)]
        unused -= set(patterns)
        scale = recipe.scales[patterns[-1]] if patterns else 1.0
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((scale, decay), []).append(parameter)
    if unused:
        raise ValueError(f"no trained parameter is named like {sorted(unused)}")
    if not groups:
        raise ValueError("nothing to train: every parameter is frozen")
    return [
        {"params": parameters, "scale": scale, "weight_decay": decay}
        for (scale, decay), parameters in groups.items()
    ]


def _together(seconds: float, stop: threading.Event, accelerator: Accelerator):
    """Seconds by the clock of the first process, and whether any is to stop: all end together."""
    if accelerator.num_processes == 1:
        return seconds, stop.is_set()
    own = torch.tensor([[seconds, stop.is_set()]], dtype=torch.float64, device=accelerator.device)
    told = gather(own)
    return float(told[0, 0]), bool(told[:, 1].any())


def _validate(task: nn.Module, held_out: Sequence[Batch], run: Run, accelerator: Accelerator):
    """The mean loss and metrics over the held-out batches."""
    means = _Means()
    set_seed(run.seed)
    task.eval()
    with torch.no_grad():
        for batch in held_out:
            total, metrics = task(send_to_device(batch, accelerator.device))
            means.add({"loss": float(total), **metrics})
    return means.take()


# --- checkpoints ---------------------------------------------------------------------------------


def _save(path: Path, module, optimizer, step: int, seconds: float, seed: int, accelerator):
    """Write all or nothing: the checkpoint that was there stays until the new one is complete."""
    if not accelerator.is_main_process:
        return
    plain = getattr(optimizer, "optimizer", optimizer)
    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        for key, moment in plain.state.get(parameter, {}).items():
            tensors[f"optim.{name}.{key}"] = moment
    header = {"step": str(step), "seconds": repr(seconds), "seed": str(seed)}
    part = path.with_suffix(".part")
    try:
        save_file({k: v.detach().contiguous() for k, v in tensors.items()}, part, metadata=header)
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise OSError(
            f"could not write {path} (is the disk full?): {error}; "
            "the checkpoint before it is as it was"
        ) from error


def _restore(path: Path, module: nn.Module, optimizer, seed: int) -> tuple[int, float]:
    """Put weights and moments back; the step and the seconds trained so far."""
    with _opened(path) as file:
        header = file.metadata() or {}
        moments = {n: file.get_tensor(n) for n in file.keys() if n.startswith("optim.")}  # noqa: SIM118
    if "step" not in header:
        raise ValueError(f"{path} holds weights but no training state: was it made by `train`?")
    if int(header["seed"]) != seed:
        raise ValueError(f"{path} was trained with seed {header['seed']}, not {seed}")
    try:
        module.load_state_dict(weights(path))
    except RuntimeError as error:
        raise ValueError(
            f"{path} is of another model than the one to train; give another folder ({error})"
        ) from None
    for name, parameter in module.named_parameters():
        keys = ("momentum",) if optimizer.turns(parameter) else ("step", "exp_avg", "exp_avg_sq")
        own = {key: moments.get(f"optim.{name}.{key}") for key in keys}
        if all(value is not None for value in own.values()):
            optimizer.state[parameter] = own
    return int(header["step"]), float(header["seconds"])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise ValueError(f"cannot read a checkpoint from {path}: {error}") from None


# --- what is told on the way ---------------------------------------------------------------------


class _Means:
    def __init__(self):
        self.sums: dict[str, float] = {}
        self.count: dict[str, int] = {}

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):  # told by "skipped"; JSON has no word for it
                continue
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
            self.count[name] = self.count.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        means = {name: total / self.count[name] for name, total in self.sums.items()}
        self.sums, self.count = {}, {}
        return means


class _Log:
    """metrics.jsonl: one line every few steps, means since the line before."""

    def __init__(self, path: Path, step: int, main: bool):
        self.path, self.main, self.means = path, main, _Means()
        if main and path.exists():  # forget what was written after the checkpoint we resume from
            lines = path.read_text().splitlines()
            kept = [
                line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step
            ]
            path.write_text("".join(line + "\n" for line in kept))

    def add(self, values: Mapping[str, float]) -> None:
        self.means.add(values)

    def write(self, step: int, seconds: float, lr: float) -> None:
        self._line({"step": step, "seconds": round(seconds, 1), "lr": lr, **self.means.take()})

    def write_valid(self, step: int, seconds: float, values: dict[str, float]) -> None:
        named = {f"valid_{name}": value for name, value in values.items()}
        self._line({"step": step, "seconds": round(seconds, 1), **named})

    def _line(self, values: Mapping[str, float | int]) -> None:
        if self.main:
            rounded = {
                k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in values.items()
            }
            with self.path.open("a") as file:
                file.write(json.dumps(rounded) + "\n")


def _bar(run: Run, step: int, seconds: float, main: bool) -> tqdm:
    """Progress and the time left, on standard error."""
    in_steps = run.minutes is None
    return tqdm(
        total=run.steps if in_steps else int(60 * run.minutes),
        initial=step if in_steps else int(60 * run.minutes * run.done(step, seconds)),
        unit="step" if in_steps else "s",
        desc=run.out.name,
        mininterval=1 if sys.stderr.isatty() else 30,
        disable=not main,
    )


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second finds the handler of before."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)}

    def restore():
        for sign, handler in before.items():
            signal.signal(sign, handler)

    def listen(_sign, _frame):
        stop.set()
        restore()

    for sign in before:
        signal.signal(sign, listen)
    try:
        yield stop
    finally:
        restore()
