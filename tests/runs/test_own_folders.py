"""A run removes only its own files: not the user's folders, not other runs, whatever the settings name."""

import json
import os
import shutil
from contextlib import chdir
from pathlib import Path

import pytest
import torch

from scripts.runs import compare
from sgdj.errors import InputError
from sgdj.modes.cli import main
from sgdj.runs.catalogue import view
from sgdj.runs.directory import RunDirectory
from sgdj.runtime.writing import write_atomically
from tests.conftest import SMOKE

ARGUMENTS = (*SMOKE, "evaluation.curve=[]", "shift=[]", "attack=gaussian", "trainer.threads=1")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Create a folder with a finished run and its data."""
    folder = tmp_path_factory.mktemp("finished")
    torch.set_num_threads(1)
    with chdir(folder):
        assert main([*ARGUMENTS, "run_dir=run"]) == 0
    return folder


def listing(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """List everything below a folder, hidden and nested, with times of change and bytes."""
    return {
        str(p.relative_to(folder)): (p.lstat().st_mtime_ns, p.read_bytes() if p.is_file() else None)
        for p in [folder, *folder.rglob("*")]
    }


def users_own(folder: Path) -> None:
    """Create a folder of the user's with the names that a run uses."""
    for name in (
        "config.yaml", "metrics.jsonl", ".hidden", ".paper.tex.tmp", "figures/figure.png", "figures/.a.tmp",
        "checkpoints/best.ckpt", "checkpoints/deep/er/notes", "evaluation/samples.csv", "wandb/run-1/x",
        "model/README.md",
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("task: toy\n")


def foreign_record(folder: Path) -> None:
    users_own(folder)
    (folder / "run.json").write_text('{"status": "ok"}')


def only_hidden(folder: Path) -> None:
    folder.mkdir()
    (folder / ".keep").write_text("x")


def lock_of_another_program(folder: Path) -> None:
    folder.mkdir()
    (folder / ".lock").write_text("pid 7")


def link_as_lock(folder: Path) -> None:
    folder.mkdir()
    (folder.parent / "thesis").write_text("four years")
    (folder / ".lock").symlink_to(folder.parent / "thesis")


def half_a_record(folder: Path) -> None:
    folder.mkdir()
    (folder / "run.json").write_text('{"status": "finish')


def unknown_checkpoints(folder: Path) -> None:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "epoch-0001.ckpt").write_bytes(b"weights of another program")


FOREIGN = (
    users_own, foreign_record, only_hidden, lock_of_another_program, link_as_lock, half_a_record, unknown_checkpoints,
)  # fmt: skip


@pytest.mark.parametrize("force", [(), ("force=true",)])
@pytest.mark.parametrize("make", FOREIGN)
def test_a_folder_of_the_users_own_is_left_alone(cli, tmp_path, make, force):
    make(tmp_path / "mine")
    before = listing(tmp_path)
    code, _, err = cli(*ARGUMENTS, "run_dir=mine", *force)
    assert (code, err.count("\n")) == (2, 1), err
    assert "run_dir=mine" in err
    assert "this one is left as it is" in err
    assert listing(tmp_path) == before


def test_the_projects_own_configuration_is_no_run(cli, tmp_path):
    shutil.copytree(Path(__file__).resolve().parents[2] / "conf", tmp_path / "conf")
    before = listing(tmp_path)
    for force in ((), ("force=true",)):
        code, _, _ = cli(*ARGUMENTS, "run_dir=conf", *force)
        assert code == 2
    assert listing(tmp_path) == before


@pytest.mark.parametrize("inside", [(), (".lock",), (".lock", ".0123456789abcdef.sgdj.tmp"), ("checkpoints/",)])
def test_what_counts_as_empty(cli, tmp_path, inside):
    (tmp_path / "run").mkdir()
    for name in inside:
        path = tmp_path / "run" / name
        path.mkdir() if name.endswith("/") else path.touch()
    assert cli(*ARGUMENTS, "run_dir=run")[0] == 0
    assert not (tmp_path / "run" / ".0123456789abcdef.sgdj.tmp").exists()


def test_repeating_a_run_leaves_what_the_user_put_there(cli, tmp_path, finished):
    shutil.copytree(finished / "run", tmp_path / "run")
    own = ["notes.txt", ".hidden", "figures/mine.svg", "checkpoints/mine/a.ckpt", ".a.tmp", "evaluation/plot.py"]
    for name in own:
        (tmp_path / "run" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "run" / name).write_text(name)
    (tmp_path / "run" / "figures" / "panel-old-1.png").write_text("of an earlier run")
    code, _, err = cli(*ARGUMENTS, "run_dir=run", "force=true")
    assert code == 0
    assert "files of the earlier run: run" in err
    assert [(tmp_path / "run" / name).read_text() for name in own] == own
    assert not (tmp_path / "run" / "figures" / "panel-old-1.png").exists()
    code, _, err = cli(*ARGUMENTS, "run_dir=run", "force=true", "seed=7")  # another run, replaced on request
    assert code == 0
    assert [(tmp_path / "run" / name).read_text() for name in own] == own


