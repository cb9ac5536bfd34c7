"""A file names rows, columns and claims of a study of one's own; plugins and real data are rows like any other."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from scripts.common import status
from scripts.tables import main
from sgdj.data.fastmri_layout import write_volume
from sgdj.data.fft import image_to_kspace
from sgdj.errors import InputErrors
from sgdj.evaluation.key import CLEAN, Key
from sgdj.study.own import read
from sgdj.study.store import read as stored
from tests.conftest import QUIET
from tests.drawing import draw
from tests.jobs.test_plugins import write_lab

ROOT = Path(__file__).resolve().parents[2]
#: Names that no file of the package has, in place of those of the other test's plugin.
NEW = {name: f"kappa_{name}" for name in ("weighted", "blend", "constant", "sensor", "waves", "louder", "mine")}


def renamed(text: str) -> str:
    return re.sub(rf"(?<![a-z])({'|'.join(NEW)})(?![a-z])", lambda found: NEW[found[1]], text)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Plugin package under names of its own, importable for the test."""
    package = write_lab(tmp_path / "packages", renamed)
    monkeypatch.syspath_prepend(str(package.parent))
    return package


def written(path: Path, **content) -> Path:
    path.write_text(yaml.safe_dump({"scale": "smoke", "seeds": [0, 1], **content}, sort_keys=False))
    return path


def trained(cli, study) -> None:
    for cell in study.cells:
        code, _, err = cli(*cell.job().overrides)
        assert code == 0, err


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_of_each_kind_from_a_plugin(cli, lab, capfd, monkeypatch):
    file = written(
        Path("mine.yaml"),
        title="Waves",
        overrides=["plugins=[my_lab]", *QUIET],
        rows=[
            {"task": "kappa_mine", "strategy": ["mse", "kappa_weighted"]},
            {"label": "fast", "task": "kappa_mine", "overrides": ["strategy=kappa_weighted", "trainer.lr=0.1"]},
            {"label": "toy", "task": "toy"},
        ],
        columns={
            "clean": {},
            "attacked": {"attack": "kappa_constant"},
            "louder": {"shift": "kappa_louder"},
            "noise": {"shift": "noise_level"},
        },
        claims=[{"text": "Large steps help", "better": "fast", "worse": "mse", "column": "louder"}],
    )
    assert status(lambda: main(["build", "--study", str(file)])) == 2
    assert capfd.readouterr().err.startswith("error: no rows, results/mine: run the study first")
    study = read(file)
    assert list(study.rows) == ["mse", "kappa_weighted", "fast", "toy"]
    trained(cli, study)
    assert cli("task=toy", "scale=smoke", "epochs=1", *QUIET)[0] == 0
    draw(monkeypatch)
    assert status(lambda: main(["build", "--study", str(file)])) == 0
    out = capfd.readouterr().out
    assert "new: kappa_weighted, seed=1" in out
    assert "the nearest is toy, which differs in epochs" in out
    folder = Path("results/mine")
    found = {(line["row"], line["column"]): line for line in table(folder)}
    ours = {(row, column) for row in ("mse", "kappa_weighted", "fast") for column in study.columns}
    assert set(found) == ours | {("toy", "clean"), ("toy", "noise")}  # it measures no other column
    assert all(np.isfinite(float(line["psnr"])) and line["n_seeds"] == "2" for line in found.values())
    text = (folder / "table.md").read_text()
    assert "## My task (synthetic data, scale smoke)" in text
    assert "## Signals on a subspace (synthetic data, scale smoke)" in text
    assert "Attack: KAPPA_CONSTANT, ρ = 0.1." in text
    assert "Missing: nothing." in text
    difference = float(found["fast", "louder"]["psnr"]) - float(found["mse", "louder"]["psnr"])
    claims = (folder / "claims.md").read_text()
    assert f"| Large steps help | louder | {difference:+.3f} |" in claims
    assert "| 2 × 8 | **underpowered** |" in claims
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"psnr-{i}.{s}" for i in (1, 2) for s in ("png", "pdf")
    }
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert status(lambda: main(["build", "--study", str(file)])) == 0
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capfd.readouterr()
    assert status(lambda: main(["missing", "--study", str(file)])) == 0
    assert capfd.readouterr().out == "0 of 8 runs are missing\n"
    monkeypatch.setenv("PYTHONPATH", str(lab.parent))  # for the process that runs a row again
    (name, *_) = [f"{row.experiment}/{row.name}" for row in stored(folder) if "fast" not in row.name]
    assert status(lambda: main(["check", name, "--study", str(file)])) == 0
    assert capfd.readouterr().out.splitlines()[-1].startswith(f"{name}: the same bits; ")
    assert status(lambda: main(["check", "study/none", "--study", str(file)])) == 2
    assert status(lambda: main(["choose", "--study", str(file)])) == 2
    assert capfd.readouterr().err.splitlines() == [
        "error: no such row, study/none: see results/mine/runs.csv",
        "error: levels are chosen for the paper's study alone, --study: give a row its sigma, or compare by mode=tune",
    ]
    assert status(lambda: main(["rehash", "--study", str(file)])) == 0
    assert capfd.readouterr().out == "0 rows changed\n"
    named = [path for path in (ROOT / "sgdj").rglob("*") if path.is_file() and b"kappa_" in path.read_bytes()]
    assert [path for path in named if path.suffix != ".pyc"] == []


