"""Collect the finished runs of a study of one's own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sgdj.config.nodes import leaves
from sgdj.errors import InputError
from sgdj.jobs.roles import Role, has
from sgdj.modes.plan import plan
from sgdj.runs.catalogue import RunView, view
from sgdj.study.collecting import collect
from sgdj.study.design import Cell
from sgdj.study.own import OwnStudy
from sgdj.study.rows import Row
from sgdj.study.store import read as stored
from sgdj.study.store import write


def row_of(path: Path, cell: Cell) -> Row:
    """Read the row of a cell from the folder of its finished run; what the file says of it is its variant."""
    variant = sorted(line for line in cell.overrides if not line.startswith("seed="))
    return replace(collect(path, cell.experiment or "study"), variant=variant)


def collect_own(study: OwnStudy, outputs: Path) -> tuple[list[str], list[str]]:
    """Write a row for every finished run that is one of the study's and has none yet.

    Parameters
    ----------
    study
        Study whose rows are looked for.
    outputs
        Folder with run directories.

    Returns
    -------
    tuple
        Names of what was added; and lines that name what was passed over, with the reason.
    """
    wanted = {plan(cell.job()).key: (label, cell) for label, cells in study.rows.items() for cell in cells}
    shown = {row.config_hash for row in stored(study.folder)}
    settings: list[tuple[str, dict[str, object]]] = []  # of the rows, once a run has to be told apart from them
    added, passed = [], []
    for path in sorted(outputs.rglob("run.json")):
        run = view(path.parent)
        key = str(run.record.get("config_hash"))
        if key in shown and key in wanted:
            continue
        if key not in wanted:
            settings = settings or [
                (label, dict(leaves(cell.job().settings.plain()))) for label, cell in wanted.values()
            ]
            passed.append(f"{path.parent}: {_unlike(run, settings)}")
        elif run.status != "finished":
            passed.append(f"{path.parent}: it is {run.status}")
        else:
            label, cell = wanted[key]
            try:
                write(row_of(path.parent, cell), study.folder)
            except (InputError, KeyError, TypeError, ValueError) as error:
                passed.append(f"{path.parent}: it cannot be read ({error})")
            else:
                shown.add(key)
                added.append(f"{label}, {cell.overrides[-1]}")
    return added, passed


def _unlike(run: RunView, rows: Sequence[tuple[str, dict[str, object]]]) -> str:
    """Say why a run is none of the rows, which are given by label and settings."""
    if not run.config:
        return "run.json or config.yaml is damaged"
    theirs = dict(leaves(run.config))
    differing = [(label, _differing(ours, theirs)) for label, ours in rows]
    nearest_row, fewest = min(differing, key=lambda pair: len(pair[1]))
    if not fewest:
        return f"its settings are those of {nearest_row}, its data or code are not"
    more = f" and {len(fewest) - 3} more" if len(fewest) > 3 else ""
    return f"it is no row; the nearest is {nearest_row}, which differs in {', '.join(fewest[:3])}{more}"


def _differing(ours: dict[str, object], theirs: dict[str, object]) -> list[str]:
    """List the keys that decide numbers and differ."""
    keys = sorted(ours.keys() | theirs.keys())
    return [key for key in keys if has(key, Role.IDENTITY) and ours.get(key) != theirs.get(key)]