@pytest.mark.parametrize("weights", ["checkpoints/best.ckpt", "model/weights.safetensors"])
def test_an_evaluation_does_not_remove_the_network_that_it_reads(cli, tmp_path, finished, weights):
    shutil.copytree(finished / "run", tmp_path / "run")
    before = listing(tmp_path)
    arguments = ("mode=evaluate", f"checkpoint=run/{weights}", "run_dir=run", "force=true", "logger=none")
    code, _, err = cli(*arguments, f"dataset.directory={finished / 'data'}")
    assert (code, err.count("\n")) == (2, 1), err
    assert "the run would remove what it reads, checkpoint=run/" in err
    assert listing(tmp_path) == before


def test_what_lies_behind_a_link_is_not_the_runs(cli, tmp_path, finished):
    shutil.copytree(finished / "run", tmp_path / "run")
    theirs = tmp_path / "wandb" / "offline-run-20250101_010101-abcd"
    theirs.mkdir(parents=True)
    (theirs / "record").write_text("of other runs")
    (tmp_path / "run" / "wandb").symlink_to(theirs.parent)
    (tmp_path / "run" / "checkpoints").rename(tmp_path / "elsewhere")
    (tmp_path / "run" / "checkpoints").symlink_to(tmp_path / "elsewhere")
    before = listing(tmp_path)
    code, _, err = cli(*ARGUMENTS, "run_dir=run", "force=true", f"dataset.directory={finished / 'data'}")
    assert (code, err.count("\n")) == (2, 1), err
    assert "a link to another place, run/checkpoints" in err
    assert listing(tmp_path) == before
    RunDirectory(tmp_path / "run").clear()
    assert (theirs / "record").exists()
    assert (tmp_path / "elsewhere" / "best.ckpt").exists()


def test_the_record_is_the_first_file_and_read_under_the_lock(cli, tmp_path, finished, monkeypatch):
    """Another process ends the run between the first look and the lock: it is skipped, and nothing is cleared."""
    order = []
    original = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(Path(b)), original(a, b)))
    assert cli(*ARGUMENTS, "run_dir=fresh")[0] == 0
    assert [p.name for p in order if p.parent.name == "fresh"][:2] == ["run.json", "config.yaml"]
    claim = RunDirectory.claim

    def ended_meanwhile(run):
        shutil.copytree(finished / "run", run.path, dirs_exist_ok=True)
        claim(run)

    monkeypatch.setattr(RunDirectory, "claim", ended_meanwhile)
    code, _, err = cli(*ARGUMENTS, "run_dir=run")
    assert (code, err) == (0, "note: already finished: run (force=true repeats it)\n")
    assert (tmp_path / "run" / "run.json").read_bytes() == (finished / "run" / "run.json").read_bytes()


def test_a_link_in_the_way_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "target").write_text("somebody's")
    (tmp_path / "out.json").symlink_to(tmp_path / "target")
    write_atomically(tmp_path / "out.json", b"ours")
    assert (tmp_path / "target").read_text() == "somebody's"
    assert not (tmp_path / "out.json").is_symlink()
    run = RunDirectory(tmp_path)
    (tmp_path / "metrics.jsonl").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic"):
        run.append_metrics({"epoch": 0})
    assert (tmp_path / "target").read_text() == "somebody's"


def test_a_predictable_temporary_name_is_not_used(tmp_path, monkeypatch):
    opened = []
    original = os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags, *rest: (opened.append((path, flags)), original(path, flags, *rest))[1]
    )
    for _ in range(2):
        write_atomically(tmp_path / ("n" * 250), b"x")  # nor is a long name made longer
    (one, flags), (other, _) = [(p, f) for p, f in opened if f & os.O_CREAT]
    assert one != other
    assert flags & os.O_EXCL
    assert flags & os.O_NOFOLLOW


def test_tidying_removes_checkpoints_and_nothing_else(tmp_path, finished):
    from sgdj.runs.catalogue import find, tidy

    shutil.copytree(finished / "run", tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "notes.txt").write_text("mine")
    assert "removed checkpoints of 1 finished runs" in tidy(find([tmp_path], {}), really=True)
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["notes.txt"]


def another_seed(tmp_path, finished):
    shutil.copytree(finished / "run", tmp_path / "run")
    return ("run_dir=run", "seed=3"), "the folder holds another run (seed is 0 there, 3 here)"


def file_as_output(tmp_path, finished):
    (tmp_path / "file").write_text("x")
    return ("output_dir=file",), "the folder cannot be written (Not a directory)"


def file_above_the_run(tmp_path, finished):
    (tmp_path / "file").write_text("x")
    return ("run_dir=file/run",), "the folder cannot be written (Not a directory)"


