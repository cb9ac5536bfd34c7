"""The process that runs a campaign's jobs, and the estimate of how long they take."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from sgdj.study.campaign import Campaign
from sgdj.study.design import Cell
from sgdj.study.estimate import Estimate
from sgdj.study.store import read
from sgdj.study.worker import Worker

ROOT = Path(__file__).resolve().parents[2]
ROWS = read(ROOT / "results" / "small")
SMOKE = ["task=toy", "scale=smoke", "logger=none", "strategy=mse", "device=cpu"]


def cell(strategy: str, experiment: str = "table_mri", trained: Cell | None = None) -> Cell:
    """Return a cell of the study."""
    given = (f"strategy={strategy}", "architecture=gd", "scale=small", "seed=0") if trained is None else ()
    return Cell(experiment, given, trained)


def test_a_worker_runs_one_job_after_another_in_one_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    worker = Worker()
    for seed in (0, 1):
        code, printed = worker.run([*SMOKE, f"seed={seed}"])
        assert (code, printed.count("run directory")) == (0, 1), printed
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("run.json")]
    assert sorted(record["status"] for record in records) == ["finished", "finished"]
    code, printed = worker.run(["task=nothing"])
    assert code == 2
    assert "error: " in printed
    assert worker.run([*SMOKE, "seed=0"])[0] == 0  # a new process, after one that failed
    worker.signal(signal.SIGTERM)
    assert worker.run([*SMOKE, "seed=2"])[0] == 143
    worker.close()
    assert len(list(tmp_path.rglob("run.json"))) == 2


def test_an_estimate_scales_earlier_times_to_this_machine():
    mse, jitter = cell("mse"), cell("jitter")
    earlier = [
        replace(row, times={"wall_s": 100.0 if row.strategy == "mse" else 140.0}) for row in ROWS if row.seed == 0
    ]
    estimate = Estimate([mse, jitter], earlier)
    assert estimate.seconds(mse) == pytest.approx(100)
    assert estimate.left([mse, jitter], {}, 1) == pytest.approx(240)
    assert estimate.left([mse, jitter], {}, 2) == pytest.approx(140)  # no shorter than its longest job
    estimate.learn(mse, 300.0)
    assert estimate.seconds(jitter) == pytest.approx(420)
    assert estimate.left([], {jitter: 120.0}, 1) == pytest.approx(300)
    assert estimate.share([mse]) == pytest.approx(300 / 720)


def test_without_earlier_rows_the_estimate_comes_from_the_first_jobs():
    mse, jitter = cell("mse"), cell("jitter")
    curve = Cell("figure_epsilon", (), mse)
    estimate = Estimate([mse, jitter, curve])
    assert estimate.left([mse], {}, 1) is None
    assert estimate.share([]) == 0
    estimate.learn(mse, 50.0)
    assert estimate.seconds(jitter) == pytest.approx(50)
    assert estimate.left([jitter, curve], {}, 1) is None  # no evaluation has finished yet
    estimate.learn(curve, 10.0)
    assert estimate.left([jitter, curve], {}, 1) == pytest.approx(60)
    assert estimate.share([mse, curve]) == pytest.approx(60 / 110)


def test_the_time_of_the_committed_study_is_foretold_within_a_factor_of_two():
    """Foretell the rest of the committed trainings after each of them, from the rows of seed 0 and those done."""
    timed = [row for row in ROWS if row.experiment.startswith("table_") and "wall_s" in row.times]
    cells = {Cell(row.experiment, tuple(row.command.split()[3:])): row.times["wall_s"] for row in timed if row.seed > 0}
    estimate = Estimate(list(cells), [row for row in timed if row.seed == 0])
    waiting, ratios = list(cells), []
    while waiting:
        left = estimate.left(waiting, {}, 1)
        assert left is not None
        ratios.append(left / sum(map(cells.get, waiting)))
        done = waiting.pop(0)
        estimate.learn(done, cells[done])
    assert len(ratios) > 100
    assert 0.5 < min(ratios[:-1]) <= max(ratios[:-1]) < 2


@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=basic"]])
def test_a_divergence_is_told_from_other_failures(tmp_path, monkeypatch, launcher):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    diverging, impossible = (Cell("", (*SMOKE, "seed=0", line)) for line in ("trainer.lr=1e30", "output_dir=blocked"))
    (tmp_path / "blocked").write_text("a file in place of a folder")
    campaign = Campaign([diverging, impossible], tmp_path / "rows", 1, print, launcher)
    assert campaign.run() == 5
    assert len(campaign.failed) == 2
    assert campaign.diverged == {diverging}
