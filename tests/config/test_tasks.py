"""What a task is stands in one file, and is no part of a run's configuration."""

import pytest

from sgdj.config import signature
from sgdj.config.search_path import config_options
from sgdj.config.tasks import task_of, tasks
from sgdj.errors import InputErrors
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.reconstruction.files import FORMATS
from sgdj.shifts import Shift


def test_every_task_says_what_it_is():
    assert list(tasks()) == config_options("task") == [task.name for task in tasks().values()]
    for name, task in tasks().items():
        config = load(parse([f"task={name}", "scale=smoke"])).settings.plain()
        assert "problem" not in config
        assert task_of(config) is task
        assert config["operator"]["name"] == task.operators[0]
        assert config["dataset"]["name"] == task.datasets[0]
        assert set(task.operators) <= set(config_options("operator"))
        assert set(task.datasets) <= set(config_options("dataset"))
        assert all(issubclass(signature.located(target, "shift"), Shift) for target in task.shifts)
        assert set(task.files) <= set(FORMATS)


def test_every_data_set_and_operator_has_a_task():
    assert {name for task in tasks().values() for name in task.operators} == set(config_options("operator"))
    assert {name for task in tasks().values() for name in task.datasets} == set(config_options("dataset"))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["task=toy", "shift=[phase]"], "shift phase does not fit task toy, shift: it is for mri"),
        (["task=seismic", "shift=[phase]"], "shift phase does not fit task seismic, shift: it is for mri"),
        (["task=toy", "shift=[text]"], "shift text does not fit task toy, shift: it is for denoising, mri, seismic"),
        (["task=seismic", "architecture/learned=dncnn"], "real images have 1 channel, architecture.learned.channels: "),
        (
            ["task=denoising", "dataset=images", "dataset.path=.", "dataset.kind=magnitude"],
            "task denoising needs real images, dataset.kind: set it to real",
        ),
    ],
)
def test_what_does_not_fit_is_told(arguments, line):
    with pytest.raises(InputErrors) as told:
        load(parse(arguments))
    assert [str(mistake).startswith(line) for mistake in told.value.mistakes] == [True], str(told.value)
