from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from vlaser_core.errors import ConfigError, VlaserError
from vlaser_core.train.loop import LoopConfig, train
from vlaser_core.train.processes import Processes, Share

SCRIPT = Path(__file__).with_name("linear_run.py")


def fit(out, steps, seed=0, stop_at=None, **changes):
    torch.manual_seed(seed)
    model = nn.Linear(3, 1)
    target = torch.tensor([[1.0, -2.0, 0.5]])

    def loss_at(step):
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(32, 3, generator=torch.Generator().manual_seed(step))
        return (model(x) - x @ target.T).square().mean()

    train(model, loss_at, LoopConfig(steps, 0.05, **{"warmup": 5, "save_every": 10, "log_every": 10} | changes), out, "fit")
    return model


def entries(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def command(*arguments, processes=1):
    start = [sys.executable] if processes == 1 else [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([*start, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=500)


def test_training_learns(tmp_path):
    model = fit(tmp_path, 150)
    assert model.weight[0].tolist() == pytest.approx([1.0, -2.0, 0.5], abs=0.05)
    logged = entries(tmp_path / "fit.jsonl")
    assert logged[-1]["step"] == 150 and logged[-1]["loss"] < logged[0]["loss"] / 100


def test_the_log_is_tensorboards_as_well(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(tmp_path, 20)
    board = EventAccumulator(str(tmp_path / "tensorboard" / "fit")).Reload()
    told = [(entry["step"], pytest.approx(entry["loss"])) for entry in entries(tmp_path / "fit.jsonl")]
    assert [(event.step, event.value) for event in board.Scalars("loss")] == told


@pytest.mark.timeout(300)
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_that_was_killed_ends_where_it_would_have(linear, tmp_path, optimizer):
    """Killed outright between two saves; weights, average and log come out bit-equal."""
    whole = linear.run(tmp_path / "whole", optimizer=optimizer)
    assert command(tmp_path / "parts", "--die-at", 8, "--optimizer", optimizer).returncode == -signal.SIGKILL
    assert torch.load(tmp_path / "parts" / "run.state.pt", weights_only=True)["step"] == 5
    resumed = linear.run(tmp_path / "parts", seed=99, optimizer=optimizer)
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    numbers = [[{k: v for k, v in entry.items() if k != "updates_per_s"} for entry in entries(tmp_path / name / "run.jsonl")] for name in ("whole", "parts")]
    assert numbers[0] == numbers[1]


def test_a_batch_in_parts_is_the_batch(linear, tmp_path):
    """Also where the parts count differently many samples."""
    whole, parts = linear.run(tmp_path / "whole"), linear.run(tmp_path / "parts", accumulation=4)
    torch.testing.assert_close(whole.state_dict(), parts.state_dict())
    for one, other in zip(entries(tmp_path / "whole/run.jsonl"), entries(tmp_path / "parts/run.jsonl"), strict=True):
        assert one["loss"] == pytest.approx(other["loss"]) and one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_give_the_loss_of_one(linear, tmp_path):
    """On copies of the model and on shards of it, by gloo; evaluation in between changes nothing."""
    alone = linear.run(tmp_path / "alone")
    done = command(tmp_path, processes=2)
    assert done.returncode == 0, done.stderr
    for name in ("copies", "shards"):
        for one, other in zip(entries(tmp_path / "alone/run.jsonl"), entries(tmp_path / name / "run.jsonl"), strict=True):
            assert all(one[key] == pytest.approx(other[key], rel=1e-4, abs=1e-5) for key in one if key != "updates_per_s")
        torch.testing.assert_close(torch.load(tmp_path / f"{name}.pt", weights_only=True), alone.state_dict(), rtol=1e-3, atol=1e-5)
    # What was saved in pieces is read in one: a run on shards goes on alone, and one on copies as well.
    for name in ("copies", "shards"):
        torch.testing.assert_close(linear.run(tmp_path / name, seed=5).state_dict(), alone.state_dict(), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_process_that_dies_is_told_by_the_others_and_the_last_state_stays(tmp_path):
    """Started by hand: torchrun would end the others before they could say anything."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in ("0", "1"):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
        line = [sys.executable, str(SCRIPT), str(tmp_path), "--die-at", "8"]
        started.append(subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=os.environ | place))
    _, told = started[0].communicate(timeout=500)
    assert started[1].wait(60) == -signal.SIGKILL and started[0].returncode == 1
    assert "another process of this run is gone at step 8; the last good state is in" in told
    assert torch.load(tmp_path / "copies/run.state.pt", weights_only=True)["step"] == 5


def test_a_finished_run_is_not_run_again(tmp_path):
    fit(tmp_path, 20)
    fit(tmp_path, 20, stop_at=0)


@pytest.mark.parametrize(("factor", "told"), [(float("nan"), "the loss is nan at step 15"), (1e30, "the gradient's norm is inf at step 15")])
def test_what_is_not_finite_stops_the_run_with_the_last_good_state_on_disk(tmp_path, factor, told):
    model = nn.Linear(1, 1)
    loss_at = lambda step: (model(torch.ones(1)) * (factor if step == 15 else 1.0)).sum()  # noqa: E731
    with pytest.raises(VlaserError, match=f"{told}.*state"):
        train(model, loss_at, LoopConfig(30, 0.01, save_every=10), tmp_path, "bad")
    assert torch.load(tmp_path / "bad.state.pt", weights_only=True)["step"] == 10


def test_a_full_disk_at_a_save_is_told_and_the_last_state_stays(tmp_path):
    fit(tmp_path, 10, schedule="constant")
    size = (tmp_path / "fit.state.pt").stat().st_size
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
        with pytest.raises(VlaserError, match="cannot write .*fit.state.pt.*still the one saved before.*same command again"):
            fit(tmp_path, 30, log_every=100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert torch.load(tmp_path / "fit.state.pt", weights_only=True)["step"] == 10 and not list(tmp_path.glob("*.part"))
    assert torch.equal(fit(tmp_path, 30, schedule="constant").weight, fit(tmp_path / "whole", 30, schedule="constant").weight)


def test_a_damaged_state_is_named(tmp_path):
    fit(tmp_path, 10)
    (tmp_path / "fit.state.pt").write_bytes(b"PK half a file")
    with pytest.raises(VlaserError, match="cannot go on from .*fit.state.pt.*remove"):
        fit(tmp_path, 20)


def test_the_state_of_another_model_is_refused(tmp_path):
    fit(tmp_path, 10)
    model = nn.Linear(4, 1)
    with pytest.raises(VlaserError, match=r"trained other weights \(weight\)"):
        train(model, lambda step: model(torch.ones(4)).sum(), LoopConfig(20, 0.01), tmp_path, "fit")


def test_norms_and_biases_do_not_decay_and_rates_go_by_name(tmp_path):
    model = nn.ModuleDict({"slow": nn.Linear(2, 2), "fast": nn.Linear(2, 2)})
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def loss_at(step):
        return sum(parameter.sum() for parameter in model.parameters()) * 1e-12

    train(model, loss_at, LoopConfig(1, 0.1, warmup=0, weight_decay=0.5, ema=0.0), tmp_path, "decay", rates={"slow": 0.0})
    moved = {name: (value - before[name]).abs().max() for name, value in model.state_dict().items()}
    assert moved["slow.weight"] == moved["slow.bias"] == 0 and moved["fast.weight"] > 1e-3 and moved["fast.bias"] < 1e-4


def test_low_precision_keeps_trained_weights_as_it_was_told(tmp_path):
    from vlaser_core.train.processes import cast

    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    for precision, frozen, trained in (("autocast", torch.bfloat16, torch.float32), ("bfloat16", torch.bfloat16, torch.bfloat16), ("float32",) + (torch.float32,) * 2):
        cast(model, precision)
        assert (model[0].weight.dtype, model[1].weight.dtype) == (frozen, trained)
        seen = []

        def loss_at(step):
            made = model(torch.ones(2, 4, dtype=model[0].weight.dtype))
            seen.append(made.dtype)
            return made.square().mean()

        train(model, loss_at, LoopConfig(2, 0.01, precision=precision), tmp_path / precision, "low")
        assert seen[0] == (torch.float32 if precision == "float32" else torch.bfloat16)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"accumulation": 0}, {"warmup": -1}, {"schedule": "upstream", "cycle": 100, "warmup": 100}, {"optimizer": "muon", "shard": True}, {"matrix_rate": 0.0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        LoopConfig(**{"steps": 10, "learning_rate": 0.1} | wrong)


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    with pytest.raises(ConfigError, match="multiple of 6"):
        Share(64, 3, Processes(0, 2))


def test_every_row_of_a_batch_is_somebodys():
    shares = [Share(12, 3, Processes(rank, 2)) for rank in (0, 1)]
    rows = [row for micro in range(6, 9) for share in shares for row in range(12)[share.of(micro)[1]]]
    assert rows == list(range(12)) and {share.of(8)[0] for share in shares} == {2}
