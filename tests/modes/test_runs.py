"""Whole runs at smoke scale, through the command line's own entry point."""

import csv
import getpass
import json
import math
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from sgdj.config.nodes import leaves
from sgdj.errors import Diverged
from sgdj.evaluation.evaluate import COLUMNS
from sgdj.jobs.composition import parse
from sgdj.jobs.identity import identity
from sgdj.jobs.load import load
from sgdj.runs.checkpoints import read_checkpoint
from sgdj.runs.directory import RunDirectory
from sgdj.runtime import provenance
from tests.conftest import finished_run, only_run, shared_file

QUIET = ("logger=none", "trainer.threads=1", "evaluation.curve=[]")
MATRIX = [
    ("task=toy", "strategy=mse"),
    ("task=denoising", "strategy=jitter", "architecture=prox"),
    ("task=denoising", "strategy=adversarial", "strategy.attack.steps=1", "attack=gaussian"),
    ("task=toy", "strategy=jitter", "architecture=prox"),
    ("task=toy", "strategy=adversarial", "attack=gaussian", "strategy.attack.steps=1"),
    ("task=seismic", "strategy=jitter"),
    ("task=seismic", "strategy=input_jitter", "architecture=prox", "shift=noise_level"),
    ("task=mri", "strategy=adversarial", "architecture=prox", "strategy.attack.steps=1"),
    (
        "task=mri",
        "strategy=jitter",
        "strategy.noise_scale=upstream",
        "operator.masks=per_volume",
        "operator.mask=random",
    ),
    ("task=mri", "strategy=input_jitter", "attack=gaussian", "shift=noise_level", "operator.axis=rows"),
    ("task=mri", "strategy=mse", "dataset.reference=magnitude", "operator.mask=equispaced", "precision=bf16"),
    ("task=mri", "trainer.schedule=cosine", "trainer.optimizer=adamw", "trainer.clip_norm=1.0", "trainer.patience=1"),
]


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "evaluation" / "samples.csv").open() as file:
        return list(csv.DictReader(file))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def numbers(run: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in RunDirectory(run).metrics()]


