"""The loop: learns, resumes bit for bit, stops cleanly, and never harms the checkpoint it has."""

import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model.train.loop import Recipe, Run, train, weights


def task():
    """A small module with dropout and a buffer, its loss, and batches that follow from the step."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 2))
    net.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def batches(step):
        draw = np.random.default_rng([7, step % 2**32])
        x = torch.from_numpy(draw.standard_normal((8, 4)).astype("f4"))
        return {"x": x, "y": torch.stack([x.sum(-1), x[:, 0] - x[:, 1]], -1)}

    def loss(batch):
        if net.training:
            net.seen += len(batch["x"])
        error = F.mse_loss(net(batch["x"]), batch["y"])
        return error, {"root": error.detach() ** 0.5}

    return net, loss, batches


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_learns_logs_and_validates(tmp_path):
    net, loss, batches = task()
    run = Run(out=tmp_path, steps=300, log_every=10, valid_every=100)
    result = train(net, loss, batches, run, Recipe(lr=1e-2), held_out=[batches(-1), batches(-2)])
    assert result.finished and result.step == 300
    log = lines(tmp_path)
    valid = [line["valid_loss"] for line in log if "valid_loss" in line]
    assert len(valid) == 3 and valid[-1] < 0.3 * log[0]["loss"]
    assert {"step", "seconds", "lr", "loss", "norm", "root"} <= log[0].keys()
    assert same(weights(result.checkpoint), net.state_dict())
    again = train(net, loss, batches, run, Recipe(lr=1e-2))
    assert again.finished and again.step == 300 and np.isnan(again.loss)


@pytest.mark.parametrize("stop", [1, 17, 30])
def test_resuming_is_bit_for_bit(tmp_path, stop):
    net, loss, batches = task()
    train(net, loss, batches, Run(out=tmp_path / "whole", steps=40, log_every=5))

    net, loss, batches = task()

    def interrupted(step):
        if step == stop:
            os.kill(os.getpid(), signal.SIGTERM)
        return batches(step)

    half = train(net, loss, interrupted, Run(out=tmp_path / "halves", steps=40, log_every=5))
    assert not half.finished and half.step == stop + 1
    net, loss, batches = task()
    torch.manual_seed(123)  # nothing may depend on where the generator happened to stand
    rest = train(net, loss, batches, Run(out=tmp_path / "halves", steps=40, log_every=5))
    assert rest.finished and rest.step == 40
    with open(tmp_path / "whole/last.safetensors", "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        whole = file.read()[size:]
    with open(tmp_path / "halves/last.safetensors", "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        halves = file.read()[size:]
    assert whole == halves  # weights and moments
    steps = [line["step"] for line in lines(tmp_path / "halves")]
    assert steps == sorted(set(steps))


def test_resuming_forgets_lines_after_the_checkpoint(tmp_path):
    net, loss, batches = task()
    train(net, loss, batches, Run(out=tmp_path, steps=20, log_every=5))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 25, "loss": 1.0}\n{"step": 30, "lo')
    train(net, loss, batches, Run(out=tmp_path, steps=40, log_every=5))
    assert [line["step"] for line in lines(tmp_path)] == [5, 10, 15, 20, 25, 30, 35, 40]


def test_a_budget_of_minutes_ends_with_the_schedule(tmp_path):
    net, loss, batches = task()
    result = train(net, loss, batches, Run(out=tmp_path, minutes=0.01, log_every=1))
    assert result.finished and 0.6 <= result.seconds < 3
    rates = [line["lr"] for line in lines(tmp_path)]
    assert max(rates) > 5e-4 and rates[-1] < 1e-4
    more = train(net, loss, batches, Run(out=tmp_path, minutes=0.02))
    assert more.step > result.step and more.seconds >= 1.2


TWO = """
import sys, time, torch
from torch import nn
from pathlib import Path
from model.train.loop import Run, train

torch.manual_seed(0)
net = nn.ModuleDict({"always": nn.Linear(3, 1), "odd": nn.Linear(3, 1)})
taken = []

def batches(step):
    taken.append(step)
    time.sleep(0.02 * (step % 2))  # one process is slower
    return torch.full((2, 3), 1.0 + step % 5), torch.tensor(step % 4 == 1)

def loss(batch):
    x, odd = batch
    parts = ["always", "odd"] if odd else ["always"]
    return sum(net[name](x).pow(2).mean() for name in parts), {}

