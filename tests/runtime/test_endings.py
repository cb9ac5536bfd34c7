"""Runs end in order: by a signal from the first moment on, on a full disk, and with numbers that are not finite."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sgdj.errors import ExitCode, InputError, Interrupted, ResourceError, as_run_error, writing
from sgdj.modes import sweep
from sgdj.reporting.terminal import result_table
from sgdj.runs.checkpoints import read_checkpoint, write_checkpoint
from sgdj.runs.directory import RunDirectory
from sgdj.runs.resuming import best_epoch
from sgdj.runtime import early
from sgdj.runtime.signals import stop
from sgdj.runtime.writing import write_atomically
from tests.conftest import only_run
from tests.runs.test_run_troubles import mounted

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = (
    "task=toy", "scale=smoke", "logger=none", "evaluation.panels=0", "evaluation.curve=[]", "shift=[]",
    "attack=gaussian", "trainer.threads=1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("number", "wait", "multirun"),
    [
        (signal.SIGINT, 0.1, False),
        (signal.SIGTERM, 0.3, False),
        (signal.SIGUSR1, 1.0, True),
        (signal.SIGINT, 0.5, True),
    ],
)
def test_a_signal_during_the_imports_has_its_own_code(tmp_path, number, wait, multirun):
    """Sent once the handlers are there, which is before the first import that takes time."""
    command = [sys.executable, str(ROOT / "run.py"), *(["-m", "seed=0,1,2"] if multirun else []), *ARGUMENTS]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    caught = f"/proc/{process.pid}/status"
    while not _catches(Path(caught).read_text(), number):
        time.sleep(0.001)
    time.sleep(wait)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert err == f"interrupted by {signal.Signals(number).name}\n"
    assert not list(tmp_path.iterdir())


def _catches(status: str, number: int) -> bool:
    line = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    handlers = int(line.split()[1], 16)
    return bool(handlers >> (signal.SIGUSR1 - 1) & 1) and bool(handlers >> (number - 1) & 1)


def test_nothing_takes_time_before_the_handlers_are_there():
    """The modules that are imported before them are the standard library's small ones."""
    program = "import sys; import sgdj.runtime.early; print(*(n for n in sys.modules if n.partition('.')[0] == 'sgdj'))"
    done = subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True, text=True)
    assert set(done.stdout.split()) == {"sgdj", "sgdj.runtime", "sgdj.runtime.early"}


def test_a_library_that_catches_everything_does_not_swallow_a_signal():
    with pytest.raises(Interrupted), stop.obeyed():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        except Exception:
            pytest.fail("swallowed")


def test_a_signal_while_a_sweep_is_checked(cli, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "load", interrupted)
    code, _, err = cli("-m", *ARGUMENTS, "seed=0,1")
    assert (code, err) == (130, "interrupted by SIGINT\n")
    assert not list(tmp_path.iterdir())


