"""Sweeps through Hydra's launchers: the same runs as one after the other."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from sgdj.study.design import folder
from sgdj.study.store import read
from tests.conftest import QUIET, finished_run
from tests.program import ROOT, RUN, run

BOTH = ("strategy=mse,jitter",)
#: The plugin, how to ask for two jobs at a time, and the jobs of the sweep, which end well, with their number: for
#: submitit every job is a new interpreter.
LAUNCHERS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "hydra.launcher.n_jobs=2", (*BOTH, "seed=0,1"), 4),
    "submitit_local": (
        "hydra_plugins.hydra_submitit_launcher",
        "hydra.launcher.timeout_min=5",
        ("strategy=jitter",),
        1,
    ),
    "ray": ("hydra_plugins.hydra_ray_launcher", "+hydra.launcher.ray.init.num_cpus=2", BOTH, 2),
}
RAY = pytest.param("ray", marks=pytest.mark.long(reason="a cluster of this machine takes a minute to start"))
FIXED = ("-m", "task=toy", "scale=smoke", "epochs=3", "trainer.threads=1", *QUIET)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Run jobs one after the other, in this process."""
    return finished_run(tmp_path_factory.mktemp("sweep"), *FIXED, *BOTH, "seed=0,1", "trainer.lr=0.01")


@pytest.fixture(scope="module", params=["joblib", "submitit_local", RAY])
def swept(request, tmp_path_factory):
    """Send these, and as many that fail, through a launcher: the folder, the sweep's end, and the number of each."""
    plugin, setting, jobs, count = LAUNCHERS[request.param]
    if importlib.util.find_spec(plugin) is None:
        pytest.skip(f"{plugin} is not installed")
    other = tmp_path_factory.mktemp(request.param)
    words = (f"hydra/launcher={request.param}", setting, *jobs, "trainer.lr=0.01,1e30")
    command = [sys.executable, str(RUN), *FIXED, *words]
    done = subprocess.run(command, cwd=other, capture_output=True, text=True, check=False, timeout=600)
    return other, done, count


def test_the_same_runs(swept, plain):
    other, done, count = swept
    records = {path.parent.relative_to(other): json.loads(path.read_text()) for path in other.rglob("run.json")}
    finished = [path for path, record in records.items() if record["status"] == "finished"]
    assert len(finished) == count, done.stderr
    for path in finished:
        same = json.loads((plain / path / "run.json").read_text())
        for name in ("evaluation/samples.csv", "model/weights.safetensors"):
            assert records[path]["files"][name] == same["files"][name]
    assert not list((other / "outputs").glob(".sweep-*"))


def test_a_failed_job_is_told(swept):
    _, done, count = swept
    assert done.returncode == 5, done.stderr
    assert done.stdout.count("exit 3: ") == count
    assert f"{count} of {2 * count} jobs done" in done.stdout


PAPER = ("--scale", "smoke", "--tasks", "denoising", "--seeds", "0", "--parts", "tables")


@pytest.mark.parametrize(
    ("study", "results"),
    [
        (("--study", "mine.yaml"), Path("results/mine")),
        pytest.param(
            PAPER,
            folder(Path("results"), "smoke", (0,)),
            marks=pytest.mark.long(reason="sixteen interpreters, to send eight trainings where one shows the way"),
        ),
    ],
    ids=["own", "paper"],
)
def test_a_campaign_goes_through_a_launcher(tmp_path, study, results):
    """One that Hydra would refuse without its plugin; what is finished is not sent there again."""
    if importlib.util.find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        pytest.skip("hydra-submitit-launcher is not installed")
    mine = {
        "title": "Mine",
        "scale": "smoke",
        "seeds": [0],
        "rows": [{"task": "toy", "strategy": "mse"}],
        "columns": {"clean": {}},
        "overrides": list(QUIET),
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    words = ("run", *study, "--jobs", "2", "--launcher", "submitit_local", "timeout_min=5")
    done = run(ROOT / "scripts" / "tables.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = read(tmp_path / results)
    runs = [json.loads(path.read_text()) for path in (tmp_path / "outputs").rglob("run.json")]
    assert len(rows) == len(runs) == (8 if study is PAPER else 1)
    assert {one["status"] for one in runs} == {"finished"}
    again = run(ROOT / "scripts" / "tables.py", *words, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"{len(runs)} of {len(runs)} trainings are there already" in again.stdout
    assert "finished " not in again.stdout


def test_every_job_reaches_a_ray_launcher(cli, monkeypatch):
    """Without a cluster: the launcher is made with its setting, and given all jobs at once."""
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    launchers = {one.__name__: one for one in Plugins.instance().discover(Launcher)}
    given = []

    def launch(launcher, job_overrides, initial_job_idx):
        given.append((launcher.ray_cfg.init.num_cpus, [set(job) for job in job_overrides]))
        raise EOFError

    monkeypatch.setattr(launchers["RayLauncher"], "launch", launch)
    code, _, err = cli(*FIXED, "strategy=mse,jitter", "hydra/launcher=ray", LAUNCHERS["ray"][1])
    assert code == 5
    assert "error: the launcher gave up: EOFError" in err
    ((cpus, jobs),) = given
    assert cpus == 2
    assert [{"strategy=mse", "strategy=jitter"} & job for job in jobs] == [{"strategy=mse"}, {"strategy=jitter"}]


def test_an_unknown_launcher_is_one_line(tmp_path):
    done = run(RUN, *FIXED, "strategy=mse,jitter", "hydra/launcher=nowhere", cwd=tmp_path)
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