out = Path(sys.argv[1])
result = train(net, loss, batches, Run(out, minutes=0.02))
torch.save([result.step, taken, net.state_dict()], out / f"{taken[0]}.pt")
"""


def test_two_processes_take_turns_and_end_together(tmp_path):
    (tmp_path / "two.py").write_text(TWO)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    own = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}
    done = subprocess.run([*command, tmp_path / "two.py", tmp_path / "run"], env=own, timeout=120,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (steps, even, one), (also, odd, two) = (torch.load(tmp_path / f"run/{i}.pt") for i in (0, 1))
    assert steps == also > 3
    assert sorted(even + odd) == list(range(2 * steps))
    assert same(one, two) and same(weights(tmp_path / "run/last.safetensors"), one)


def test_schedule():
    cosine = Recipe(lr=1.0, warmup=0.1)
    assert cosine.at(0.05) == pytest.approx(0.5, abs=0.01) and cosine.at(0.1) == pytest.approx(1.0)
    assert cosine.at(0.55) == pytest.approx(0.5) and cosine.at(1.0) == pytest.approx(0.0)
    flat = Recipe(lr=1.0, warmup=0.0, decay=0.2)
    assert flat.at(0.0) == flat.at(0.8) == 1.0 and flat.at(0.9) == pytest.approx(0.5)
    assert Recipe(lr=1.0, warmup=0.0, decay=0.0).at(0.99) == 1.0


def test_parts_have_their_own_rates_and_frozen_parts_stay(tmp_path):
    net, loss, batches = task()
    net[3].requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    train(net, loss, batches, Run(out=tmp_path, steps=3), Recipe(scales={"0.bias": 0.0}))
    after = net.state_dict()
    assert torch.equal(after["3.weight"], before["3.weight"])
    assert torch.equal(after["0.bias"], before["0.bias"])
    assert not torch.equal(after["0.weight"], before["0.weight"])
    with pytest.raises(ValueError, match="no trained parameter is named like"):
        train(net, loss, batches, Run(out=tmp_path / "b", steps=3), Recipe(scales={"head.*": 0.1}))


def test_several_modules_at_once(tmp_path):
    net, loss, batches = task()
    result = train({"net": net}, loss, batches, Run(out=tmp_path, steps=2))
    assert "net.0.weight" in weights(result.checkpoint)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    net, loss, batches = task()
    train(net, loss, batches, Run(out=tmp_path, steps=5))
    before = (tmp_path / "last.safetensors").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # no file may grow beyond this
    try:
        with pytest.raises(OSError, match="disk full.*as it was"):
            train(net, loss, batches, Run(out=tmp_path, steps=10))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.safetensors", "metrics.jsonl"]
    assert train(net, loss, batches, Run(out=tmp_path, steps=10)).step == 10


def test_gradients_that_are_not_finite(tmp_path):
    net, loss, batches = task()

    def sometimes(step):
        batch = batches(step)
        return batch if step != 2 else {**batch, "y": batch["y"] * float("inf")}

    result = train(net, loss, sometimes, Run(out=tmp_path / "a", steps=5, log_every=5))
    assert result.step == 5 and lines(tmp_path / "a")[0]["skipped"] == pytest.approx(0.2)
    assert all(value.isfinite().all() for value in net.state_dict().values())

    def never(step):
        return {**batches(step), "x": batches(step)["x"] * float("nan")}

    with pytest.raises(FloatingPointError, match="20 steps in a row"):
        train(net, loss, never, Run(out=tmp_path / "b", steps=50))


def test_wrong_calls_are_told_in_one_line(tmp_path):
    net, loss, batches = task()
    with pytest.raises(ValueError, match="needs an end"):
        Run(out=tmp_path)
    with pytest.raises(ValueError, match="steps must be more than 0"):
        Run(out=tmp_path, steps=0)
    with pytest.raises(ValueError, match="every parameter is frozen"):
        train(nn.Linear(2, 2).requires_grad_(False), loss, batches, Run(out=tmp_path, steps=1))
    train(net, loss, batches, Run(out=tmp_path, steps=1))
    with pytest.raises(ValueError, match="seed 0, not 1"):
        train(net, loss, batches, Run(out=tmp_path, steps=2, seed=1))
    with pytest.raises(ValueError, match="of another model"):
        train(nn.Linear(3, 3), loss, batches, Run(out=tmp_path, steps=2))
    (tmp_path / "last.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="cannot read a checkpoint"):
        train(net, loss, batches, Run(out=tmp_path, steps=2))
