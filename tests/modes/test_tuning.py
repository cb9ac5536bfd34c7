"""mode=tune: a score on validation data, by which a sweep or Optuna chooses."""

import csv
import importlib.util
import json
import re

import numpy as np
import pytest

from tests.conftest import QUIET, only_run
from tests.program import RUN, run

TUNE = ("mode=tune", "task=toy", "scale=smoke", "strategy=jitter", "trainer.threads=1", *QUIET)


def samples(run):
    with (run / "evaluation" / "samples.csv").open() as file:
        return {row["sample"] for row in csv.DictReader(file)}


def score(run):
    """Mean over volumes of clean and attacked PSNR, from the samples."""
    with (run / "evaluation" / "samples.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["reconstructor"] == "network"]
    means = []
    for condition in ("clean", "apgd"):
        by_volume: dict[str, list[float]] = {}
        for row in rows:
            if row["condition"] == condition:
                by_volume.setdefault(row["volume"], []).append(float(row["psnr"]))
        means.append(np.mean([np.mean(values) for values in by_volume.values()]))
    return float(np.mean(means))


def test_the_score_is_of_validation_data(cli, tmp_path):
    code, out, err = cli(*TUNE, "sigma=0.1")
    assert code == 0, err
    run = only_run(tmp_path)
    record = json.loads((run / "run.json").read_text())
    assert record["score"] == pytest.approx(score(run), abs=1e-5)
    assert f"score, mean of clean and attacked PSNR on the validation data: {record['score']:.3f} dB" in out
    assert not (run / "model").exists()  # whose card speaks of test data
    assert cli("mode=evaluate", f"checkpoint={run}/checkpoints/best.ckpt", "evaluation.split=test", *QUIET)[0] == 0
    (other,) = [p.parent for p in tmp_path.glob("outputs/*/*/*/run.json") if p.parent != run]
    assert samples(run).isdisjoint(samples(other))


def test_a_sweep_names_the_best(cli, tmp_path):
    code, out, err = cli("-m", *TUNE, "sigma=0.01,3.0", "epochs=6")
    assert code == 0, err
    scores = {}
    for path in tmp_path.glob("outputs/*/*/*/run.json"):
        command = json.loads(path.read_text())["command"]
        scores[re.search(r"sigma=(\S+)", command)[1]] = score(path.parent)
    assert len(scores) == 2
    (best,) = [line for line in out.splitlines() if line.startswith("best: ")]
    winner = max(scores, key=scores.__getitem__)
    assert f"sigma={winner} " in best
    assert f"score {scores[winner]:.3f} dB" in best


def test_optuna_searches_an_interval(tmp_path):
    if importlib.util.find_spec("hydra_plugins.hydra_optuna_sweeper") is None:
        pytest.skip("hydra-optuna-sweeper is not installed")
    search = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "hydra.sweeper.sampler.seed=0")
    done = run(RUN, "-m", *TUNE, *search, "sigma=tag(log, interval(0.01, 1.0))", cwd=tmp_path)  # optuna 2 warns
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert "4 of 4 jobs done" in out
    runs = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/*/*/*/run.json")]
    sigmas = [float(re.search(r"sigma=(\S+)", run["command"])[1]) for run in runs]
    assert len(set(sigmas)) == 4
    assert 0.01 <= min(sigmas) < max(sigmas) <= 1.0
    best = max(run["score"] for run in runs)
    assert re.search(rf"^best: .*score {best:.3f} dB$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["sigma=interval(0.1,1)"], "nothing searches an interval, sigma: add hydra/sweeper=optuna mode=tune"),
        (["mode=train", "hydra/sweeper=optuna", "sigma=interval(0.1,1)"], "only mode=tune has a score to search by"),
        (["hydra/sweeper=optuna", "sigma=interval(-1,1)"], "-1.0 must be at least 0.0, strategy.sigma"),
    ],
)
def test_what_cannot_be_searched(cli, tmp_path, arguments, line):
    code, out, err = cli("-m", *TUNE, *arguments)
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_trial_that_fails_is_told(cli):
    code, out, _ = cli("-m", *TUNE, "epochs=3", "sigma=0.1", "trainer.lr=1e-3,1e30")
    assert code == 5
    assert "exit 3: " in out
    assert "trainer.lr=0.001 " in next(line for line in out.splitlines() if line.startswith("best: "))
