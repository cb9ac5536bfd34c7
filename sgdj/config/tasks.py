"""Define what a task is: the kind of its images, and the operators, data sets and shifts that fit it."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sgdj.config.messages import told
from sgdj.config.search_path import config_options, option_file
from sgdj.config.types import STRICT, Name, NonEmpty
from sgdj.errors import InputErrors

#: The key of ``conf/task/NAME.yaml`` under which these settings stand; it is no part of a run's configuration.
KEY = "problem"


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Task:
    """A kind of reconstruction problem.

    An operator, data set or shift that some task names fits the tasks that name it; one that none names, such as that
    of a plugin, fits all of them.

    Parameters
    ----------
    name
        Option of the group ``task``.
    title
        Name of the task for people.
    operators, datasets
        Options of these groups that fit, the default first.
    shifts
        Import paths of the classes of shifts that fit, of those that do not fit every task.
    images
        "real"; "magnitude": complex images, of which a file may hold the magnitude; "signal": vectors, as real images
        of one column.
    files
        Formats that mode=reconstruct reads, the preferred one first; see `sgdj.reconstruction.files.FORMATS`.
    """

    name: Name
    title: NonEmpty
    operators: tuple[Name, ...]
    datasets: tuple[Name, ...]
    shifts: tuple[NonEmpty, ...] = ()
    images: Literal["real", "magnitude", "signal"] = "real"
    files: tuple[Name, ...] = ()

    @property
    def channels(self) -> int:
        """Number of real channels of an image: 2 for a complex one."""
        return 2 if self.images == "magnitude" else 1


@cache
def _read(path: Path) -> Task:
    content: Any = yaml.safe_load(path.read_text()) or {}
    settings = {"name": path.stem, **(content.get(KEY) or {})}
    try:
        return TypeAdapter(Task).validate_json(json.dumps(settings))
    except ValidationError as error:
        raise InputErrors(list(told(error, f"{path}: {KEY}", list(settings)))) from error


def tasks(plugins: Sequence[str] = ()) -> dict[str, Task]:
    """Return all tasks by name: those of this project, then those of the packages that the command line opens.

    Parameters
    ----------
    plugins
        Packages that the command line opens.

    Returns
    -------
    dict
        Tasks by name.

    Raises
    ------
    InputErrors
        If the file of a task does not say what it is.
    """
    names = config_options("task", plugins)
    return {name: _read(path) for name in names if (path := option_file("task", name, plugins)) is not None}


def task_of(config: dict[str, Any]) -> Task:
    """Return the task of a checked configuration."""
    return tasks(config["plugins"])[config["task"]]
