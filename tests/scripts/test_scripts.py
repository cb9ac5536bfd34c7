"""Scripts for data and runs, and the documented library example."""

import csv
import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import h5py
import numpy as np
import pytest
from skimage.io import imread

from tests.conftest import finished_run, only_run, shared_file
from tests.program import run

ROOT = Path(__file__).resolve().parents[2]


def script(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run(ROOT / "scripts" / name, *arguments, cwd=cwd)


def test_brain_is_converted_described_and_reconstructed(cli, tmp_path):
    source = shared_file("brain.tiff")
    done = script("data.py", "convert", str(source), "brain", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "brain" / "brain.h5") as file:
        assert file["kspace"].shape == (10, 256, 256)
        stack = imread(source).astype(float)
        ratio = file["reconstruction_esc"][4] / file["reconstruction_esc"][4].max()
        assert np.allclose(ratio, stack[4] / stack[4].max(), atol=1e-5)
    done = script("data.py", "describe", "brain", cwd=tmp_path)
    assert done.returncode == 0
    assert "usable to train, reconstruct" in done.stdout
    assert "dataset.root=brain dataset.partition=none" in done.stdout
    assert cli("task=mri", "scale=smoke", "logger=none", "evaluation.curve=[]", "attack=gaussian")[0] == 0
    checkpoint = f"checkpoint={only_run(tmp_path)}/checkpoints/best.ckpt"
    code, out, _ = cli("mode=reconstruct", checkpoint, "input=brain", "output=out")
    assert code == 0
    assert "brain.h5: psnr" in out
    again = script("data.py", "convert", str(source), "brain", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


def test_describe_names_what_is_wrong(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.h5").write_bytes(b"x")
    (tmp_path / "in" / "notes.md").write_text("x")
    np.savez(tmp_path / "in" / "model.npz", velocity=2 + np.random.default_rng(0).random((60, 190)))
    np.savez(tmp_path / "in" / "flat.npz", velocity=np.full((60, 190), 2.0))
    done = script("data.py", "describe", "in", cwd=tmp_path)
    assert done.returncode == 5
    assert re.search(r"bad\.h5 .*cannot be used: the file is not an HDF5 file", done.stdout)
    assert re.search(r"flat\.npz .*cannot be used: there is no reflector", done.stdout)
    assert "(60, 190) (depth samples, traces)" in done.stdout
    assert "dataset.path=in/model.npz dataset.quantity=velocity" in done.stdout
    assert "passed over 1 other files: notes.md" in done.stdout
    assert script("data.py", "describe", "nowhere", cwd=tmp_path).returncode == 2


def test_generate_makes_data_of_any_size(tmp_path):
    done = script(
        "data.py", "generate", "phantom", "dataset.size=24", "dataset.slices=1", "dataset.seed=9",
        "dataset.volumes={train: 2, val: 1, test: 1}", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = tmp_path / done.stdout.strip()
    assert len(list(folder.rglob("*.h5"))) == 4
    assert script("data.py", "generate", "phantom", "dataset.size=-1", cwd=tmp_path).returncode == 2


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for strategy in ("mse", "jitter"):
        finished_run(folder, "task=toy", "scale=smoke", f"strategy={strategy}", "trainer.threads=1")
    return folder


def test_runs_are_listed_filtered_and_compared(two_runs):
    listed = script("runs.py", "list", cwd=two_runs).stdout
    assert "2 runs" in listed
    assert listed.count("finished") == 2
    folders = sorted(str(p.parent.relative_to(two_runs)) for p in two_runs.rglob("run.json"))
    assert sorted(line.split()[-1] for line in listed.splitlines() if "finished" in line) == folders
    assert all(word in listed.splitlines()[1].split() for word in ("mode", "scale", "attack", "folder", "reason"))
    assert "1 runs" in script("runs.py", "list", "outputs", "--strategy", "jitter", cwd=two_runs).stdout
    rows = list(csv.DictReader(StringIO(script("runs.py", "list", "--csv", cwd=two_runs).stdout)))
    assert {row["strategy"] for row in rows} == {"mse", "jitter"}
    assert all((two_runs / row["folder"] / "run.json").is_file() and float(row["clean dB"]) > 0 for row in rows)
    paths = sorted(p.parent for p in two_runs.rglob("run.json"))
    table = script("runs.py", "compare", *map(str, paths), cwd=two_runs).stdout
    assert "strategy.name" in table
    assert "clean" in table

    def clean(run):
        with (run / "evaluation" / "samples.csv").open() as file:
            rows = [r for r in csv.DictReader(file) if (r["reconstructor"], r["condition"]) == ("network", "clean")]
        return np.array([float(r["psnr"]) for r in rows])

    difference = clean(paths[1]) - clean(paths[0])
    assert f"{difference.mean():+.4f}" in table
    assert f"{difference.std(ddof=1):.4f}" in table


def test_the_list_says_why_a_run_failed(tmp_path, capfd):
    from sgdj.reporting.terminal import show
    from sgdj.runs.catalogue import find, listing

    folder = tmp_path / ("long" * 40)
    for status in ("failed", "running", "finished"):
        (folder / status).mkdir(parents=True)
        record = {"status": status, "config_hash": "0", "reason": "out of memory: lower trainer.batch_size"}
        (folder / status / "run.json").write_text(json.dumps(record))
    show(listing(find([tmp_path], {})), whole=True)
    _, _, *rows = capfd.readouterr().out.splitlines()
    ends = [row.partition(str(folder))[2].strip() for row in rows]
    assert ends == [
        "/failed    out of memory: lower trainer.batch_size",
        "/finished",
        "/running   no process is at work on it",
    ]


def test_sync_commands_and_tidying(two_runs):
    lines = script("runs.py", "sync", cwd=two_runs).stdout.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("wandb sync outputs/toy/") for line in lines)
    assert "would remove" in script("runs.py", "tidy", "--strategy", "mse", cwd=two_runs).stdout
    assert len(list(two_runs.rglob("best.ckpt"))) == 2
    assert "removed" in script("runs.py", "tidy", "--strategy", "mse", "--yes", cwd=two_runs).stdout
    assert len(list(two_runs.rglob("best.ckpt"))) == 1


def test_the_documented_library_example_runs():
    text = (ROOT / "docs" / "extending.md").read_text()
    (example,) = re.findall(r"<!-- library example -->\n```python\n(.*?)```", text, flags=re.DOTALL)
    scope: dict = {}
    exec(example.replace("range(300)", "range(3)"), scope)
    assert scope["loss"].isfinite()
    assert (scope["delta"].flatten(1).norm(dim=1) > 0).all()


def test_the_public_names_exist():
    import sgdj

    for name in sgdj.__all__:
        assert getattr(sgdj, name).__doc__
    assert set(sgdj.__all__) <= set(dir(sgdj))
    with pytest.raises(AttributeError):
        _ = sgdj.nothing


def test_every_shipped_setting_is_packaged(tmp_path):
    """The wheel carries conf/, and runs from another folder."""
    import zipfile

    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    ours = {str(p.relative_to(ROOT)) for p in (ROOT / "conf").rglob("*.yaml")}
    assert {f"sgdj/{name}" for name in ours} <= set(names)
    (tmp_path / "empty").mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "sgdj", "strategy=nothing"], cwd=tmp_path / "empty", capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert not list((tmp_path / "empty").iterdir())
