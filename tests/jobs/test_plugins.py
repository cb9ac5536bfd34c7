"""A package ships classes and options of its own; ``plugins=[…]`` opens both."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sgdj.config.search_path import config_options, groups, opened, option_file, search_path
from sgdj.errors import InputErrors
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from tests.conftest import QUIET, only_run

CLASSES = """
import numpy as np

from sgdj.attacks import Attack
from sgdj.config.types import Count, NonNegative, Positive, Seed
from sgdj.data import Source
from sgdj.data.arrays import ArrayImages
from sgdj.errors import SettingError
from sgdj.networks import LearnedPart, Reconstructor
from sgdj.operators import IdentityAcquisition
from sgdj.shifts import Shift
from sgdj.strategies import MSE


class Weighted(MSE):
    def __init__(self, weight: Positive) -> None:
        self.weight = weight

    def loss(self, reconstructor, batch, draws):
        return self.weight * super().loss(reconstructor, batch, draws)


class Blend(Reconstructor):
    def __init__(self, learned: LearnedPart, gain: Positive) -> None:
        super().__init__()
        self.learned, self.gain = learned, gain

    def forward(self, y, operator, perturb=None):
        x = operator.adjoint(y)
        return x + self.gain * self.learned(x if perturb is None else x + perturb(0, x, x), y)


class Constant(Attack):
    def __call__(self, reconstructor, batch, draws):
        delta = self.restrict(batch.y * 0 + 1, batch.operator)
        return self.ball.project(delta, self.budget(batch.y))


class Sensor(IdentityAcquisition):
    pass


class Waves(Source):
    synthetic = True

    def __init__(self, seed: Seed, size: Count, count: Count) -> None:
        if size % 2:
            raise SettingError("size", "waves need an even size", "add one")
        self.seed, self.size, self.count = seed, size, count

    def manifest(self):
        return {"source": "waves", "seed": self.seed, "size": self.size, "count": self.count}

    def images(self, split):
        rng = np.random.default_rng([self.seed, len(split), ord(split[0])])
        x = np.sin(np.arange(self.size)[None] * rng.uniform(0.1, 1, (self.count, 1))).astype(np.float32)
        names = [f"{split}{i}" for i in range(self.count)]
        return ArrayImages(x[:, :, None], names, names)


class Louder(Shift):
    parameter = "factor"

    def __init__(self, factor: NonNegative) -> None:
        self.factor = factor

    def __call__(self, problem):
        from dataclasses import replace

        return replace(problem, x=self.factor * problem.x)
"""
OPTIONS = {
    "strategy/weighted": "_target_: my_lab.classes.Weighted\nname: weighted\nweight: 2.0\n",
    "architecture/blend": "_target_: my_lab.classes.Blend\nname: blend\ngain: 1.0\n",
    "attack/constant": "_target_: my_lab.classes.Constant\nname: constant\nepsilon: null\nrho: 0.1\n"
    "support: measured\nnorm: l2\n",
    "operator/sensor": "_target_: my_lab.classes.Sensor\nname: sensor\nnoise: 0.1\n",
    "dataset/waves": "_target_: my_lab.classes.Waves\nname: waves\nseed: 0\nsize: 16\ncount: 8\n",
    "shift/louder": "# @package shift.louder\n_target_: my_lab.classes.Louder\nfactor: 2.0\n",
    "task/mine": """# @package _global_
defaults:
  - override /operator: sensor
  - override /dataset: waves
  - override /architecture: blend
  - override /architecture/learned: linear
  - override /attack: constant
  - override /shift: [louder, noise_level]
