"""Find the rows of a protocol's runs: by stage, seed and what their command lines say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sgdj.jobs.identity import RESULT_VERSION
from sgdj.study.collecting import collect
from sgdj.study.design import Cell
from sgdj.study.rows import Row

_SEED = "seed="


def joined(*groups: Iterable[str]) -> tuple[str, ...]:
    """Join overrides; of one key the last counts."""
    found = {line.partition("=")[0]: line for group in groups for line in group}
    return tuple(found.values())


def variant(cell: Cell) -> list[str]:
    """Return what a cell's command lines say but the seed; an evaluation's begin with those of its network."""
    lines = (*(cell.trained.overrides if cell.trained else ()), *cell.overrides)
    return sorted(line for line in lines if not line.startswith(_SEED))


def seed_of(cell: Cell) -> int:
    """Return the seed of a cell's network."""
    lines = (cell.trained or cell).overrides
    return int(next(line for line in lines if line.startswith(_SEED)).removeprefix(_SEED))


def row_of(path: Path, cell: Cell, stage: str) -> Row:
    """Read the row of a cell from the folder of its finished run."""
    return replace(collect(path, stage), variant=variant(cell))


@dataclass(frozen=True)
class Step:
    """Runs that a stage still needs.

    Parameters
    ----------
    stage
        Name of the stage, which is the experiment of its rows.
    cells
        Runs of the stage; networks of another stage that they evaluate are not among them.
    """

    stage: str
    cells: list[Cell]


class Ledger:
    """Rows that are there.

    Parameters
    ----------
    rows
        Rows of the study; those of other result versions count for nothing.
    failed
        Runs that failed, for which no row is to be waited.
    """

    def __init__(self, rows: Sequence[Row], failed: Iterable[Cell] = ()) -> None:
        self._rows = {
            (row.experiment, row.seed, tuple(row.variant)): row for row in rows if row.result_version == RESULT_VERSION
        }
        self.failed = set(failed)

    def find(self, stage: str, cell: Cell) -> Row | None:
        """Return the row of a run; None if there is none."""
        return self._rows.get((stage, seed_of(cell), tuple(variant(cell))))

    def found(self, stage: str, cells: Iterable[Cell]) -> list[Row]:
        """Return the rows of runs, in their order, without those that are not there."""
        return [row for cell in cells if (row := self.find(stage, cell)) is not None]

    def lacks(self, stage: str, cells: Iterable[Cell]) -> list[Cell]:
        """List the runs that have no row and did not fail."""
        gone = self.failed
        return [c for c in cells if self.find(stage, c) is None and c not in gone and c.trained not in gone]
