"""Estimate how long a campaign takes, from rows measured earlier and from its own finished jobs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

from sgdj.study.design import Cell
from sgdj.study.rows import Measured, Row

Kind = tuple[str, ...]


def _kinds(experiment: str, *network: str) -> Iterator[Kind]:
    """List groups of jobs that take about the same time, from the closest to the widest."""
    yield from ((experiment, *network[:size]) for size in range(len(network), -1, -1))


def kinds_of(cell: Cell) -> list[Kind]:
    """List the groups of jobs that a cell belongs to, from the closest to the widest.

    Parameters
    ----------
    cell
        Run of the study.

    Returns
    -------
    list of tuple of str
        Experiment, then task, scale, architecture and strategy of the network, each group with one name less.
    """
    settings = (cell.trained or cell).job().settings
    return list(
        _kinds(cell.experiment, settings.task, settings.scale, settings.architecture.name, settings.strategy.name)
    )


class Estimate:
    """Expected seconds of jobs.

    Earlier rows may come from another machine: their times are scaled by what finished jobs of this campaign took in
    comparison.

    Parameters
    ----------
    cells
        Runs of the campaign, finished ones too.
    earlier
        Rows that were measured before.
    """

    def __init__(self, cells: Sequence[Cell], earlier: Iterable[Measured] = ()) -> None:
        self._kinds = {cell: kinds_of(cell) for cell in cells}
        self._earlier: dict[Kind, list[float]] = defaultdict(list)
        self._own: dict[Kind, list[float]] = defaultdict(list)
        self._pairs: list[tuple[float, float]] = []
        for row in earlier:
            if isinstance(row, Row) and "wall_s" in row.times:
                for kind in _kinds(row.experiment, row.task, row.scale, row.architecture, row.strategy):
                    self._earlier[kind].append(row.times["wall_s"])

    def _before(self, cell: Cell) -> float | None:
        return next((fmean(self._earlier[kind]) for kind in self._kinds[cell] if kind in self._earlier), None)

    def learn(self, cell: Cell, seconds: float) -> None:
        """Take into account how many seconds a finished job took."""
        before = self._before(cell)
        if before:
            self._pairs.append((seconds, before))
        for kind in self._kinds[cell]:
            self._own[kind].append(seconds)

    def seconds(self, cell: Cell) -> float | None:
        """Return the expected seconds of a job; None while nothing is known of its like."""
        measured, predicted = map(sum, zip(*self._pairs, strict=True)) if self._pairs else (1.0, 1.0)
        for kind in self._kinds[cell]:
            if kind in self._own:
                return fmean(self._own[kind])
            if kind in self._earlier:
                return fmean(self._earlier[kind]) * measured / predicted
        return None

    def left(self, waiting: Iterable[Cell], running: Mapping[Cell, float], parallel: int) -> float | None:
        """Estimate the seconds until all jobs are done.

        Parameters
        ----------
        waiting
            Jobs that have not begun.
        running
            Jobs at work, with the seconds since they began.
        parallel
            Number of jobs at a time.

        Returns
        -------
        float or None
            Seconds; None while nothing is known of some job's like.
        """
        pieces = [self.seconds(cell) for cell in waiting]
        rest = [(self.seconds(cell), spent) for cell, spent in running.items()]
        if any(piece is None for piece in [*pieces, *(whole for whole, _ in rest)]):
            return None
        begun = [max((whole or 0) - spent, 0.1 * (whole or 0)) for whole, spent in rest]
        every = [*begun, *(piece or 0 for piece in pieces)]
        return max(sum(every) / parallel, max(every, default=0))

    def share(self, done: Iterable[Cell]) -> float:
        """Return the share of the work, by expected time where it is known, that finished jobs make up."""
        known = [one for cell in self._kinds if (one := self.seconds(cell)) is not None]
        usual = fmean(known) if known else 1.0
        cost = {cell: usual if (one := self.seconds(cell)) is None else one for cell in self._kinds}
        return sum(cost[cell] for cell in done) / (sum(cost.values()) or 1.0)
