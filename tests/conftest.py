"""Shared helpers: real data, and the command line run in this process."""

import gc
import math
import os
import pickle
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line does it, before torch is imported

import torch

from sgdj.jobs import composition, load, trained
from sgdj.modes.cli import main
from sgdj.runtime import progress
from tests.drawing import draw, leave_out_drawing

#: What a test of something else leaves out of its runs.
QUIET = ("logger=none", "evaluation.panels=0")
SMOKE = ("task=toy", "scale=smoke", *QUIET)

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def shared_file(name: str) -> Path:
    """Return a real data file beside the project, or skip with a message that names it."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"real data absent: {path}")
    return path


def pytest_collection_finish():
    """Leave what was imported out of garbage collections: the libraries' million objects stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


leave_out_drawing()


def _once(compose: Callable[[list[str]], dict[str, Any]]) -> Callable[[list[str]], dict[str, Any]]:
    """Compose a configuration once in this process: Hydra's work is half of that of a test that runs nothing."""
    known: dict[tuple[str, ...], bytes] = {}

    def composed(overrides: list[str]) -> dict[str, Any]:
        key = tuple(overrides)
        if any("plugins=" in text for text in key):  # options of a package, which a test may write anew
            return compose(overrides)
        if key not in known:
            known[key] = pickle.dumps(compose(overrides))
        return pickle.loads(known[key])

    return composed


load.compose_config = trained.compose_config = _once(composition.compose_config)


@pytest.fixture(autouse=True)
def drawing(request, monkeypatch):
    """Draw figures for tests that are marked ``figures`` alone."""
    if request.node.get_closest_marker("figures") is not None:
        draw(monkeypatch)


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    """Print no lines of progress, which depend on how busy the machine is; a test of them sets a pause of its own."""
    monkeypatch.setattr(progress, "PAUSE", math.inf)


@pytest.fixture(autouse=True)
def no_plugins_of_another_test(tmp_path_factory):
    """Forget the modules that a test wrote and imported: another test may give its own the same name."""
    before = set(sys.modules)
    yield
    written = str(tmp_path_factory.getbasetemp().resolve())
    for name in sys.modules.keys() - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(written):
            del sys.modules[name]


@pytest.fixture
def cli(tmp_path, monkeypatch, capfd):
    """Run the command line in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(list(arguments))
        out, err = capfd.readouterr()
        return code, out, err

    return run


def only_run(folder: Path) -> Path:
    """Return the single run directory under ``outputs/``."""
    (path,) = [p.parent for p in folder.glob("outputs/*/*/*/run.json")]
    return path


def finished_run(folder: Path, *arguments: str) -> Path:
    """Finish a run in a folder, and return the folder."""
    with chdir(folder):
        assert main(list(arguments)) == 0
    return folder
