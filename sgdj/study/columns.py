"""Find title and columns of a task: the paper's, or its own for a task that the paper does not have."""

import shlex
from collections.abc import Sequence

from sgdj.config.search_path import opened
from sgdj.config.tasks import tasks
from sgdj.evaluation.key import CLEAN, Key
from sgdj.jobs.composition import parse
from sgdj.study.paper import ATTACK, PUBLISHED, SHIFTS, TITLES
from sgdj.study.rows import Measured, Row


def task_title(row: Measured) -> str:
    """Return the title of a row's task; its name where the package that has it is not there."""
    if row.task in TITLES:
        return TITLES[row.task]
    known = tasks(opened(parse([word for word in shlex.split(row.command) if "=" in word])))
    return known[row.task].title if row.task in known else row.task


def attacked(row: Row) -> Key:
    """Return the condition of a row's own attack."""
    return Key(str(row.attack["name"]), 1.0)


def columns(row: Row) -> dict[str, Key]:
    """Return the conditions that the table of a row's task shows, by column: clean, attacked and shifted ones."""
    found = {"in-distribution": CLEAN, "random noise": Key("gaussian", 1.0), "adversarial": attacked(row)}
    measured = row.values["network"]
    if ATTACK in measured and attacked(row) != ATTACK:
        found[PUBLISHED] = ATTACK
    if row.task in SHIFTS:
        return found | {column: Key(shift=shift) for column, shift in SHIFTS[row.task].items()}
    return found | {key.shift: key for key in measured if key == Key(shift=key.shift) and key.shift}


def tasks_with_tables(rows: Sequence[Row]) -> list[str]:
    """List the tasks whose tables have rows: the paper's in its order, then others."""
    present = {row.task for row in rows if row.experiment == f"table_{row.task}"}
    return [*(task for task in TITLES if task in present), *sorted(present - TITLES.keys())]
