"""What somebody sees who starts the program for the first time: help, what is missing, progress, what comes next."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from sgdj import __version__
from sgdj.modes import sweep
from sgdj.modes.closing import closing_lines
from sgdj.runtime import progress
from sgdj.runtime.needed import FASTMRI, NEEDED, advice, missing
from tests.conftest import SMOKE, only_run

ROOT = Path(__file__).resolve().parents[2]


def _name(requirement: str) -> str:
    return re.split(r"[=<>~ ]", requirement, maxsplit=1)[0]


def test_every_declared_package_is_looked_for():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {_name(one) for one in declared} | {"fastmri"} == set(NEEDED)
    assert FASTMRI.split()[-1] in (ROOT / "requirements.txt").read_text().split()
    assert missing() == []


@pytest.mark.parametrize("script", [ROOT / "run.py", "-m"])
def test_without_the_environment_one_line_says_what_to_do(tmp_path, script):
    """A Python that has the standard library alone: no site-packages, no user's packages."""
    command = [sys.executable, "-S", *([script] if script != "-m" else ["-m", "sgdj"]), "task=mri"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(r"error: packages are missing, torch, lightning, .* and \d+ more .*\n", done.stderr)
    assert "make setup" in done.stderr
    assert "source .venv/bin/activate" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_advice_fits_the_place(tmp_path):
    assert advice(["fastmri"], tmp_path).endswith(f": {FASTMRI}")
    assert advice(["torch", "fastmri"], tmp_path).endswith(f": pip install torch; {FASTMRI}")
    (tmp_path / "Makefile").touch()
    assert advice(["torch"], tmp_path).endswith("run `make setup`, then `source .venv/bin/activate`")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").touch()
    assert "run `source .venv/bin/activate`" in advice(["torch"], tmp_path)


def test_set_up_says_what_it_does_before_it_is_silent():
    command = ["make", "--always-make", "--dry-run", "--no-print-directory", "setup"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    said, _, silent = shown.partition("test -x")
    count = len(re.findall(r"^[a-zA-Z].*==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE))
    command = ["bash", "-c", said]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"Installing {count} packages and PyTorch" in told
    assert told.count("\n") == 1
    assert "pip install" in silent


def test_without_arguments_the_help_is_shown(cli, tmp_path):
    code, out, err = cli()
    assert (code, err) == (0, "")
    assert "python run.py task=mri strategy=jitter" in out
    assert out == cli("--help")[1]
    assert cli("--version") == (0, f"sgdj {__version__}\n", "")
    assert not list(tmp_path.iterdir())


def test_the_shell_completes(cli, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["run.py"])
    assert "hydra_bash_completion python" in cli("-sc", "install=bash")[1]
    monkeypatch.setenv("COMP_LINE", "python run.py strategy=adv")
    assert cli("-sc", "query=bash")[:2] == (0, "strategy=adversarial\n")
    assert "@hydra.main" in (ROOT / "run.py").read_text(), "what Hydra's completion looks for in the file"


def test_progress_without_a_terminal_is_told_in_lines(cli, monkeypatch):
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    monkeypatch.setattr(progress, "SHARE", 0.0)
    code, _, err = cli(*SMOKE, "epochs=2")
    assert code == 0
    training = [line for line in err.splitlines() if line.startswith("training, ")]
    assert re.fullmatch(r"training, epoch 1/2, \d+:\d\d min left", training[0])
    assert re.fullmatch(r"training, epoch 2/2, validation [\d.]+ dB, took \d+:\d\d min", training[-1])
    measuring = [line for line in err.splitlines() if line.startswith("evaluating ")]
    assert re.fullmatch(r"evaluating 1/\d+ \(clean, gaussian, .*\), \d+:\d\d min left", measuring[0])
    assert measuring[-1].endswith("min") and ", took " in measuring[-1]


def test_lines_are_few_and_tell_the_time_left(capfd, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress, "PAUSE", 10.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    for _ in progress.follow(range(1, 4001), 4000, "working"):
        now[0] += 1.0
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "working 10/4000, 1:06 h left"
    assert lines[-1] == "working 4000/4000, took 1:06 h"
    assert 10 < len(lines) < 100


def test_a_finished_run_says_what_comes_next(cli, tmp_path):
    code, out, _ = cli(*SMOKE)
    assert code == 0
    look, further = out.splitlines()[-2:]
    assert Path(look.removeprefix("look at: ")).exists()
    assert further.startswith("try next: python run.py mode=audit checkpoint=")
    assert cli(*shlex.split(further)[4:], "audit.light=true", "--cfg", "job")[0] == 0
    assert "try next" not in cli("-m", *SMOKE)[1]
    assert only_run(tmp_path)


@pytest.mark.parametrize(
    ("flags", "outcomes"), [((), ["failed", "finished"]), (("--fail-fast",), ["failed", "left out"])]
)
def test_a_sweep_may_stop_at_its_first_failure(cli, monkeypatch, flags, outcomes):
    execute = sweep.execute

    def failing(overrides, in_sweep):
        return {"exit_code": 4, "error": "no room"} if "seed=0" in overrides else execute(overrides, in_sweep=in_sweep)

    monkeypatch.setattr(sweep, "execute", failing)
    code, out, _ = cli("-m", *flags, *SMOKE, "epochs=1", "seed=0,1")
    assert code == 5
    told = [line[:9].strip() for line in out.splitlines() if " task=toy " in line]
    assert told == outcomes


def test_only_a_sweep_stops_at_a_failure(cli):
    assert cli("--fail-fast", *SMOKE) == (
        2, "", "error: only a sweep can stop at its first failure, --fail-fast: add -m\n"
    )  # fmt: skip


def test_a_reader_may_see_enough_of_the_help(tmp_path):
    with subprocess.Popen([sys.executable, ROOT / "run.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # as `head` does, before a word has come
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_the_container_copies_what_set_up_needs():
    lines = (ROOT / "Containerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    assert all((ROOT / name).exists() for name in copied)
    needs = re.search(r"^\$\(VENV\)/\.installed: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert needs
    assert {*needs[1].split(), "requirements.txt", "Makefile", "sgdj", "conf"} <= set(copied)
    assert "RUN make setup" in lines


def test_the_version_stands_where_it_is_cited():
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_files_of_an_acquisition_are_named_again():
    lines = ("operator.mask_file=m.npy", "+operator.wavelet_file=w.npy", "sigma=0.1")
    job = SimpleNamespace(settings=SimpleNamespace(mode="train"), overrides=lines)
    further = closing_lines(job, {"folder": "run"})[-1]
    assert further.endswith("best.ckpt operator.mask_file=m.npy +operator.wavelet_file=w.npy")