def test_after_trouble_of_the_machine_no_library_has_a_last_word(monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    early.leave(4)
    assert ended == [4]
    with pytest.raises(SystemExit) as end:
        early.leave(5)
    assert end.value.code == 5


@pytest.mark.figures  # which take a part of the disk
@pytest.mark.parametrize("size", ["4k", "12k", "40k", "72k", "104k", "120k"])
def test_a_disk_that_is_full_at_any_moment(cli, tmp_path, size):
    with mounted(tmp_path / "disk", size) as disk:
        code, _, err = cli(*ARGUMENTS, f"run_dir={disk}/run")
        assert (code, err.count("\n")) == (4, 1), err
        assert f"the disk is full ({disk}/run" in err
        assert not list((disk / "run").rglob(".*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        code, _, err = cli(*ARGUMENTS, f"run_dir={disk}/run")
        assert code == 0, err


def test_a_disk_that_fills_in_a_sweep(cli, tmp_path):
    with mounted(tmp_path / "disk", "40k") as disk:
        code, out, err = cli("-m", *ARGUMENTS, f"output_dir={disk}", "seed=0,1")
        assert code == 5
        assert out.count("exit 4: the disk is full") == 2
        assert "Traceback" not in err


def wrapped(error: Exception) -> Exception:
    """Catch every `OSError` as a mistake of the user's, as a reader might."""
    try:
        try:
            raise error
        except OSError as cause:
            raise InputError("the data cannot be written", "dataset.directory", "choose another") from cause
    except InputError as found:
        return found


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(122, "Disk quota exceeded"),
        OSError(
            "[Errno 28] Can't write data (file write failed: errno = 28, error message = 'No space left on device')"
        ),
        RuntimeError("Can't decrement id ref count (file write failed: errno = 28, error message = 'x')"),
        OSError("4096 requested and 0 written"),  # NumPy
        wrapped(OSError(28, "No space left on device", "place/a.npy")),
        wrapped(OSError("4096 requested and 0 written")),
    ],
)
def test_a_full_disk_in_whatever_words(tmp_path, error):
    found = as_run_error(error)
    assert isinstance(found, ResourceError)
    assert "None" not in str(found)
    with pytest.raises(ResourceError, match="place"), writing(Path("place")):
        raise error


def test_other_errors_are_not_taken_for_a_full_disk():
    assert as_run_error(OSError(13, "Permission denied", "x")) is None
    assert as_run_error(ValueError("No space left on device")) is None
    with pytest.raises(FileNotFoundError), writing(Path("place")):
        raise FileNotFoundError(2, "No such file", "x")


def test_a_signal_while_a_file_is_written_leaves_no_part_of_it(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")

    def interrupted(_):
        raise Interrupted(15)

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(Interrupted):
        write_atomically(tmp_path / "a", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"old")]


def test_weights_that_are_no_numbers_are_measured_and_told(cli, tmp_path):
    assert cli(*ARGUMENTS, "run_dir=run")[0] == 0
    path = tmp_path / "run" / "checkpoints" / "best.ckpt"
    content = read_checkpoint(path)
    for value in content["state_dict"].values():
        value.fill_(torch.nan)
    write_checkpoint(path, content)
    code, out, err = cli("mode=evaluate", f"checkpoint={path}", "logger=none", "evaluation.panels=0")
    assert (code, err.count("Traceback")) == (0, 0), err
    assert "—" in out
    summary = json.loads((only_run(tmp_path) / "evaluation" / "summary.json").read_text(), parse_constant=pytest.fail)
    assert summary["network"]["clean"]["psnr"]["mean"] is None


def entry(value: float) -> dict:
    return {"mean": value, "std": None, "n_samples": 1, "n_volumes": 1}


def test_numbers_that_json_does_not_have(tmp_path):
    """A perfect reconstruction has an infinite PSNR."""
    run = RunDirectory(tmp_path)
    run.evaluation.mkdir()
    run.write_json("summary.json", {"network": {"clean": {"psnr": entry(math.inf), "ssim": entry(1.0)}}})
    read = json.loads((run.evaluation / "summary.json").read_text(), parse_constant=pytest.fail)["network"]["clean"]
    assert read["psnr"] == entry(None) | {"note": "mean is Infinity"}
    assert read["ssim"] == entry(1.0)
    rows = [{"epoch": 0, "val_psnr": math.inf}, {"epoch": 1, "val_psnr": math.nan}, {"epoch": 2, "val_psnr": 3.5}]
    run.write_metrics(rows[:2])
    run.append_metrics(rows[2])
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
    assert str(run.metrics()) == str(rows)
    assert best_epoch(rows) == 0
    assert best_epoch(rows[1:]) == 1


@pytest.mark.parametrize("value", [math.inf, None, 0.0])
def test_the_closing_table_takes_every_number(value):
    psnr = {"psnr": entry(value), "ssim": entry(value), "delta_norm": entry(value), "y_norm": entry(value)}
    assert result_table({"network": {"clean": psnr}, "x0": {"clean": psnr}}, "title").row_count == 1


def test_a_resumed_training_says_where(cli, monkeypatch):
    from sgdj.training.module import Training

    original = Training.training_step

    def stopped(self, batch, index):
        if self.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch, index)

    monkeypatch.setattr(Training, "training_step", stopped)
    assert cli(*ARGUMENTS, "run_dir=run", "epochs=3")[0] == ExitCode.SIGTERM
    monkeypatch.setattr(Training, "training_step", original)
    code, _, err = cli(*ARGUMENTS, "run_dir=run", "epochs=3")
    assert (code, err) == (0, "note: continuing from epoch-0000.ckpt: resuming at epoch 2/3\n")
