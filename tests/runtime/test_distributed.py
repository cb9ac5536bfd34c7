"""Several processes train the same network as one would; gloo on the CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.program import RUN, Program

ROOT = Path(__file__).resolve().parents[2]
QUIET = ("scale=smoke", "trainer.threads=1", "logger=none", "evaluation.panels=0")


def run(folder, *arguments, launcher=(), wait=True, ranks=True):
    """Run in processes that are forked; a launcher, and ranks on demand, are new interpreters."""
    if launcher:
        command = [sys.executable, *launcher, str(ROOT / "run.py"), *arguments, *QUIET]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    else:
        process = Program(RUN, *arguments, *QUIET, cwd=folder, jobs=ranks)
    if not wait:
        return process
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def model(path):
    return load_file(path / "model" / "weights.safetensors")


def close(one, other):
    return all(torch.allclose(one[key], other[key], rtol=1e-4, atol=1e-5) for key in one)


CASES = [
    ("task=mri", "strategy=jitter", "trainer.batch_size=3", "epochs=2"),  # shares of two and one
    ("task=seismic", "strategy=adversarial", "trainer.batch_size=2", "epochs=2", "architecture=prox"),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda c: c[1])
def pair(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    for name, devices in (("one", 1), ("two", 2)):
        code, out, err = run(folder, *request.param, f"run_dir={name}", f"trainer.devices={devices}")
        assert code == 0, err
        assert out.count("run directory:") == 1
    return folder, request.param


def test_two_processes_equal_one(pair):
    folder, _ = pair
    assert close(model(folder / "one"), model(folder / "two"))
    rows = [
        [json.loads(line) for line in (folder / n / "metrics.jsonl").read_text().splitlines()] for n in ("one", "two")
    ]
    assert len(rows[0]) == len(rows[1]) == 2
    for a, b in zip(*rows, strict=True):
        assert a["global_step"] == b["global_step"]
        for key in ("train_loss", "val_psnr", "val_ssim"):
            assert a[key] == pytest.approx(b[key], rel=1e-4)
    samples = [(folder / name / "evaluation" / "samples.csv").read_text().splitlines() for name in ("one", "two")]
    keys = [[line.split(",")[:8] for line in text[1:]] for text in samples]
    assert [k[:4] + k[7:] for k in keys[0]] == [k[:4] + k[7:] for k in keys[1]]  # none twice, none lost
    assert json.loads((folder / "two" / "run.json").read_text())["processes"] == 2


def test_torchrun_does_the_same(pair):
    folder, arguments = pair
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    code, out, err = run(folder, *arguments, "run_dir=torchrun", launcher=launcher)
    assert code == 0, err
    assert out.count("run directory:") == 1
    one, other = model(folder / "two"), model(folder / "torchrun")
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_signal_and_going_on(tmp_path):
    arguments = ("task=seismic", "strategy=jitter", "trainer.batch_size=2", "epochs=30", "trainer.devices=2")
    assert run(tmp_path, *arguments, "run_dir=whole")[0] == 0
    process = run(tmp_path, *arguments, "run_dir=parts", wait=False)
    while not (tmp_path / "parts" / "checkpoints" / "epoch-0003.ckpt").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 143, err
    assert "continue with: python run.py task=seismic" in err
    assert json.loads((tmp_path / "parts" / "run.json").read_text())["status"] == "interrupted"
    code, _, err = run(tmp_path, *arguments, "run_dir=parts")
    assert code == 0, err
    assert "continuing from epoch-" in err
    one, other = model(tmp_path / "whole"), model(tmp_path / "parts")
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_process_that_dies_ends_the_others(tmp_path):
    arguments = ("task=seismic", "trainer.batch_size=2", "epochs=5000", "trainer.devices=2", "run_dir=run")
    process = run(tmp_path, *arguments, wait=False, ranks=False)
    while not (tmp_path / "run" / "checkpoints" / "epoch-0001.ckpt").exists() and process.poll() is None:
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    environments = {int(c): Path(f"/proc/{c}/environ").read_bytes() for c in children}
    (follower,) = [child for child, text in environments.items() if b"\0RANK=1\0" in b"\0" + text]
    os.kill(follower, signal.SIGKILL)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 4, err
    assert "run the same command again" in err
    assert "Traceback" not in err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    assert not any(Path(f"/proc/{child}").exists() for child in environments)


def test_more_processes_than_samples(tmp_path):
    code, _, err = run(tmp_path, "task=seismic", "trainer.batch_size=1", "trainer.devices=2")
    assert code == 2
    assert "cannot be shared by 2 processes, trainer.batch_size" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_a_note_is_told_once(tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(20):
        np.save(tmp_path / "images" / f"{i}.npy", np.random.default_rng(i).random((16, 16)))
    (tmp_path / "images" / "notes.txt").write_text("no image")
    images = ("dataset=images", "dataset.path=images", "dataset.crop=null")
    arguments = ("task=denoising", *images, "epochs=1", "trainer.batch_size=2", "trainer.devices=2")
    code, _, err = run(tmp_path, *arguments)
    assert code == 0, err
    assert err.count("notes.txt") == 1