@pytest.mark.figures
@pytest.mark.parametrize("overrides", MATRIX, ids=" ".join)
def test_smoke(cli, tmp_path, overrides):
    code, out, err = cli("scale=smoke", *QUIET, *overrides)
    assert (code, err) == (0, "")
    run = only_run(tmp_path)
    assert str(run.relative_to(tmp_path)) in out
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["data"] == ("real" if "task=denoising" in overrides else "synthetic")
    assert all(math.isfinite(row["train_loss"]) for row in RunDirectory(run).metrics())
    found = rows(run)
    assert {row["reconstructor"] for row in found} == {"network", "x0"}
    assert all(math.isfinite(float(row["psnr"])) for row in found)
    assert {p.suffix for p in (run / "figures").iterdir()} == {".png", ".pdf"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Finish one MRI run, with W&B recording offline."""
    arguments = ["task=mri", "scale=smoke", "strategy=jitter", "sigma=0.01", "epochs=3", "trainer.threads=1"]
    return only_run(finished_run(tmp_path_factory.mktemp("finished"), *arguments))


def test_the_run_directory_keeps_its_contract(finished):
    assert finished.parent.name == "gd-jitter"
    assert finished.parent.parent.name == "mri"
    record = json.loads((finished / "run.json").read_text())
    assert finished.name == f"seed0-{record['config_hash']}"
    expected = {
        "status", "config_hash", "data_hash", "seed", "commit", "versions", "device", "threads", "started", "ended",
        "wall_s", "peak_memory_mib", "parameters", "command", "data",
    }  # fmt: skip
    assert expected <= set(record)
    assert record["acceleration"]["mean"] == pytest.approx(4.0)
    assert record["command"].startswith("python run.py task=mri scale=smoke strategy=jitter")
    config = OmegaConf.load(finished / "config.yaml")
    assert config.strategy.sigma == 0.01
    metrics = RunDirectory(finished).metrics()
    assert [row["epoch"] for row in metrics] == [0, 1, 2]
    assert [row["global_step"] for row in metrics] == [3, 6, 9]
    assert set(metrics[0]) == {"epoch", "global_step", "train_loss", "val_psnr", "val_ssim", "lr", "seconds"}
    checkpoints = {p.name for p in (finished / "checkpoints").iterdir()}
    names = {"last.ckpt", "best.ckpt", "epoch-0001.ckpt", "epoch-0002.ckpt"}
    assert checkpoints == names | {f"{name}.sha256" for name in names}
    best = max(metrics, key=lambda row: row["val_psnr"])["epoch"]
    assert read_checkpoint(finished / "checkpoints" / "best.ckpt")["epoch"] == best
    assert {p.name for p in (finished / "figures").iterdir()} >= {"training.png", "robustness.png"}


def test_samples_and_summary_agree(finished):
    found = rows(finished)
    assert tuple(found[0]) == COLUMNS
    summary = json.loads((finished / "evaluation" / "summary.json").read_text())
    conditions = ["clean", "gaussian", "apgd", "pgd", "line", "lesion", "gaussian-x2", "apgd-x2"]
    assert list(summary["network"]) == list(summary["x0"]) == conditions
    assert set(summary["definitions"]) >= {"psnr", "ssim", "nmse", "fastmri_psnr"}
    for name in ("network", "x0"):
        for condition in conditions:
            mine = [r for r in found if r["reconstructor"] == name and r["condition"] == condition]
            assert len(mine) == 4
            by_volume: dict[str, list[float]] = {}
            for row in mine:
                by_volume.setdefault(row["volume"], []).append(float(row["psnr"]))
            entry = summary[name][condition]["psnr"]
            assert entry["n_volumes"] == 2
            assert entry["mean"] == pytest.approx(np.mean([np.mean(v) for v in by_volume.values()]))
            for row in mine:
                assert float(row["delta_norm"]) <= float(row["epsilon"]) * (1 + 1e-5)
                if row["attack"]:
                    rho = float(row["epsilon"]) / float(row["y_norm"])
                    assert rho == pytest.approx(float(row["level"]), rel=1e-5)
    for row in found:
        if row["attack"] in ("apgd", "pgd"):
            twin = [r for r in found if all(r[k] == row[k] for k in ("reconstructor", "sample"))]
            (clean,) = [r for r in twin if r["condition"] == "clean"]
            assert float(row["loss"]) >= float(clean["loss"])


def _told(folder: Path, who_and_where: dict[str, bytes]) -> set[str]:
    """Return the names that occur in a W&B record: in its files, their names, and the targets of its links."""
    content = [os.fsencode(path.readlink()) for path in folder.rglob("*") if path.is_symlink()]
    content += [os.fsencode(path.name) for path in folder.rglob("*")]
    content += [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return {name for name, sign in who_and_where.items() if any(sign in part for part in content)}


def test_a_private_wandb_record_names_neither_host_nor_user_nor_folder(finished, cli, tmp_path):
    host, user = platform.node().encode(), getpass.getuser().encode()
    names = {  # short names as W&B's format writes them, after their length: two letters alone occur by chance
        "host": bytes([len(host)]) + host,
        "user": user if len(user) > 3 else bytes([len(user)]) + user,
        "home": os.fsencode(Path.home()),
        "packages": b"omegaconf==",
        "command": b"run_dir=",
    }
    if len(sys.argv[0]) > 3:  # "-c" of a worker occurs by chance
        names["program"] = os.fsencode(sys.argv[0])
    assert {"host", "home", "packages"} <= _told(finished / "wandb", names)
    run = tmp_path / "alice" / "run"
    arguments = ["task=toy", "scale=smoke", "epochs=1", "trainer.threads=1", f"run_dir={run}"]
    code, _, err = cli(*arguments, "logger.private=true", "evaluation.panels=1")
    assert code == 0, err
    (record,) = (run / "wandb").glob("offline-run-*")
    (log,) = record.glob("*.wandb")
    for _ in range(600):  # W&B's service writes it out a little after the run has ended, if the machine is busy
        if b"val_psnr" in log.read_bytes():
            break
        time.sleep(0.1)
    assert b"val_psnr" in log.read_bytes()
    assert list(record.rglob("*.png"))
    names |= {"folder": os.fsencode(tmp_path), "outer folder": b"alice", "cwd": os.fsencode(Path.cwd())}
    assert _told(run / "wandb", names) == set()
    keys = {identity(load(parse(["task=toy", *more])).settings.plain(), {}) for more in ([], ["logger.private=true"])}
    assert len(keys) == 1


def test_the_wandb_record_holds_scalars_panels_and_curve(finished):
    (record,) = (finished / "wandb").glob("offline-run-*")
    program = Path(sys.executable).with_name("wandb")
    done = subprocess.run(
        [program, "leet", "inspect", "--json", str(record)], capture_output=True, text=True, check=True, timeout=60
    )
    history = [
        entry["history"]["item"]
        for entry in map(json.loads, done.stdout.splitlines())
        if entry["type"] == "history"
    ]  # fmt: skip
    scalars = [item for item in history if "train_loss" in item]
    own = RunDirectory(finished).metrics()
    assert [item["val_psnr"] for item in scalars] == pytest.approx([row["val_psnr"] for row in own])
    assert [item["global_step"] for item in scalars] == [3, 6, 9]
    text = done.stdout
    assert "panel-clean-" in text
    assert "panel-apgd-" in text
    assert "panel-pgd-" in text
    assert "curves/robustness" in text
    (table,) = record.glob("files/media/table/points_*.json")
    found = json.loads(table.read_text())
    points = [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]
    assert {(p["reconstructor"], p["curve"]) for p in points} == {
        (r, a) for r in ("network", "x0") for a in ("apgd", "pgd", "gaussian")
    }
    mine = [p["x"] for p in points if (p["reconstructor"], p["curve"], p["metric"]) == ("network", "apgd", "psnr")]
    assert mine == pytest.approx([0.0, 0.03, 0.06], rel=1e-3)
    (table,) = record.glob("files/media/table/samples_*.json")
    with (finished / "evaluation" / "samples.csv").open() as file:
        assert len(json.loads(table.read_text())["data"]) == len(list(csv.DictReader(file)))


def test_a_finished_run_is_skipped_and_force_repeats_it(cli, tmp_path):
    arguments = ("task=toy", "scale=smoke", "strategy=jitter", *QUIET)
    assert cli(*arguments)[0] == 0
    run = only_run(tmp_path)
    first, before = weights(run), (run / "run.json").read_bytes()
    code, _, err = cli(*arguments)
    assert code == 0
    assert f"already finished: {run.relative_to(tmp_path)}" in err
    assert (run / "run.json").read_bytes() == before
    assert cli(*arguments, "force=true")[0] == 0
    assert (run / "run.json").read_bytes() != before
    assert same(weights(run), first)


def test_seeds_and_strategies_share_the_data_and_differ_in_training(cli, tmp_path):
    for seed, strategy in ((0, "mse"), (1, "mse"), (0, "jitter")):
        folder = f"run_dir={strategy}{seed}"
        assert cli("task=toy", "scale=smoke", f"strategy={strategy}", f"seed={seed}", folder, *QUIET)[0] == 0
    runs = [tmp_path / name for name in ("mse0", "mse1", "jitter0")]
    references = [
        [(r["sample"], r["psnr"]) for r in rows(run) if r["reconstructor"] == "x0" and not r["attack"]] for run in runs
    ]
    assert references[0] == references[1] == references[2]
    assert not same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))


@pytest.mark.parametrize(
    "overrides",
    [
        ("strategy=jitter", "trainer.schedule=cosine"),
        ("strategy=input_jitter", "architecture=prox", "trainer.schedule=onecycle"),
    ],
)
def test_an_interrupted_run_ends_with_the_same_bits(cli, tmp_path, monkeypatch, overrides):
    """Stopped by a signal in epoch 1 of 3, then started again with the same command."""
    arguments = ("task=seismic", "scale=smoke", "epochs=3", *QUIET, *overrides)
    assert cli(*arguments, "run_dir=whole")[0] == 0
    from sgdj.training.module import Training

    original = Training.training_step

    def stopped(self, batch, index):
        if self.current_epoch == 1 and index == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch, index)

    monkeypatch.setattr(Training, "training_step", stopped)
    code, _, err = cli(*arguments, "run_dir=parts")
    assert code == 143
    assert "continue with: python run.py task=seismic" in err
    parts = RunDirectory(tmp_path / "parts")
    assert parts.read_record()["status"] == "interrupted"
    assert [row["epoch"] for row in parts.metrics()] == [0]
    monkeypatch.setattr(Training, "training_step", original)
    code, _, err = cli(*arguments, "run_dir=parts")
    assert code == 0
    assert "continuing from epoch-0000.ckpt" in err
    whole = tmp_path / "whole"
    assert same(weights(whole), weights(parts.path))
    assert numbers(whole) == numbers(parts.path)
    assert (whole / "evaluation" / "samples.csv").read_bytes() == (parts.evaluation / "samples.csv").read_bytes()


@pytest.mark.parametrize(("names", "epoch"), [(("epoch-0003.ckpt",), 3), (("epoch-0003.ckpt", "last.ckpt"), 2)])
def test_a_damaged_checkpoint_is_skipped_by_name(cli, tmp_path, names, epoch):
    arguments = ("task=toy", "scale=smoke", "epochs=4", *QUIET)
    assert cli(*arguments, "run_dir=whole")[0] == 0
    assert cli(*arguments, "run_dir=damaged")[0] == 0
    run = RunDirectory(tmp_path / "damaged")
    run.record = run.read_record()
    run.update(status="interrupted", trained=False)
    for path in (run.checkpoints / name for name in names):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    code, _, err = cli(*arguments, "run_dir=damaged")
    assert code == 0
    assert "epoch-0003.ckpt" in err
    assert "is damaged" in err
    assert f"continuing from epoch-000{epoch}.ckpt" in err
    assert same(weights(tmp_path / "whole"), weights(run.path))


def test_divergence_stops_with_its_own_code(cli, tmp_path):
    code, _, err = cli("task=toy", "scale=smoke", "trainer.lr=1e30", "epochs=3", *QUIET)
    assert code == 3
    assert "at step" in err
    assert "samples train" in err
    run = only_run(tmp_path)
    assert json.loads((run / "run.json").read_text())["status"] == "failed"
    assert Diverged.exit_code == 3


def test_a_folder_with_another_run_is_left_alone(cli, tmp_path):
    assert cli("task=toy", "scale=smoke", "run_dir=here", *QUIET)[0] == 0
    before = (tmp_path / "here" / "run.json").read_bytes()
    code, _, err = cli("task=toy", "scale=smoke", "run_dir=here", "seed=5", *QUIET)
    assert code == 2
    assert "the folder holds another run" in err
    assert (tmp_path / "here" / "run.json").read_bytes() == before


def test_a_running_folder_is_locked(cli, tmp_path):
    run = RunDirectory(tmp_path / "here")
    run.claim()
    code, _, err = cli("task=toy", "scale=smoke", "run_dir=here", *QUIET)
    assert code == 2
    assert "another run is at work there" in err
    run.release()


def test_evaluate_leaves_the_trained_run_alone(cli, tmp_path, finished):
    def content():  # W&B's service writes its own log a little later
        return {p: p.read_bytes() for p in finished.rglob("*") if p.is_file() and p.suffix != ".log"}

    before = content()
    checkpoint = f"checkpoint={finished}/checkpoints/best.ckpt"
    data = f"dataset.directory={finished.parents[3]}/data"
    code, _, err = cli("mode=evaluate", checkpoint, data, "logger=none", "trainer.threads=1")
    assert (code, err) == (0, "")
    assert rows(only_run(tmp_path)) == rows(finished)
    assert content() == before


def test_evaluate_with_other_evaluation_parts(cli, tmp_path, finished):
    checkpoint = f"checkpoint={finished}/checkpoints/best.ckpt"
    code, _, _ = cli(
        "mode=evaluate", checkpoint, "attack=gaussian", "attack.epsilon=0.5", "shift=noise_level", "operator.noise=0.1",
        "architecture.iterations=4", *QUIET,
    )  # fmt: skip
    assert code == 0
    run = only_run(tmp_path)
    config = OmegaConf.load(run / "config.yaml")
    assert config.architecture.iterations == 4
    assert config.strategy.sigma == 0.01  # the trained network's own
    found = rows(run)
    assert {r["condition"] for r in found} == {"clean", "gaussian", "noise_level"}
    assert {float(r["epsilon"]) for r in found if r["attack"]} == {0.5}


def test_a_network_is_evaluated_on_its_training_data_and_without_shifts(cli, tmp_path, finished):
    checkpoint = f"checkpoint={finished}/checkpoints/best.ckpt"
    code, _, err = cli("mode=evaluate", checkpoint, "+experiment=generalisation", f"output_dir={tmp_path}/one/outputs")
    assert code == 0, err
    code, _, err = cli("mode=evaluate", checkpoint, "shift=[]", *QUIET, f"output_dir={tmp_path}/two/outputs")
    assert code == 0, err
    trained, tested = (rows(only_run(tmp_path / name)) for name in ("one", "two"))
    assert {r["condition"] for r in tested} == {"clean", "gaussian", "apgd", "pgd"}
    assert {r["condition"] for r in trained} == {"clean", "gaussian"}
    volumes = [{r["volume"] for r in found} for found in (trained, tested)]
    assert len(volumes[0]) == OmegaConf.load(finished / "config.yaml").dataset.volumes.train
    assert not volumes[0] & volumes[1]


def test_a_run_of_before_some_settings_is_evaluated_like_one_of_today(cli, tmp_path, finished):
    """Its configuration lacks every setting that has a default; none of them changes anything by itself."""
    import shutil

    import yaml

    from sgdj.jobs.identity import without_defaults

    def older(key, node):
        kept = without_defaults(key, node).items()
        return {name: older(f"{key}.{name}".strip("."), v) if isinstance(v, dict) else v for name, v in kept}

    shutil.copytree(finished, tmp_path / "old", symlinks=True)
    path = tmp_path / "old" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    assert len(list(leaves(config))) - len(list(leaves(older("", config)))) > 15
    path.write_text(yaml.safe_dump(older("", config), sort_keys=False))
    for name, folder in (("old", tmp_path / "old"), ("new", finished)):
        checkpoint = f"checkpoint={folder}/checkpoints/best.ckpt"
        code, _, err = cli("mode=evaluate", checkpoint, f"run_dir=e{name}", *QUIET)
        assert code == 0, err
    one, other = (tmp_path / f"e{name}" for name in ("old", "new"))
    assert (one / "evaluation" / "samples.csv").read_bytes() == (other / "evaluation" / "samples.csv").read_bytes()


def test_evaluate_refuses_to_change_the_network(cli, tmp_path, finished):
    checkpoint = f"checkpoint={finished}/checkpoints/best.ckpt"
    code, _, err = cli("mode=evaluate", checkpoint, "strategy=mse", "architecture.learned.features=16", "trainer.lr=1")
    assert code == 2
    assert len(err.splitlines()) == 3
    assert all("an evaluation cannot change this" in line for line in err.splitlines())
    assert not list(tmp_path.iterdir())


def test_evaluate_on_fastmri_files_it_never_saw(cli, tmp_path, finished):
    from skimage.io import imread

    from sgdj.data.fastmri_layout import write_volume
    from sgdj.data.fft import image_to_kspace

    stack = imread(shared_file("brain.tiff")).astype(float)[:2]
    (tmp_path / "brain").mkdir()
    write_volume(tmp_path / "brain" / "b.h5", image_to_kspace(stack), (256, 256), acquisition="BRAIN", patient_id="b")
    checkpoint = f"checkpoint={finished}/checkpoints/best.ckpt"
    code, _, err = cli(
        "mode=evaluate", checkpoint, "dataset=fastmri", "dataset.root=brain", "dataset.partition=none",
        "dataset.slice_offsets=null", "attack.steps=1", *QUIET,
    )  # fmt: skip
    assert (code, err) == (0, "")
    run = only_run(tmp_path)
    assert json.loads((run / "run.json").read_text())["data"] == "real"
    assert {r["volume"] for r in rows(run)} == {"b.h5"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.write_bytes(b""), "is damaged"),
        (lambda p: p.write_bytes(b"garbage"), "is damaged"),
        (lambda p: p.with_name("best.ckpt.sha256").unlink(), "sha256 is missing"),
    ],
)
def test_unusable_checkpoints(cli, tmp_path, finished, change, message):
    import shutil

    shutil.copytree(finished, tmp_path / "copy", symlinks=True)  # W&B links to a log that may be late
    change(tmp_path / "copy" / "checkpoints" / "best.ckpt")
    code, _, err = cli("mode=evaluate", "checkpoint=copy/checkpoints/best.ckpt", *QUIET)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_a_checkpoint_of_another_architecture_is_named(finished):
    from sgdj.errors import InputError
    from sgdj.networks import DnCNN, GradientDescent, StepSize
    from sgdj.runs.network import restore

    other = GradientDescent(DnCNN(2, 4, 8, 4, False), StepSize("exp", 1.0, 0.0, True), 2, "adjoint")
    with pytest.raises(InputError, match=r"another architecture \(missing learned\.body\.6\.weight"):
        restore(other, finished / "checkpoints" / "best.ckpt")


def test_a_hostile_checkpoint_is_refused(tmp_path):
    import pickle

    from sgdj.errors import InputError
    from sgdj.runs.checkpoints import _hash_path

    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/harm",)

    import hashlib

    path = tmp_path / "x.ckpt"
    path.write_bytes(pickle.dumps(Hostile()))
    _hash_path(path).write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(InputError, match="tensors and plain types"):
        read_checkpoint(path)
    assert not (tmp_path / "harm").exists()


def test_a_sweep_names_every_job(cli, tmp_path):
    code, out, err = cli("-m", "task=toy", "scale=smoke", "strategy=mse,jitter", "sigma=0.05", "seed=0,1", *QUIET)
    assert code == 0
    assert "4 jobs checked; no finished run of the same kind" in err
    assert err.count("strategy mse has no noise level: sigma=0.05 is ignored") == 2
    assert out.count("finished ") == 4
    assert "4 of 4 jobs done" in out
    assert {p.name for p in tmp_path.iterdir()} == {"data", "outputs"}
    assert len(list(tmp_path.glob("outputs/toy/*/*/run.json"))) == 4
    code, out, err = cli("-m", "task=toy", "scale=smoke", "strategy=mse,jitter", "sigma=0.05", "seed=0,1", *QUIET)
    assert code == 0
    assert "4 jobs checked; estimate, one after the other: 0." in err
    assert out.count("skipped ") == 4


def test_a_failed_job_hides_no_other(cli, tmp_path):
    code, out, err = cli("-m", "task=toy", "scale=smoke", "trainer.lr=1e30,1e-3", "epochs=3", *QUIET)
    assert code == 5
    assert "exit 3: loss" in out or "exit 3: gradient" in out
    assert "1 of 2 jobs done" in out
    assert "error: " in err
    states = [json.loads(p.read_text())["status"] for p in tmp_path.glob("outputs/*/*/*/run.json")]
    assert sorted(states) == ["failed", "finished"]


def test_the_section_trains_and_reports(cli, tmp_path):
    path = shared_file("marmousi.npz")
    code, out, err = cli("task=seismic", "scale=smoke", "dataset=section", f"dataset.path={path}", *QUIET)
    assert (code, err) == (0, "")
    assert "real data" in out
    assert "over 1 volumes" in out
    summary = json.loads((only_run(tmp_path) / "evaluation" / "summary.json").read_text())
    assert summary["network"]["clean"]["psnr"]["n_volumes"] == 1
    assert summary["network"]["clean"]["psnr"]["std"] is None


def test_bad_data_leaves_no_run_directory(cli, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.h5").write_bytes(b"nothing")
    code, _, err = cli("dataset=fastmri", "dataset.root=root", "dataset.partition=none", *QUIET)
    assert code == 2
    (tmp_path / "empty").mkdir()
    code, _, err = cli("dataset=fastmri", "dataset.root=empty", *QUIET)
    assert (code, err.count("\n")) == (2, 1)
    assert "no .h5 file" in err
    assert not (tmp_path / "outputs").exists()


def test_ci_runs_the_readmes_test_command():
    root = Path(__file__).resolve().parents[2]
    assert "make test" in (root / ".ci" / "run").read_text()
    assert "make test" in (root / "README.md").read_text()


def test_the_commit_tells_changed_code_from_new_results(tmp_path, monkeypatch):
    """A campaign writes rows while it runs; its later runs are of clean code all the same."""
    code, rows = tmp_path / "sgdj" / "provenance.py", tmp_path / "results" / "row.json"
    monkeypatch.setattr(provenance, "__file__", str(code))
    for path in (code, rows):
        path.parent.mkdir()
        path.write_text("1")
    assert provenance.commit() is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    clean = provenance.commit()
    assert clean is not None
    assert len(clean) == 40
    rows.write_text("2")
    assert provenance.commit() == clean
    code.write_text("2")
    assert provenance.commit() == f"{clean}-dirty"
