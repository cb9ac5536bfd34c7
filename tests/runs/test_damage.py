"""Every file of a run is damaged in every way, and the same command given again: nothing that is intact is lost."""

import hashlib
import json
import os
import shutil
import signal
from contextlib import chdir, suppress
from pathlib import Path

import pytest
import torch

from sgdj.errors import InputError
from sgdj.modes import evaluate, run, train
from sgdj.modes.cli import main
from sgdj.runs.checkpoints import is_intact, read_checkpoint, write_checkpoint
from sgdj.runs.directory import RunDirectory
from sgdj.runs.resuming import METRICS, RUN
from sgdj.runs.verification import differences
from sgdj.training.module import Training

ARGUMENTS = (
    "task=toy", "scale=smoke", "epochs=3", "logger=none", "evaluation.panels=0", "evaluation.curve=[]", "shift=[]",
    "attack=gaussian", "trainer.threads=1", "run_dir=run",
)  # fmt: skip


def flip(content, position):
    changed = bytearray(content)
    changed[position] ^= 0b100
    return bytes(changed)


DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "last byte off": lambda content: content[:-1],
    "bit in the beginning": lambda content: flip(content, min(40, len(content) // 2)),
    "bit in the middle": lambda content: flip(content, len(content) // 2),
    "bit at the end": lambda content: flip(content, -min(33, len(content))),
    "zeros": lambda content: bytes(len(content)),
}
#: Files that decide how a run goes on are damaged in every way, the others in two.
RECORDS = ("run.json", "metrics.jsonl", "checkpoints/epoch-0002.ckpt", "checkpoints/epoch-0002.ckpt.sha256")


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    """Leave out figures, which take most of the time of so small a run."""
    monkeypatch.setattr("sgdj.reporting.figures.curves", lambda *_: None)
    monkeypatch.setattr("sgdj.reporting.figures.training_curve", lambda rows, path: path.write_bytes(b"a figure"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Create a folder with a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    torch.set_num_threads(1)
    with chdir(folder):
        assert main(list(ARGUMENTS)) == 0
    return folder


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """Create a folder with a run that a signal ended after its last epoch, before the evaluation."""
    folder = tmp_path_factory.mktemp("interrupted")
    torch.set_num_threads(1)
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "evaluate_networks", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
        assert main(list(ARGUMENTS)) == 143
    return folder


def weights(run):
    return (run / "model" / "weights.safetensors").read_bytes()


def files(run):
    return [p.relative_to(run).as_posix() for p in sorted(run.rglob("*")) if p.is_file() and p.name != ".lock"]


def intact(run):
    return {p.name: p.read_bytes() for p in (run / "checkpoints").glob("*.ckpt") if is_intact(p)}


def again(source, tmp_path, change, cli):
    """Copy a run, change it, repeat the command; returns exit code, standard error and the run."""
    if (tmp_path / "run").exists():
        shutil.rmtree(tmp_path / "run")
    shutil.copytree(source / "run", tmp_path / "run")
    change(tmp_path / "run")
    before = intact(tmp_path / "run")
    code, _, err = cli(*ARGUMENTS)
    after = intact(tmp_path / "run")
    assert {name: after.get(name) for name in before} == before
    assert "Traceback" not in err
    return code, err, tmp_path / "run"


def damaged_files(state):
    """Return pairs of a file and ways to damage it."""
    number = 0
    for name in files(state / "run"):
        ways = list(DAMAGES)
        if name not in RECORDS:
            ways = [ways[number % len(ways)], ways[(number + 3) % len(ways)]]
            number += 1
        yield name, ways


@pytest.mark.parametrize("state", ["finished", "interrupted"])
def test_damage_costs_nothing_that_is_intact(cli, tmp_path, state, request, finished):
    source = request.getfixturevalue(state)
    counted = 0
    for name, ways in damaged_files(source):
        for way in ways:

            def change(run, name=name, way=way):
                (run / name).write_bytes(DAMAGES[way]((run / name).read_bytes()))

            code, err, run = again(source, tmp_path, change, cli)
            counted += 1
            assert code in (0, 2, 5), (name, way, err)
            assert err.count("\n") >= 1, (name, way)
            if code == 0:
                assert weights(run) == weights(finished / "run"), (name, way)
                if name.endswith((".ckpt", ".sha256", ".jsonl")):
                    assert RunDirectory(run).metrics() == [
                        {**row, "seconds": mine["seconds"]}
                        for row, mine in zip(
                            RunDirectory(finished / "run").metrics(), RunDirectory(run).metrics(), strict=True
                        )
                    ]
    assert counted > 30


def lines_of_metrics(run):
    """Change a digit of the first row: still valid JSON, but another number."""
    path = run / "metrics.jsonl"
    path.write_text(path.read_text().replace('"val_psnr": 1', '"val_psnr": 9', 1))


def test_a_changed_digit_of_metrics_is_put_right_from_the_checkpoint(cli, tmp_path, interrupted, finished):
    code, err, run = again(interrupted, tmp_path, lines_of_metrics, cli)
    assert code == 0
    assert "metrics.jsonl was damaged: put right from the checkpoint" in err
    assert weights(run) == weights(finished / "run")
    assert RunDirectory(run).metrics()[0]["val_psnr"] == RunDirectory(finished / "run").metrics()[0]["val_psnr"]


def without_checkpoints(run):
    (run / "evaluation" / "samples.csv").write_text("something else")
    shutil.rmtree(run / "checkpoints")


def test_a_finished_run_whose_numbers_changed_and_cannot_be_made_anew(cli, tmp_path, finished):
    code, err, run = again(finished, tmp_path, without_checkpoints, cli)
    assert (code, err.count("\n")) == (5, 1)
    assert "evaluation/samples.csv" in err
    assert "force=true trains again" in err
    assert weights(run) == weights(finished / "run")


def test_tidied_checkpoints_are_no_damage(cli, tmp_path, finished):
    code, err, _ = again(finished, tmp_path, lambda run: shutil.rmtree(run / "checkpoints"), cli)
    assert (code, err) == (0, "note: already finished: run (force=true repeats it)\n")


@pytest.mark.parametrize(
    ("owner", "phase"),
    [
        (evaluate, "evaluate_networks"),
        (evaluate, "report"),
        (train, "write_model"),
        (run, "hashes"),
        (run.Tracker, "finish"),
    ],
)
def test_a_failure_after_the_training_costs_no_epoch(cli, tmp_path, monkeypatch, finished, owner, phase):
    def fails(*_, **__):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    original = getattr(owner, phase)
    monkeypatch.setattr(owner, phase, fails)
    code, _, _ = cli(*ARGUMENTS)
    assert code == 1
    monkeypatch.setattr(owner, phase, original)

    def trained_again(*_):
        raise AssertionError("an epoch is trained again")

    monkeypatch.setattr(Training, "training_step", trained_again)
    code, _, err = cli(*ARGUMENTS)
    assert code == 0
    assert "continuing from epoch-0002.ckpt" in err or "already finished" in err
    assert weights(tmp_path / "run") == weights(finished / "run")
    assert (tmp_path / "run" / "evaluation" / "samples.csv").read_bytes() == (
        finished / "run" / "evaluation" / "samples.csv"
    ).read_bytes()


def test_a_diverged_run_begins_again_and_says_what_it_removes(cli, tmp_path, interrupted):
    def diverged(run):
        record = json.loads((run / "run.json").read_text()) | {"status": "failed", "diverged": True}
        (run / "run.json").write_text(json.dumps(record))

    code, err, _ = again(interrupted, tmp_path, diverged, cli)
    assert code == 0
    assert "beginning again: the earlier run diverged" in err
    assert "removed " in err
    assert "continuing" not in err


def test_no_intact_checkpoint_begins_at_zero_and_says_so(cli, tmp_path, interrupted, finished):
    def spoil(run):
        for path in (run / "checkpoints").glob("*.ckpt"):
            path.write_bytes(b"")

    code, err, run = again(interrupted, tmp_path, spoil, cli)
    assert code == 0
    assert "beginning again: the earlier run left no intact checkpoint" in err
    assert weights(run) == weights(finished / "run")


def test_the_newest_epoch_is_found_by_number(tmp_path):
    from sgdj.runs.checkpoints import epoch_checkpoints, epoch_path, prune

    for epoch in (9998, 9999, 10000, 10001):
        write_checkpoint(epoch_path(tmp_path, epoch), {"state_dict": {}, "sgdj_format": 1})
    assert [path.stem for path in epoch_checkpoints(tmp_path)] == [
        "epoch-10001", "epoch-10000", "epoch-9999", "epoch-9998",
    ]  # fmt: skip
    prune(tmp_path, 2, 9998)
    assert {path.stem for path in epoch_checkpoints(tmp_path)} == {"epoch-10001", "epoch-10000", "epoch-9998"}


HOSTILE = {
    "another run's": lambda content: content | {RUN: "0" * 12},
    "rows that are none": lambda content: content | {METRICS: [1, 2]},
    "another epoch": lambda content: content | {"epoch": 7},
    "no optimiser": lambda content: {k: v for k, v in content.items() if k != "optimizer_states"},
    "weights that are none": lambda content: content | {"state_dict": {"x": 1}},
    "loops of another kind": lambda content: content | {"loops": 3},
    "optimiser of another kind": lambda content: content | {"optimizer_states": [{"state": 1}]},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_checkpoint_whose_hash_holds_and_whose_content_does_not(cli, tmp_path, interrupted, what):
    shutil.copytree(interrupted / "run", tmp_path / "run")
    for name in ("epoch-0002", "last"):
        path = tmp_path / "run" / "checkpoints" / f"{name}.ckpt"
        write_checkpoint(path, HOSTILE[what](read_checkpoint(path)))
    code, _, err = cli(*ARGUMENTS)
    assert code in (0, 2), err
    assert "Traceback" not in err
    assert err.count("\n") >= 1


def test_verify_tells_every_damage(cli, tmp_path, finished):
    shutil.copytree(finished / "run", tmp_path / "whole")
    for name in files(tmp_path / "whole"):
        path = tmp_path / "whole" / name
        content = path.read_bytes()
        for way, damage in DAMAGES.items():
            path.write_bytes(damage(content))
            if name == "run.json":  # no hash covers it
                with suppress(InputError):
                    differences(tmp_path / "whole")
            else:
                count, lines = differences(tmp_path / "whole")
                assert count > 10
                assert any(name in line for line in lines), (name, way)
        path.write_bytes(content)
    name = "model/weights.safetensors"
    weights = (tmp_path / "whole" / name).read_bytes()
    (tmp_path / "whole" / name).write_bytes(b"")
    code, _, err = cli("mode=verify", "run_dir=whole")
    assert (code, err) == (5, f"differs: {name} has changed\n")
    (tmp_path / "whole" / name).write_bytes(weights)
    code, out, err = cli("mode=verify", "run_dir=whole")
    assert (code, err) == (0, "")
    assert "run.json itself is covered by no hash" in out


RECORD_DAMAGES = {
    "a list": "[]",
    "deep": "[" * 100_000,
    "not text": "\udcff",
    "files of another kind": {"files": 3},
    "hashes of another kind": {"files": {"config.yaml": 3, "../../secret": "x"}},
    "an exit code of another kind": {"exit_code": "x"},
    "a time of another kind": {"wall_s": "long", "started": 3},
    "no number": {"wall_s": float("nan")},
}


@pytest.mark.parametrize("what", RECORD_DAMAGES)
def test_a_record_of_another_kind(cli, tmp_path, finished, what):
    shutil.copytree(finished / "run", tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    change = RECORD_DAMAGES[what]
    if isinstance(change, dict):
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    else:
        path.write_bytes(change.encode(errors="surrogateescape"))
    code, _, err = cli("mode=verify", "run_dir=run")
    assert code in (0, 2, 5)
    code, _, err = cli(*ARGUMENTS)
    assert code in (0, 2, 5), err
    assert "Traceback" not in err
    assert weights(tmp_path / "run") == weights(finished / "run")


def test_equal_trainings_have_equal_checkpoints(finished, interrupted):
    """Checkpoints keep metrics without times."""
    hashes = [
        hashlib.sha256(Path(folder / "run" / "checkpoints" / "last.ckpt").read_bytes()).hexdigest()
        for folder in (finished, interrupted)
    ]
    assert hashes[0] == hashes[1]
