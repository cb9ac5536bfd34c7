"""The same command gives the same bits; incidental circumstances change none."""

import hashlib
import json
import re
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from sgdj.runs.verification import hashes
from tests.program import RUN, run

BASE = ("task=mri", "scale=smoke", "strategy=jitter", "epochs=2", "trainer.threads=1", "logger=none", "run_dir=run")


def fresh(folder, *more, interpreter=False):
    """Run in a new process and folder; hashes of weights, metrics (times apart) and samples."""
    folder.mkdir()
    if interpreter:  # with its own seed of `hash`, too
        command = [sys.executable, str(RUN), *BASE, *more]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    else:
        done = run(RUN, *BASE, *more, cwd=folder)
    assert done.returncode == 0, done.stderr
    made = folder / "run"
    metrics = [json.loads(line) for line in (made / "metrics.jsonl").read_text().splitlines()]
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in metrics]
    weights = hashlib.sha256()
    for name, tensor in sorted(load_file(made / "model" / "weights.safetensors").items()):
        weights.update(name.encode() + tensor.numpy().tobytes())
    return weights.hexdigest(), json.dumps(rows), hashes(made)["evaluation/samples.csv"]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return fresh(tmp_path_factory.mktemp("first") / "a", interpreter=True)


def test_the_same_command_gives_the_same_bits(first, tmp_path):
    assert fresh(tmp_path / "b") == first


def test_another_seed_gives_others(first, tmp_path):
    weights, metrics, samples = fresh(tmp_path / "b", "seed=1")
    assert weights != first[0]
    assert metrics != first[1]
    assert samples != first[2]


@pytest.mark.parametrize(
    "more", [["trainer.workers=2", "logger=wandb"], ["trainer.deterministic=true"], ["trainer.reuse_memory=false"]]
)
def test_workers_logging_and_determinism_change_nothing(first, tmp_path, more):
    assert fresh(tmp_path / "b", *more) == first


def test_evaluation_settings_do_not_change_training(first, tmp_path):
    weights, metrics, samples = fresh(tmp_path / "b", "evaluation.curve=[]", "attack.rho=0.1", "shift=[lesion]")
    assert (weights, metrics) == first[:2]
    assert samples != first[2]


def test_verify_checks_every_hash(cli, tmp_path):
    arguments = ("task=toy", "scale=smoke", "logger=none", "run_dir=run")
    assert cli(*arguments)[0] == 0
    code, out, err = cli("mode=verify", "run_dir=run")
    assert (code, err) == (0, "")
    assert re.search(r"\d+ files compared .*, 0 differences", out)
    for name, change in (
        ("evaluation/samples.csv", "has changed"),
        ("checkpoints/best.ckpt", "has changed"),
        ("metrics.jsonl", "is missing"),
        ("config.yaml", "has changed"),
        ("model/weights.safetensors", "has changed"),
        ("evaluation/more.csv", "was added"),
    ):
        path = tmp_path / "run" / name
        before = path.read_bytes() if path.exists() else None
        if change == "is missing":
            path.unlink()
        else:
            path.write_bytes((before or b"") + b" ")
        code, _, err = cli("mode=verify", "run_dir=run")
        assert code == 5
        assert f"differs: {name} {change}" in err
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)
    assert cli("mode=verify", "run_dir=run")[0] == 0
    assert cli("mode=verify")[0] == 2
    code, _, err = cli("mode=verify", "run_dir=nowhere")
    assert (code, err.count("\n")) == (2, 1)


def test_the_model_can_be_given_away(cli, tmp_path):
    """The safetensors file alone, elsewhere, evaluates like the checkpoint; its card says what it is."""
    assert cli("task=seismic", "scale=smoke", "strategy=jitter", "logger=none", "run_dir=run")[0] == 0
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    for words in ("Not for clinical use", "synthetic data", "| clean |", "jitter (σ = "):
        assert words in card
    (tmp_path / "elsewhere").mkdir()
    model = (tmp_path / "run" / "model" / "weights.safetensors").rename(tmp_path / "elsewhere" / "m.safetensors")
    assert cli("mode=evaluate", f"checkpoint={model}", "run_dir=again", "logger=none")[0] == 0
    one, other = (tmp_path / name / "evaluation" / "samples.csv" for name in ("run", "again"))
    assert one.read_bytes() == other.read_bytes()
