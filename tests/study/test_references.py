"""A reference without training, x̂ = 0 or a classical method, is one class and one line: a row of sweeps and tables."""

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml

from scripts.common import status
from scripts.tables import main
from sgdj.data.loader import Measure
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.modes.plan import plan
from sgdj.runtime.draws import Draws
from sgdj.study.own import read
from sgdj.study.store import read as rows
from tests.conftest import QUIET

CLASSES = """
import torch

from sgdj.config.types import Positive


class Zero:
    def __call__(self, y, operator):
        return 0 * operator.adjoint(y)


class Tikhonov:
    def __init__(self, weight: Positive = 0.1) -> None:
        self.weight = weight

    def __call__(self, y, operator):
        unit = torch.eye(y.shape[-2], dtype=y.dtype)[None, None]
        gram = operator.adjoint(operator.forward(unit)) + self.weight * unit
        return torch.linalg.solve(gram, operator.adjoint(y))
"""
SEISMIC = ("+experiment=table_seismic", "scale=smoke", "evaluation.panels=0")


@pytest.fixture
def references(tmp_path, monkeypatch):
    """A package with two references, importable for the test."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "my_references.py").write_text(CLASSES)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.chdir(tmp_path)


def psnr_in_numpy(weight: float | None) -> float:
    """Mean PSNR over the test images of x̂ = 0 or, with a weight, of Tikhonov's x̂, in double precision."""
    planned = plan(load(parse(["task=seismic", "scale=smoke"])))
    planned.source.prepare()
    images, found = planned.images, []
    for i in range(len(images)):
        batch = Measure(planned.acquisition, Draws(planned.data_seed))([images[i]])
        x, y = (tensor.double().numpy()[0, 0] for tensor in (batch.x, batch.y))
        kernel = batch.operator.kernel.double().numpy()
        a = np.stack([np.convolve(unit, kernel)[(len(kernel) - 1) // 2 :][: len(x)] for unit in np.eye(len(x))], 1)
        made = 0 * x if weight is None else np.linalg.solve(a.T @ a + weight * np.eye(len(x)), a.T @ y)
        found.append(-10 * np.log10(np.mean((made - x) ** 2)))
    return float(np.mean(found))


def test_the_papers_tables_show_finished_runs_of_references(cli, references, tmp_path, capfd):
    assert cli(*SEISMIC, "architecture=gd", "strategy=mse")[0] == 0
    sweep = ("-m", "mode=evaluate", *SEISMIC)
    code, out, err = cli(*sweep, "reconstructor=my_references:Zero")
    assert (code, "1 of 1 jobs done" in out) == (0, True), err  # no architecture or strategy plays a part
    weights = "reconstructor_settings.weight=0.1,0.01"
    assert cli(*sweep, "reconstructor=my_references:Tikhonov", weights)[0] == 0
    aside = ("mode=evaluate", "+experiment=figure_iterations", "task=seismic", "reconstructor=my_references:Zero")
    assert cli(*aside, "scale=smoke", "attack=gaussian", "shift=[]")[0] == 0
    capfd.readouterr()
    assert status(lambda: main(["build", "--scale", "smoke", "--seeds", "0"])) == 0
    out = capfd.readouterr().out
    assert "new: table_seismic/seismic-external-my_references:Tikhonov(weight=0.01)-seed0" in out
    assert "figure_iterations shows trained networks alone, and this is a reconstructor from outside" in out
    folder = Path("results/smoke-seeds-0")
    with (folder / "tables" / "seismic.csv").open(newline="") as file:
        found = {(line["training"], line["column"]): line for line in csv.DictReader(file)}
    names = {None: "my_references:Zero"} | {w: f"my_references:Tikhonov(weight={w})" for w in (0.1, 0.01)}
    for weight, name in names.items():
        assert float(found[name, "in-distribution"]["psnr"]) == pytest.approx(psnr_in_numpy(weight), abs=2e-3)
        assert found[name, "in-distribution"]["paper_psnr"] == found[name, "in-distribution"]["psnr_std"] == ""
    text = (folder / "README.md").read_text()
    assert [line.split(" | ")[0] for line in text.splitlines() if " | synthetic data | " in line] == [
        "| starting point x₀ (no training)", "| MSE", *(f"| {names[w]}" for w in (0.01, 0.1, None)),
    ]  # fmt: skip
    assert f"in none of its claims: {names[0.01]}, {names[0.1]}, {names[None]}." in text
    tested = (folder / "claims.md").read_text()
    ours, base = (float(found[name, "adversarial"]["psnr"]) for name in (names[0.1], "MSE"))
    assert f"| {names[0.1]} | adversarial | {ours - base:+.3f} |" in tested.partition("### Beyond the paper")[2]
    assert "my_references" not in (folder / "times.md").read_text()
    assert {"external"} == {one.architecture for one in rows(folder) if one.strategy.startswith("my_references")}
    assert all((folder / "figures" / f"tradeoff-seismic.{suffix}").is_file() for suffix in ("png", "pdf"))


def test_a_study_of_ones_own_names_references_as_rows(cli, references, capfd):
    file = Path("mine.yaml")
    content = {
        "title": "References",
        "scale": "smoke",
        "seeds": [3, 4],
        "overrides": ["task=seismic", "attack=gaussian", "evaluation.curve=[]", *QUIET],
        "rows": [
            {"label": "MSE", "strategy": "mse"},
            {"label": "nothing", "reconstructor": "my_references:Zero"},
            {"reconstructor": "my_references:Tikhonov", "overrides": ["reconstructor_settings.weight=0.1,0.01"]},
        ],
        "columns": {"clean": {}},
        "claims": [
            {"text": "Training helps", "better": "MSE", "worse": "nothing", "column": "clean"},
            {"text": "So does Tikhonov", "better": "0.01", "worse": "nothing", "column": "clean"},
        ],
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    study = read(file)
    assert {label: len(cells) for label, cells in study.rows.items()} == {"MSE": 2, "nothing": 1, "0.1": 1, "0.01": 1}
    for cell in study.cells:
        code, _, err = cli(*cell.job().overrides)
        assert code == 0, err
    assert status(lambda: main(["build", "--study", str(file)])) == 0
    with Path("results/mine/table.csv").open(newline="") as table:
        found = {line["row"]: float(line["psnr"]) for line in csv.DictReader(table)}
    assert found["nothing"] == pytest.approx(psnr_in_numpy(None), abs=2e-3)
    assert found["0.01"] == pytest.approx(psnr_in_numpy(0.01), abs=2e-3)
    assert "Missing: nothing." in Path("results/mine/table.md").read_text()
    tested = Path("results/mine/claims.md").read_text()
    for text, better, drawn in (("Training helps", "MSE", "2 × 3"), ("So does Tikhonov", "0.01", "1 × 3")):
        assert f"| {text} | clean | {found[better] - found['nothing']:+.3f} |" in tested
        assert f"| {drawn} |" in tested
    capfd.readouterr()
    assert status(lambda: main(["missing", "--study", str(file)])) == 0
    assert capfd.readouterr().out == "0 of 5 runs are missing\n"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("Tikhonov", "weight=-1"), "-1 must be above 0.0, reconstructor_settings.weight: raise it"),
        (("Tikhonov", "wieght=1"), "unknown key, reconstructor_settings.wieght: did you mean "),
        (("Zero", "weight=1"), "unknown key, reconstructor_settings.weight: "),
    ],
)
def test_settings_of_a_reference_are_told_like_ours(cli, references, given, line):
    name, setting = given
    reconstructor = f"reconstructor=my_references:{name}"
    code, _, err = cli("mode=evaluate", "task=toy", reconstructor, f"reconstructor_settings.{setting}")
    assert (code, err.startswith(f"error: {line}"), err.count("\n")) == (2, True, 1), err
    assert not Path("outputs").exists()


def test_what_makes_no_reconstructor_is_refused(cli):
    code, _, err = cli("mode=evaluate", "task=toy", "reconstructor=builtins:int")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("error: 'builtins:int' makes what cannot be called, reconstructor: ")


def test_settings_without_a_class_are_refused(cli):
    code, _, err = cli("task=toy", "reconstructor_settings.weight=1")
    assert code == 2
    assert err.startswith("error: these are settings of a class that is not named, reconstructor_settings: ")