def test_real_volumes_and_a_plugins_strategy(cli, lab, tmp_path, capfd):
    root = tmp_path / "knees"
    root.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        image = np.zeros((2, 32, 32), complex)
        image[:, 6:26, 8 : 22 + i] = 1e-4 * (1 + 0.1 * rng.normal(size=(2, 20, 14 + i)))
        kspace = image_to_kspace(image)
        write_volume(root / f"v{i}.h5", kspace, (32, 32), acquisition="CORPD_FBK", patient_id=f"p{i}")
    file = written(
        tmp_path / "knees.yaml",
        title="Knees",
        seeds=[0],
        overrides=[
            "task=mri",
            "dataset=fastmri",
            f"dataset.root={root}",
            "plugins=[my_lab]",
            "epochs=1",
            "trainer.batch_size=1",
            *QUIET,
        ],
        rows=[
            {"label": "MSE", "strategy": "mse"},
            {"label": "mine", "overrides": ["strategy=kappa_weighted", "strategy.weight=3"]},
        ],
        columns={"in-distribution": {}, "adversarial": {"attack": "pgd"}, "lesion": {"shift": "lesion"}},
        claims=[{"text": "Mine is better", "better": "mine", "worse": "MSE", "column": "in-distribution"}],
        results="own/knees",
    )
    trained(cli, read(file))
    assert status(lambda: main(["build", "--study", str(file)])) == 0
    found = table(Path("own/knees"))
    assert len(found) == 6
    assert {line["data"] for line in found} == {"real"}
    assert all(line["ssim"] for line in found)
    assert "## Single-coil MRI (real data, scale smoke)" in Path("own/knees/table.md").read_text()
    assert not Path("results").exists()


def mistakes(path: Path) -> list[str]:
    with pytest.raises(InputErrors) as told:
        read(path)
    return [str(mistake).replace(str(path), path.name) for mistake in told.value.mistakes]


def test_every_mistake_is_told_with_its_key(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    good = {"title": "t", "rows": [{"label": "mse", "task": "toy", "strategy": "mse"}], "columns": {"clean": {}}}
    assert read(written(tmp_path / "good.yaml", **good)).folder == Path("results/good")
    bad = written(
        tmp_path / "bad.yaml",
        title=3,
        seeds=[0, "a"],
        rows=[{"task": "toy", "strategies": "mse"}, {"sigma": -1}],
        columns={"clean": {"shiftt": "lesion"}},
        claims=[{"text": "t", "better": "a", "worse": "b"}],
    )
    assert sorted(mistakes(bad)) == sorted(
        [
            "3 must be text, bad.yaml: title: quote it",
            "'a' must be a whole number, bad.yaml: seeds.1: give one",
            "unknown key, bad.yaml: rows.0.strategies: did you mean rows.0.strategy?",
            "-1 must be at least 0.0, bad.yaml: rows.1.sigma.0: raise it",
            "unknown key, bad.yaml: columns.clean.shiftt: did you mean columns.clean.shift?",
            "no value, bad.yaml: claims.0.column: set claims.0.column: VALUE",
        ]
    )
    assert status(lambda: main(["run", "--study", "bad.yaml"])) == 2
    assert capfd.readouterr().err.count("\n") == 6
    rows = [
        {"task": "toy", "strategy": "msse"},
        {"task": "toy", "overrides": ["trainer.rl=1"]},
        {"overrides": ["seed=3"]},
        {"task": "toy"},
        {"task": "toy"},
    ]
    told = mistakes(written(tmp_path / "bad.yaml", **good | {"rows": rows}))
    assert told[0] == "no option msse, bad.yaml: rows.0: strategy: did you mean mse?"
    assert told[1].startswith("unknown key, bad.yaml: rows.1: trainer.rl: ")
    assert told[2:] == [
        "the study gives it for all rows, bad.yaml: rows.2: seed: set seeds of the file",
        "two rows are called task=toy, bad.yaml: rows.4: label: give each a label of its own",
    ]
    columns = {"clean": {}, "lesion": {"shift": "lesion"}}
    claims = [{"text": "t", "better": "mse", "worse": "jiter", "column": "inside"}]
    told = mistakes(written(tmp_path / "bad.yaml", **good | {"columns": columns, "claims": claims}))
    assert [line.partition(": ")[2].partition(": ")[0] for line in told] == [
        "columns.lesion", "claims.0.worse", "claims.0.column",
    ]  # fmt: skip
    assert mistakes(written(tmp_path / "small.yaml", **good)) == [
        "results/small holds the paper's study, small.yaml: results: name another folder"
    ]
    assert status(lambda: main(["build", "--study", "none.yaml"])) == 2
    assert status(lambda: main(["build", "--study", "good.yaml", "--scale", "small"])) == 2
    assert capfd.readouterr().err.splitlines() == [
        "error: no such file, none.yaml: name the YAML file of a study",
        "error: the study's file says this, --scale: leave it out",
    ]
    assert not (tmp_path / "results").exists()


def test_the_documented_study_is_valid(tmp_path):
    text = (ROOT / "docs" / "results.md").read_text()
    (example,) = re.findall(r"<!-- study example -->\n```yaml\n(.*?)```", text, flags=re.DOTALL)
    file = tmp_path / "my_study.yaml"
    file.write_text(example.replace("/data/knee", str(tmp_path)))
    study = read(file)
    assert len(study.rows) == 6
    assert len(study.cells) == 18
    assert study.columns["in-distribution"] == CLEAN
    assert study.columns["adversarial"] == Key("apgd", 1.0)
