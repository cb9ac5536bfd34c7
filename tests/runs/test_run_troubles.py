"""Ways in which a run goes wrong, each with the outcome it must have, through the command line.

The numbers are those of the catalogue begun in test_input_troubles.py: 35-39 folders and checkpoints, 40-50 runs.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch
from omegaconf import OmegaConf

from sgdj.errors import ExitCode, InputError, as_run_error
from sgdj.runs.checkpoints import FORMAT, _hash_path, read_checkpoint, write_checkpoint
from sgdj.runs.network import load_weights
from sgdj.study.store import read, write
from tests.conftest import QUIET, SMOKE, finished_run, only_run
from tests.jobs import test_input_troubles as inputs
from tests.program import RUN, Program, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Finish one toy run."""
    return finished_run(tmp_path_factory.mktemp("trained"), *SMOKE, "run_dir=run") / "run"


def newer(path):
    content = read_checkpoint(path)
    write_checkpoint(path, content | {"sgdj_format": FORMAT + 1})


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def other_architecture(path):
    content = read_checkpoint(path)
    content["state_dict"] = {f"network.other.{i}": torch.zeros(1) for i in range(12)}
    write_checkpoint(path, content)


@pytest.mark.parametrize(
    ("number", "damage", "line"),
    [
        (35, other_architecture, "the checkpoint is of another architecture (missing"),
        (36, flipped, "the checkpoint is damaged"),
        (36, lambda p: p.write_bytes(b""), "the checkpoint is damaged"),
        (36, lambda p: (p.write_bytes(b"garbage"), _hash_path(p).unlink()), "sha256 is missing"),
        (37, newer, f"the checkpoint has format {FORMAT + 1}, newer than {FORMAT}"),
    ],
)
def test_checkpoints(cli, tmp_path, trained, number, damage, line):
    shutil.copytree(trained, tmp_path / "copy")
    damage(tmp_path / "copy" / "checkpoints" / "best.ckpt")
    code, _, err = cli("mode=evaluate", "checkpoint=copy/checkpoints/best.ckpt", *QUIET)
    assert code == 2
    assert line in err
    assert err.count("\n") == 1
    assert number != 35 or "and" in err


