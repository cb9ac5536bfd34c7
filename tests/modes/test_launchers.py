"""Sweeps through Hydra's launchers: the same runs as one after the other."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sgdj.study.design import folder
from sgdj.study.store import read
from tests.conftest import QUIET

ROOT = Path(__file__).resolve().parents[2]
LAUNCHERS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "hydra.launcher.n_jobs=2"),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", "hydra.launcher.timeout_min=5"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "+hydra.launcher.ray.init.num_cpus=2"),  # a cluster of this machine
}


def sweep(folder, *arguments):
    folder.mkdir()
    fixed = (
        "task=toy",
        "scale=smoke",
        "strategy=mse,jitter",
        "trainer.threads=1",
        "logger=none",
        "evaluation.panels=0",
    )
    command = [sys.executable, str(ROOT / "run.py"), "-m", *fixed, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Run the jobs one after the other, in this process."""
    folder = tmp_path_factory.mktemp("sweep") / "plain"
    assert sweep(folder).returncode == 0
    return folder


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_same_runs(tmp_path, launcher, plain):
    plugin, setting = LAUNCHERS[launcher]
    if importlib.util.find_spec(plugin) is None:
        pytest.skip(f"{plugin} is not installed")
    other = tmp_path / launcher
    done = sweep(other, f"hydra/launcher={launcher}", setting)
    assert done.returncode == 0, done.stderr
    runs = sorted(path.parent.relative_to(other) for path in other.rglob("run.json"))
    assert len(runs) == 2
    assert "2 of 2 jobs done" in done.stdout
    for run in runs:
        one, same = (json.loads((place / run / "run.json").read_text())["files"] for place in (plain, other))
        for name in ("evaluation/samples.csv", "model/weights.safetensors"):
            assert one[name] == same[name]
    assert not list((other / "outputs").glob(".sweep-*"))


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_failed_job_is_told(tmp_path, launcher):
    plugin, setting = LAUNCHERS[launcher]
    if importlib.util.find_spec(plugin) is None:
        pytest.skip(f"{plugin} is not installed")
    done = sweep(
        tmp_path / "a", f"hydra/launcher={launcher}", setting, "trainer.lr=1e30,1e-3", "strategy=mse", "epochs=3"
    )
    assert done.returncode == 5
    assert "exit 3: " in done.stdout
    assert "1 of 2 jobs done" in done.stdout


def test_a_campaign_goes_through_a_launcher(tmp_path):
    """One that Hydra would refuse without its plugin; what is finished is not sent there again."""
    if importlib.util.find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        pytest.skip("hydra-submitit-launcher is not installed")
    command = [sys.executable, str(ROOT / "scripts" / "tables.py"), "run", "--scale", "smoke"]
    command += ["--tasks", "denoising", "--seeds", "0", "--parts", "tables", "--jobs", "2"]
    command += ["--launcher", "submitit_local", "timeout_min=5"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = read(tmp_path / folder(Path("results"), "smoke", (0,)))
    runs = [json.loads(path.read_text()) for path in (tmp_path / "outputs").rglob("run.json")]
    assert len(rows) == len(runs) > 1
    assert {run["status"] for run in runs} == {"finished"}
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"{len(runs)} of {len(runs)} trainings are there already" in again.stdout
    assert "finished " not in again.stdout


def test_an_unknown_launcher_is_one_line(tmp_path):
    done = sweep(tmp_path / "a", "hydra/launcher=nowhere")
    assert done.returncode == 2
    assert "Could not find 'hydra/launcher/nowhere'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_launcher_that_gives_up_is_told_after_what_was_done(cli, monkeypatch):
    from sgdj.modes import sweep as module

    original = module._launch

    def killed(overrides, *others):
        original(["task=toy", "scale=smoke", "strategy=mse", *QUIET], *others)
        raise EOFError

    monkeypatch.setattr(module, "_launch", killed)
    code, out, err = cli("-m", "task=toy", "scale=smoke", "strategy=mse,jitter", *QUIET)
    assert code == 5
    assert "error: the launcher gave up: EOFError" in err
    assert "Traceback" not in err
    assert "1 of 2 jobs done" in out