task: mine
problem: {title: My task, operators: [sensor, identity], datasets: [waves], images: signal}
architecture: {learned: {size: 16}}
epochs: 1
trainer: {lr: 1.0e-2, batch_size: 4}
""",
    "scale_task/smoke_mine": "# @package _global_\nepochs: 2\n",
}
MINE = ("task=mine", "strategy=weighted", "scale=smoke", "plugins=[my_lab]", *QUIET)


def write_lab(folder: Path, renamed: Callable[[str], str] = str) -> Path:
    """Write a plugin package with one class and one yaml of each kind, whose options may be renamed."""
    package = folder / "my_lab"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "classes.py").write_text(CLASSES)
    for name, text in OPTIONS.items():
        path = package / "conf" / f"{renamed(name)}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(renamed(text))
    return package


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """The plugin package, importable for the test."""
    package = write_lab(tmp_path / "packages")
    monkeypatch.syspath_prepend(str(package.parent))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return package


def lines(*arguments):
    with pytest.raises(InputErrors) as told:
        load(parse(arguments))
    return [str(mistake) for mistake in told.value.mistakes]


def test_a_plugin_is_found_without_being_imported(lab):
    (lab / "__init__.py").write_text("raise RuntimeError('imported')\n")
    plugins = opened(parse(["plugins=[my_lab,json,no.such,os]"]))
    assert plugins == ["my_lab", "json", "no.such", "os"]
    assert "mine" in config_options("task", plugins)
    assert option_file("task", "mine", plugins) == lab / "conf" / "task" / "mine.yaml"
    assert option_file("task", "mine") is option_file("task", "../mine", plugins) is None
    assert option_file("task", "mri", plugins) == option_file("task", "mri")
    assert set(groups(plugins)) == set(groups())
    assert search_path([]) == search_path(["sgdj"]) == []


def test_a_package_ships_its_options(cli, lab):
    """Add one of each kind: strategy, architecture, attack, operator, data, shift, task; train, evaluate and sweep."""
    assert cli(*MINE)[0] == 0
    run = only_run(Path())
    assert run.parent.parts[-2:] == ("mine", "blend-weighted")
    record, summary = (json.loads((run / name).read_text()) for name in ("run.json", "evaluation/summary.json"))
    assert record["status"] == "finished"
    assert {"clean", "constant", "louder", "noise_level"} <= set(summary["network"])
    assert "problem" not in (run / "config.yaml").read_text()
    again = ["mode=evaluate", f"checkpoint={run}/checkpoints/best.ckpt", "output_dir=again", *QUIET]
    code, _, err = cli(*again)
    assert (code, "no option 'mine', task in " in err, "plugins=[my_lab]" in err) == (2, True, True)
    assert cli(*again, "plugins=[my_lab]")[0] == 0
    code, out, err = cli("-m", *MINE, "seed=0,1", "output_dir=swept", "epochs=1")
    assert (code, "2 of 2 jobs done" in out) == (0, True), err


def test_a_plugins_settings_are_told_like_ours(lab):
    assert lines(*MINE, "architecture.gain=0") == ["0 must be above 0.0, architecture.gain: raise it"]
    assert lines(*MINE, "strategy.weight=-1") == ["-1 must be above 0.0, strategy.weight: raise it"]
    assert lines(*MINE, "dataset.size=15", "architecture.learned.size=15") == [
        "waves need an even size, dataset.size: add one"
    ]
    (line,) = lines(*MINE, "strategy.wieght=2")
    assert line.startswith("unknown key, strategy.wieght: did you mean strategy.weight?")
    (line,) = lines(*MINE, "attack=constnat")
    assert line == "no option constnat, command line: attack: did you mean constant?"
    (line,) = lines("task=mine", "scale=smoke")
    assert line.startswith("no option mine, command line: task: ")
    assert lines(*MINE, "dataset=subspace")[0].startswith("dataset subspace does not fit task mine, dataset: ")
    assert lines("task=mri", "dataset=waves", "plugins=[my_lab]")[0].startswith("dataset waves does not fit task mri")


def test_a_task_that_does_not_say_what_it_is(lab):
    (lab / "conf" / "task" / "mine.yaml").write_text("# @package _global_\ntask: mine\nproblem: {images: grey}\n")
    found = lines(*MINE)
    assert len(found) == 4
    assert all(f"{lab}/conf/task/mine.yaml: problem." in line for line in found)