def file_as_run(tmp_path, finished):
    (tmp_path / "file").write_text("x")
    return ("run_dir=file",), "the folder cannot be written (Not a directory)"


def nowhere(tmp_path, finished):
    return ("output_dir=/proc/none",), "the folder cannot be written"


def too_many_processes(tmp_path, finished):
    return ("trainer.devices=99",), "cannot be shared by 99 processes"


def too_many_for_the_last_batch(tmp_path, finished):
    return ("trainer.devices=3", "trainer.batch_size=4", "dataset.samples.train=6"), "a batch of 2 train images"


def locked(tmp_path, finished, held=[]):  # noqa: B006
    held.append(RunDirectory(tmp_path / "run"))
    held[-1].claim()
    return ("run_dir=run",), "another run is at work there"


def damaged_weights(tmp_path, finished):
    shutil.copytree(finished / "run", tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "best.ckpt").write_bytes(b"")
    return ("mode=evaluate", "checkpoint=run/checkpoints/best.ckpt"), "the checkpoint is damaged"


def weights_without_a_hash(tmp_path, finished):
    shutil.copytree(finished / "run", tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "best.ckpt.sha256").unlink()
    return ("mode=audit", "checkpoint=run/checkpoints/best.ckpt"), "sha256 is missing"


def verify_nothing(tmp_path, finished):
    (tmp_path / "empty").mkdir()
    return ("mode=verify", "run_dir=empty"), "no readable run.json"


def data_into_a_file(tmp_path, finished):
    (tmp_path / "file").write_text("x")
    return ("dataset.directory=file",), "the data cannot be written"


MISTAKES = (
    another_seed, file_as_output, file_above_the_run, file_as_run, nowhere, too_many_processes,
    too_many_for_the_last_batch, locked, damaged_weights, weights_without_a_hash, verify_nothing, data_into_a_file,
)  # fmt: skip


@pytest.mark.parametrize("make", MISTAKES)
def test_a_mistake_is_told_in_a_line_and_nothing_is_written(cli, tmp_path, finished, make):
    given, line = make(tmp_path, finished)
    before = {name: content for name, (_, content) in listing(tmp_path).items()}
    arguments = ("logger=none",) if any(g.startswith("checkpoint=") for g in given) else ARGUMENTS
    code, _, err = cli(*arguments, *given)
    assert (code, err.count("\n")) == (2, 1), err
    assert line in err
    assert {name: content for name, (_, content) in listing(tmp_path).items()} == before


def test_a_mistake_that_shows_late_leaves_nothing_behind(cli, tmp_path, monkeypatch):
    """Use an outside network that fails when it is called."""
    (tmp_path / "own.py").write_text("def network(y, operator):\n    raise KeyError('y')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    code, _, err = cli(*ARGUMENTS, "mode=evaluate", "reconstructor=own:network")
    assert (code, err.count("\n")) == (2, 1)
    assert not (tmp_path / "outputs").exists()


def test_numbers_that_no_float_holds_and_samples_that_are_none(tmp_path, finished):
    shutil.copytree(finished / "run", tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps(record | {"wall_s": 10**400, "score": 10**400}))
    assert {"wall_s", "score"}.isdisjoint(RunDirectory(tmp_path / "run").read_record())
    summary = tmp_path / "run" / "evaluation" / "summary.json"
    summary.write_text(json.dumps({"network": {"clean": {"psnr": {"mean": 10**400}}}}))
    assert view(tmp_path / "run").psnr("clean") is None
    for content in (b"a,b\n1,2\n", b"\xff\xfe", b"reconstructor,condition,volume,psnr\nnetwork,clean,v,x\n"):
        (tmp_path / "run" / "evaluation" / "samples.csv").write_bytes(content)
        with pytest.raises(InputError, match=r"the samples cannot be read, .*samples\.csv"):
            compare(tmp_path / "run", finished / "run")


def test_one_damaged_record_costs_no_other_run(cli, tmp_path, finished):
    """Neither a sweep's estimate nor the list of runs ends at a record that cannot be read."""
    from sgdj.runs.catalogue import find, listing

    for name in ("whole", "damaged", "odd"):
        shutil.copytree(finished / "run", tmp_path / "outputs" / name)
    (tmp_path / "outputs" / "damaged" / "run.json").write_bytes(b"\xff{")
    record = json.loads((tmp_path / "outputs" / "odd" / "run.json").read_text())
    (tmp_path / "outputs" / "odd" / "run.json").write_text(json.dumps(record | {"wall_s": "long"}))
    (tmp_path / "outputs" / "odd" / "evaluation" / "summary.json").write_text('{"network": 3}')
    assert len(find([tmp_path / "outputs"], {})) == 3
    assert listing(find([tmp_path / "outputs"], {})).row_count == 3
    code, _, err = cli("-m", *ARGUMENTS, "seed=0,1")
    assert code == 0
    assert "estimate" in err
