"""Files of an older version are read as they were meant.

``tests/data/runs_of_4cd156f`` has two finished runs of commit 4cd156f, at the smallest sizes: ``run.json`` has the
commands. Figures and the other checkpoints, which are copies, were left out.
"""

import csv
import json
import math
import shlex
import shutil
from pathlib import Path

import pytest

from sgdj.runs.catalogue import current_name
from tests.conftest import QUIET

OLDER = Path(__file__).resolve().parents[1] / "data" / "runs_of_4cd156f"
RUNS = ("mri", "denoising")
#: In dB, and relative. Learned parts compute in another layout in memory today, which changes the rounding of single
#: precision: outputs are equal to a relative 5e-6 (tests/networks/test_layout.py), PSNR within 1e-4 dB. What follows
#: from K = 2 iterations and two attack steps is some ten times further apart than an output, as between processors.
PSNR, REST = 1e-4, 1e-4
_WORDS = ("reconstructor", "condition", "shift", "attack", "sample", "volume")


@pytest.fixture(params=RUNS)
def older(request, tmp_path):
    """A copy of an older run."""
    return Path(shutil.copytree(OLDER / request.param, tmp_path / "older"))


def samples(folder: Path) -> list[dict[str, str]]:
    """Lines of ``samples.csv``."""
    with (folder / "evaluation" / "samples.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def training(folder: Path) -> list[str]:
    """The command line that made a run, with the attack that was the default then."""
    given = shlex.split(json.loads((folder / "run.json").read_text())["command"])[2:]
    return [*given, "attack=pgd", "evaluation.pgd_steps=null"]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_same_values(found: list[dict[str, str]], kept: list[dict[str, str]]) -> None:
    """Every value of the older columns is there."""
    assert len(found) == len(kept) > 20
    for new, old in zip(found, kept, strict=True):
        old["reconstructor"] = current_name(old["reconstructor"])
        for column, value in old.items():
            where = f"{old['reconstructor']}, {old['condition']}, {old['sample']}: {column}"
            if column in _WORDS or not value:
                assert new[column] == value, where
            else:
                tolerance = {"abs_tol": PSNR} if "psnr" in column else {"rel_tol": REST, "abs_tol": 1e-6}
                assert math.isclose(float(new[column]), float(value), **tolerance), where


@pytest.mark.parametrize("file", ["checkpoints/best.ckpt", "model/weights.safetensors"])
def test_an_older_network_is_evaluated_to_the_same_numbers_but_for_rounding(cli, older, file):
    code, _, err = cli("mode=evaluate", f"checkpoint={older / file}", "device=cpu", "run_dir=new", *QUIET)
    assert code == 0, err
    assert_same_values(samples(Path("new")), samples(older))


@pytest.mark.parametrize("status", ["finished", "interrupted"])
def test_an_older_run_is_told_and_left_alone(cli, older, status):
    """The rule by which runs are named is another one today: it is neither repeated nor continued in place."""
    record = json.loads((older / "run.json").read_text()) | {"status": status}
    (older / "run.json").write_text(json.dumps(record))
    for name in ("epoch-0001.ckpt", "epoch-0001.ckpt.sha256"):
        shutil.copy(older / "checkpoints" / name.replace("epoch-0001", "best"), older / "checkpoints" / name)
    before = contents(older)
    code, _, err = cli(*training(older), f"run_dir={older}")
    assert (code, len(err.splitlines())) == (2, 1), err
    assert f"of the same configuration and data, {status}, by another version of this program" in err
    assert "4cd156fe1c72" in err
    assert "choose another folder, or force=true to replace it" in err
    assert contents(older) == before


def test_other_data_and_other_settings_are_told_apart(cli, older):
    record = json.loads((older / "run.json").read_text())
    code, _, err = cli(*training(older), f"run_dir={older}", "seed=1")
    assert code == 2
    assert "(seed is 0 there, 1 here)" in err
    (older / "run.json").write_text(json.dumps(record | {"data_hash": "0"}))
    code, _, err = cli(*training(older), f"run_dir={older}")
    assert code == 2
    assert "(of other data)" in err


def test_an_older_run_whose_record_is_damaged_is_left_alone(cli, older):
    """Its checkpoints are of another version: they are not continued, although their settings are the same."""
    command = training(older)
    (older / "run.json").write_text("{")
    before = contents(older)
    code, _, err = cli(*command, f"run_dir={older}")
    assert (code, len(err.splitlines())) == (2, 1), err
    assert "run.json cannot be read, and nothing else there is of this configuration" in err
    assert contents(older) == before