def test_38_another_configuration_in_the_folder(cli, tmp_path, trained):
    shutil.copytree(trained, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    code, _, err = cli(*SMOKE, "run_dir=run", "trainer.lr=0.5")
    assert (code, err.count("\n")) == (2, 1)
    assert "trainer.lr is 0.01 there, 0.5 here" in err
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_39_output_that_cannot_be_written(cli, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in ("file", "/proc/none"):
        code, _, err = cli(*SMOKE, f"output_dir={folder}")
        assert (code, err.count("\n")) == (2, 1)
        assert "the folder cannot be written" in err
        assert folder in err


@contextmanager
def mounted(folder, size):
    """Mount a real file system of a given size, or skip."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "disk", "1m") as folder:
        yield folder


@pytest.mark.parametrize("task", ["mri", "seismic"])
def test_40_a_disk_that_fills_while_data_are_generated(tmp_path, small_disk, task):
    (small_disk / "rest").write_bytes(b"0" * (2**20 - 2**16))
    done = run(RUN, f"task={task}", *SMOKE[1:], f"dataset.directory={small_disk}/data", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr  # h5py left to itself crashes at the end
    assert f"the disk is full, {small_disk}/data/" in done.stderr
    assert [path.name for path in (small_disk / "data").iterdir() if path.suffix != ".lock"] == []
    assert not (tmp_path / "outputs").exists()


def test_40_a_full_disk_at_the_start(cli, small_disk):
    (small_disk / "rest").write_bytes(b"0" * 2**20)
    code, _, err = cli(*SMOKE, f"output_dir={small_disk}")
    assert (code, err.count("\n")) == (4, 1)
    assert f"the disk is full ({small_disk}" in err
    assert [p.name for p in small_disk.iterdir()] == ["rest"]


def test_40_a_disk_that_fills_keeps_the_old_checkpoint(cli, small_disk, tmp_path, monkeypatch):
    arguments = ("task=toy", "scale=smoke", "epochs=4", *QUIET)
    assert cli(*arguments, "run_dir=whole")[0] == 0
    from sgdj.runs.lightning_io import VerifiedCheckpoints

    original = VerifiedCheckpoints.save_checkpoint

    def fill(self, checkpoint, path, storage_options=None):
        if Path(path).name == "epoch-0002.ckpt":
            with (small_disk / "rest").open("wb") as file, pytest.raises(OSError, match="space"):
                while True:
                    file.write(b"0" * 4096)
                    file.flush()
        original(self, checkpoint, path, storage_options)

    monkeypatch.setattr(VerifiedCheckpoints, "save_checkpoint", fill)
    code, _, err = cli(*arguments, f"run_dir={small_disk}/run")
    assert code == 4
    assert "the disk is full" in err
    assert "Traceback" not in err
    checkpoints = small_disk / "run" / "checkpoints"
    read_checkpoint(checkpoints / "epoch-0001.ckpt")
    read_checkpoint(checkpoints / "best.ckpt")
    assert not list(checkpoints.glob(".*"))
    (small_disk / "rest").unlink()
    monkeypatch.setattr(VerifiedCheckpoints, "save_checkpoint", original)
    code, _, err = cli(*arguments, f"run_dir={small_disk}/run")
    assert code == 0
    assert "continuing from epoch-0001.ckpt" in err
    for name in ("evaluation/samples.csv", "model/weights.safetensors"):
        assert (small_disk / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_41_two_runs_in_one_folder(cli, tmp_path):
    from sgdj.runs.directory import RunDirectory

    first = RunDirectory(tmp_path / "run")
    first.claim()
    code, _, err = cli(*SMOKE, "run_dir=run")
    first.release()
    assert (code, err.count("\n")) == (2, 1)
    assert "another run is at work there" in err


def start(folder, *arguments, **environment):
    """Start a run as a process of its own, in a folder."""
    return Program(RUN, *arguments, cwd=folder, environment=environment)


def wait_for(path, process):
    """Wait until a file is there, or the process has ended."""
    while not path.exists() and process.poll() is None:
        time.sleep(0.02)


LONG = ("task=seismic", "scale=smoke", "epochs=3000", "run_dir=run", "trainer.threads=1", *QUIET)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([signal.SIGINT], 130),
        ([signal.SIGTERM], 143),
        ([signal.SIGCONT, signal.SIGTERM], 143),  # SLURM before it preempts
        ([signal.SIGUSR1], 138),  # sbatch --signal=USR1@60
        ([signal.SIGTERM, signal.SIGTERM], 143),
    ],
)
def test_42_signals_leave_a_state_that_goes_on(tmp_path, sent, code):
    slurm = {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "7", "SLURM_PROCID": "0"}
    process = start(tmp_path, *LONG, **(slurm if signal.SIGCONT in sent or signal.SIGUSR1 in sent else {}))
    wait_for(tmp_path / "run" / "checkpoints" / "epoch-0001.ckpt", process)
    for number in sent:
        process.send_signal(number)
    _, err = process.communicate(timeout=600)
    assert process.returncode == code, err
    assert f"continue with: python run.py {' '.join(LONG)}" in err
    assert "Traceback" not in err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "interrupted"


def test_42_a_sweep_stops_as_a_whole(tmp_path):
    process = start(tmp_path, "-m", "task=seismic", "scale=smoke", "epochs=3000", "seed=0,1,2", *QUIET)
    while not list(tmp_path.glob("outputs/*/*/*/checkpoints/epoch-0001.ckpt")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "continue with: python run.py -m task=seismic scale=smoke epochs=3000 seed=0,1,2" in err
    assert len(list(tmp_path.glob("outputs/*/*/*/run.json"))) == 1


KILLED_WHILE_SAVING = """
import os, signal, sys
sys.path.insert(0, {root!r})
from sgdj.runs import checkpoints
from sgdj.runtime.writing import temporary_path
original = checkpoints.write_atomically
def killed(path, content):
    if path.name == "epoch-0002.ckpt":
        temporary_path(path.parent).write_bytes(content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    original(path, content)
checkpoints.write_atomically = killed
from sgdj.modes.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_43_killed_while_saving(cli, tmp_path):
    arguments = ("task=toy", "scale=smoke", "epochs=4", "trainer.threads=1", *QUIET)
    assert cli(*arguments, "run_dir=whole")[0] == 0
    (tmp_path / "killed.py").write_text(KILLED_WHILE_SAVING.format(root=str(ROOT)))
    done = run(tmp_path / "killed.py", *arguments, "run_dir=run", cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    code, _, err = cli(*arguments, "run_dir=run")
    assert code == 0
    assert "continuing from epoch-0001.ckpt" in err
    assert not list((tmp_path / "run").rglob(".*.tmp"))
    for name in ("evaluation/samples.csv", "model/weights.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_44_divergence(cli, tmp_path):
    code, _, err = cli(*SMOKE, "trainer.lr=1e30", "epochs=3")
    assert (code, err.count("\n")) == (3, 1)
    assert "samples train" in err
    assert "at step" in err
    assert json.loads((only_run(tmp_path) / "run.json").read_text())["status"] == "failed"


def test_44_the_last_good_checkpoint_stays(cli, tmp_path, monkeypatch):
    """A loss that is NaN from epoch 2 on; weights never become NaN."""
    from sgdj.training.module import Training

    original = Training.training_step

    def spoiled(self, batch, index):
        if self.current_epoch == 2:
            monkeypatch.setattr(self.strategy, "loss", lambda *_: torch.tensor(torch.nan, requires_grad=True))
        return original(self, batch, index)

    monkeypatch.setattr(Training, "training_step", spoiled)
    code, _, err = cli(*SMOKE, "epochs=4")
    assert (code, err.count("\n")) == (3, 1)
    assert "loss nan at step" in err
    assert "of epoch 3, samples train" in err
    run = only_run(tmp_path)
    content = read_checkpoint(run / "checkpoints" / "epoch-0001.ckpt")
    assert all(torch.isfinite(value).all() for value in content["state_dict"].values())
    assert not (run / "checkpoints" / "epoch-0002.ckpt").exists()


def test_45_out_of_memory_names_the_setting(tmp_path):
    """A real limit on the address space of a process of its own."""
    program = f"""
import resource, sys
sys.path.insert(0, {str(ROOT)!r})
import torch, lightning, torchmetrics
from sgdj.modes.cli import main
import sgdj.training.fit
code = main(["task=denoising", "scale=smoke", "epochs=1", "logger=none", "run_dir=small"])
assert code == 0, code
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20, resource.RLIM_INFINITY))
sys.exit(main(sys.argv[1:]))
"""
    sizes = ("dataset.size=128", "architecture.iterations=200", "architecture.learned.features=256")
    arguments = ("task=denoising", "scale=smoke", "epochs=1", *sizes, *QUIET)
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 4, done.stderr
    assert "out of memory: lower trainer.batch_size" in done.stderr
    assert "Traceback" not in done.stderr


def test_46_a_killed_worker(tmp_path):
    process = start(tmp_path, *LONG, "trainer.workers=1")
    wait_for(tmp_path / "run" / "checkpoints" / "epoch-0001.ckpt", process)
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    workers = [int(child) for task in tasks for child in task.read_text().split()]
    assert workers
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 4, err
    assert "a data worker was killed: lower trainer.workers" in err
    assert "Traceback" not in err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"


def test_47_and_48_tables_of_what_is_there(tmp_path):
    """Missing cells are named; rows of different budgets are refused."""
    target = tmp_path / "results" / "small"
    rows = [one for one in read(ROOT / "results" / "small") if one.experiment == "table_mri"]
    gone = next(one for one in rows if (one.architecture, one.strategy, one.seed) == ("gd", "mse", 0))
    for one in rows:
        if one is not gone:
            write(one, target)
    script = ROOT / "scripts" / "tables.py"
    done = run(script, "build", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Missing: MSE, seeds 0" in (tmp_path / "results" / "README.md").read_text()
    assert not (target / "new").exists(), "folded"
    jitter = next(one for one in rows if one.strategy == "jitter")
    write(replace(jitter, attack=jitter.attack | {"rho": 0.5}), target)
    done = run(script, "build", cwd=tmp_path)
    assert done.returncode == 2
    assert "rows with different attack in one table" in done.stderr
    assert done.stderr.count("\n") == 1


def test_49_no_key_for_wandb(cli, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    code, _, err = cli("task=toy", "scale=smoke", "logger.mode=online")
    assert (code, err.count("\n")) == (2, 1)
    assert "no key for Weights & Biases, logger.mode=online: run wandb login" in err
    assert not (tmp_path / "outputs").exists()


IMPATIENT = """
import sys
sys.path.insert(0, {root!r})
from sgdj.runs import tracking
tracking._PATIENCE["online"] = 3
from sgdj.modes.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("key", ["0" * 40, "not a key"])
def test_50_wandb_unreachable_or_a_bad_key(tmp_path, key):
    environment = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": key}
    (tmp_path / "impatient.py").write_text(IMPATIENT.format(root=str(ROOT)))
    arguments = ("task=toy", "scale=smoke", "logger.mode=online", "run_dir=run")
    done = run(tmp_path / "impatient.py", *arguments, cwd=tmp_path, environment=environment)
    err = done.stderr
    assert done.returncode == 0, err
    assert err.count("recording offline instead") == 1
    assert "Traceback" not in err
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")), err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"


def test_data_that_cannot_be_written(cli, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, _, err = cli(*SMOKE, "dataset.directory=file")
    assert (code, err.count("\n")) == (2, 1)
    assert "the data cannot be written" in err
    assert "dataset.directory=file" in err


def test_two_sweeps_side_by_side(tmp_path):
    """They share data, which is generated once, and an output folder; a third, of the same runs, finds them done."""
    base = ("-m", "task=seismic", "scale=smoke", "strategy=mse,jitter", *QUIET)
    pair = [start(tmp_path, *base, f"seed={seed}") for seed in (0, 1)]
    for process in pair:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        assert "2 of 2 jobs done" in out
    assert len(list(tmp_path.glob("outputs/*/*/*/run.json"))) == 4
    assert len([p for p in (tmp_path / "data").iterdir() if p.is_dir()]) == 1
    process = start(tmp_path, *base, "seed=0,1")
    out, _ = process.communicate(timeout=600)
    assert out.count("skipped ") == 4


def test_49_wandb_on_a_full_disk(tmp_path):
    with mounted(tmp_path / "run" / "wandb", "8k"):
        process = start(tmp_path, "task=toy", "scale=smoke", "run_dir=run")
        _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"
    assert (tmp_path / "run" / "evaluation" / "samples.csv").exists()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("architecture._target_", "os.system", "'os.system' is not a Reconstructor of this project"),
        ("architecture.learned._target_", "torch.hub.load", "'torch.hub.load' is not a LearnedPart of this project"),
        ("dataset._target_", "subprocess.run", "'subprocess.run' is not a Source of this project"),
        ("strategy.name", "../../../escape", "is not valid, strategy.name"),
    ],
)
@pytest.mark.parametrize("plugins", [[], ["os", "torch", "subprocess"]])
def test_a_hostile_configuration_beside_a_checkpoint(cli, tmp_path, trained, key, value, words, plugins):
    """What it names is not called, and it cannot allow itself more."""
    shutil.copytree(trained, tmp_path / "copy")
    config = OmegaConf.load(tmp_path / "copy" / "config.yaml")
    OmegaConf.update(config, key, value)
    config["plugins"] = plugins
    OmegaConf.save(config, tmp_path / "copy" / "config.yaml")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    code, _, err = cli("mode=evaluate", "checkpoint=copy/checkpoints/best.ckpt", *QUIET)
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_the_catalogue_is_complete():
    """Every number from 1 to 50 occurs in one of the two files."""
    numbers = {n for n, *_ in inputs.CONFIGURATION} | {n for n, *_ in inputs.DATA} | {35, 36, 37}
    for name in [*globals(), *vars(inputs)]:
        numbers |= {int(word) for word in name.split("_") if name.startswith("test_") and word.isdigit()}
    assert numbers == set(range(1, 51))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (EOFError(), "a data worker was killed"),
        (ConnectionResetError(104, "reset"), "a data worker was killed"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "a data worker was killed"),
        (RuntimeError("[/gloo/transport/tcp/pair.cc:1] Connection closed by peer"), "another process of this training"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out of memory: lower trainer.batch_size"),
        (MemoryError(), "out of memory"),
        (OSError(28, "No space left on device", "a.ckpt"), "the disk is full (a.ckpt)"),
    ],
)
def test_troubles_of_the_machine_are_told_in_the_program_s_terms(error, words):
    found = as_run_error(error)
    assert words in str(found)
    assert found.exit_code == ExitCode.RESOURCES


def test_a_fault_of_the_program_stays_one():
    assert as_run_error(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    assert as_run_error(OSError(2, "No such file or directory", "x")) is None


def test_a_checkpoint_that_unpacks_to_more_than_its_size_is_refused(tmp_path):
    plain, path = BytesIO(), tmp_path / "a.ckpt"
    torch.save({"sgdj_format": FORMAT, "state_dict": {}}, plain)
    with ZipFile(plain) as source, ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for member in source.infolist():
            more = bytes(2**24) if member.filename.endswith("data.pkl") else b""
            archive.writestr(member.filename, source.read(member) + more)
    _hash_path(path).write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(InputError, match="not a checkpoint of tensors"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "weight",
    [
        torch.eye(3).to_sparse(), torch.empty(3, 3, device="meta"), torch.ones(3, 3, dtype=torch.complex64),
        torch.ones(3, 3, dtype=torch.int64),
    ],
)  # fmt: skip
def test_weights_of_another_kind_are_told_and_not_converted(weight):
    network = torch.nn.Linear(3, 3, bias=False)
    with pytest.raises(InputError, match=r"weight is no dense tensor of torch\.float32"):
        load_weights(network, {"state_dict": {"weight": weight}})
    load_weights(network, {"state_dict": {"weight": torch.eye(3, dtype=torch.float64)}})
