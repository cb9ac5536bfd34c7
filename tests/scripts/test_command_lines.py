"""Command lines of the scripts: help, one line for every mistake, lists as CSV, and the Makefile's variables."""

import csv
import subprocess
from io import StringIO
from pathlib import Path

from scripts import tables
from scripts.common import status

ROOT = Path(__file__).resolve().parents[2]


def made(*variables: str) -> list[list[str]]:
    """What `make` would start for the tables."""
    command = ["make", "-n", "--no-print-directory", "tables", "reproduce-tables", *variables]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.replace("\\\n", " ").splitlines()
    return [line.split("scripts/tables.py", 1)[1].split() for line in lines if "scripts/tables.py" in line]


def test_the_makefile_s_variables_are_options():
    build, run = (tables.parser().parse_args(words) for words in made())
    assert (build.verb, build.scale, build.seeds) == ("build", "small", None)
    assert (run.verb, run.tasks, run.parts) == ("run", ("mri", "seismic"), ("tables", "curves", "audits"))
    assert (run.seeds, run.jobs, run.launcher) == (None, None, None)
    given = made("SCALE=smoke", "SEEDS=0,2", "TASKS=mri", "PARTS=levels", "JOBS=3", "LAUNCHER=joblib n_jobs=4")
    build, run = (tables.parser().parse_args(words) for words in given)
    assert (build.scale, build.seeds) == ("smoke", (0, 2))
    assert (run.scale, run.seeds, run.tasks, run.parts) == ("smoke", (0, 2), ("mri",), ("levels",))
    assert (run.jobs, run.launcher) == (3, ["joblib", "n_jobs=4"])


def test_missing_runs_are_listed_as_csv(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given = ["missing", "--scale", "smoke", "--tasks", "denoising", "--parts", "tables,audits"]
    assert status(lambda: tables.main(given)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert status(lambda: tables.main([*given, "--csv"])) == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert lines[-1] == f"{len(rows)} of {len(rows)} runs are missing"
    assert {(row["experiment"], row["mode"]) for row in rows} == {
        ("table_denoising", "train"),
        ("audit_light", "audit"),
    }
    assert all("seed=0" in row["settings"].split() for row in rows)
    assert not any(tmp_path.iterdir())
