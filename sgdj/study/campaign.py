"""Run the missing runs of a study, several jobs side by side, and keep a row of every finished one."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from sgdj.errors import ExitCode
from sgdj.jobs.identity import RESULT_VERSION
from sgdj.modes.plan import plan
from sgdj.runs.directory import RunDirectory
from sgdj.study.collecting import collect, collect_audit
from sgdj.study.design import Cell
from sgdj.study.estimate import Estimate
from sgdj.study.rows import Measured, same_network
from sgdj.study.store import write
from sgdj.study.worker import Worker

_BUSY = "another run is at work there"
_SPARE = ("audit_light", "generalisation")


@dataclass
class Place:
    """Run directory of a cell, and how far it is."""

    path: Path
    finished: bool


def locate(cell: Cell, places: dict[Cell, Place]) -> Place:
    """Return a cell's run directory and whether it is finished; the network it evaluates must be there."""
    checkpoint = None if cell.trained is None else places[cell.trained].path / "checkpoints" / "best.ckpt"
    planned = plan(cell.job(checkpoint))
    record = RunDirectory(planned.folder).read_record()
    return Place(planned.folder, record.get("status") == "finished")


def missing(cells: Sequence[Cell], measured: Sequence[Measured]) -> list[Cell]:
    """Return the runs that still have to be done.

    A training is done if a row has its configuration and data; an evaluation, if a row was measured on the same network
    as the training's row. A finished training is kept in the list if one of its evaluations is missing. Notes beside
    the tables (`_SPARE`) are left out where the network is gone. What another result version measured counts for
    nothing.
    """
    measured = [one for one in measured if one.result_version == RESULT_VERSION]
    trained = {one.config_hash: one for one in measured}
    known = {(one.experiment, *one.network, *one.variant): one for one in measured}
    shown: dict[Cell, Measured] = {}
    left = []
    for cell in cells:
        base = cell.trained
        if base is None:
            key = plan(cell.job()).key
            if key in trained:
                shown[cell] = trained[key]
            else:
                left.append(cell)
        elif base in shown and cell.experiment in _SPARE and not locate(base, {}).finished:
            continue  # not worth training the network again
        elif base not in shown:
            left.append(cell)
        else:
            found = known.get((cell.experiment, *shown[base].network, *sorted(cell.overrides)))
            if found is None or not same_network(found, shown[base]):
                left.append(cell)
    needed = {cell.trained for cell in left}
    return [cell for cell in cells if cell in left or cell in needed]


def _of_experiment(path: Path, cell: Cell) -> Measured:
    """Make the row, or the audit, of a cell of an experiment."""
    return (collect_audit if cell.mode == "audit" else collect)(path, cell.experiment)


class Campaign:
    """Work through the cells of a study.

    Parameters
    ----------
    cells
        Runs to do, trainings before the evaluations that need them.
    folder
        Folder where rows are written.
    parallel
        Number of jobs at a time; every job computes on one thread.
    tell
        Function that is called with a line after every job.
    launcher
        Overrides of Hydra's launcher, such as ``["hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu"]``;
        every job is then a sweep of one, and goes where that launcher sends it. Empty: it runs here.
    collecting
        Function that makes the row, or the audit, of a cell from the folder of its finished run.
    earlier
        Rows that were measured before, which tell how long a job takes.
    workers
        Processes to use, as many as `parallel`, which are left running; None for own ones.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        folder: Path,
        parallel: int,
        tell: Callable[[str], None],
        launcher: Sequence[str] = (),
        collecting: Callable[[Path, Cell], Measured] | None = None,
        earlier: Sequence[Measured] = (),
        workers: Sequence[Worker] | None = None,
    ) -> None:
        self._collect = collecting or _of_experiment
        self.launcher = ["-m", *launcher] if launcher else []
        self.cells, self.folder, self.parallel, self.tell = list(cells), folder, parallel, tell
        self.places: dict[Cell, Place] = {}
        self.failed: list[str] = []
        self.diverged: set[Cell] = set()
        self._again: set[Cell] = set()
        self._estimate = Estimate(self.cells, earlier)
        self._done: set[Cell] = set()
        self._own = [Worker() for _ in range(parallel)] if workers is None else []
        self._workers = list(workers or self._own)
        self._idle = list(self._workers)
        self._stopped = 0

    def run(self) -> int:
        """Do what is missing.

        Returns
        -------
        int
            0; 5 if a job failed (the others are done all the same); 130 or 143 after a signal.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        trainings = [cell for cell in self.cells if cell.trained is None]
        for cell in trainings:
            self.places[cell] = locate(cell, self.places)
        done = [cell for cell in trainings if self.places[cell].finished]
        self.tell(f"{len(self.cells)} runs; {len(done)} of {len(trainings)} trainings are there already")
        self._work()
        for worker in self._own:
            worker.close()
        for line in self.failed:
            self.tell(line)
        if self._stopped:
            return 128 + self._stopped
        return int(ExitCode.CHECK_FAILED if self.failed else ExitCode.DONE)

    def _next(self, waiting: list[Cell]) -> Cell | None:
        """Remove the first cell that can run now from the list and return it; finished ones are recorded on the way."""
        for cell in list(waiting):
            base = cell.trained
            if base is not None and not self.places[base].finished:
                if base not in waiting and base not in self._running.values():  # it failed
                    waiting.remove(cell)
                continue
            waiting.remove(cell)
            if base is not None or cell in self._again:
                self.places[cell] = locate(cell, self.places)
            if not self.places[cell].finished:
                return cell
            self._keep(cell)
        return None

    def _work(self) -> None:
        self._waiting = waiting = list(self.cells)
        self._running: dict[Future[tuple[int, str]], Cell] = {}
        self._began: dict[Cell, float] = {}
        with ThreadPoolExecutor(self.parallel) as pool:
            while True:
                while not self._stopped and len(self._running) < self.parallel and (cell := self._next(waiting)):
                    self._began[cell] = time.monotonic()
                    self._running[pool.submit(self._execute, cell)] = cell
                if not self._running:
                    return
                finished, _ = wait(self._running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._finish(self._running.pop(future), *future.result())

    def _execute(self, cell: Cell) -> tuple[int, str]:
        checkpoint = None if cell.trained is None else self.places[cell.trained].path / "checkpoints" / "best.ckpt"
        worker = self._idle.pop()
        try:
            code, output = worker.run([*self.launcher, *cell.job(checkpoint).overrides])
            if self.launcher:  # a launcher may keep what it started until its process ends
                worker.close()
        finally:
            self._idle.append(worker)
        if _BUSY in output:
            time.sleep(1)
        return code, output

    def _finish(self, cell: Cell, code: int, output: str) -> None:
        place = self.places[cell]
        if code != 0 and _BUSY in output and not self._stopped:
            self._again.add(cell)
            self._waiting.append(cell)  # another process has the folder, perhaps one that a killed campaign left
            return
        self._done.add(cell)
        if code == 0 or (code == ExitCode.CHECK_FAILED and cell.mode == "audit"):  # a failed check is a result
            place.finished = True
            self._estimate.learn(cell, time.monotonic() - self._began[cell])
            self._keep(cell)
        elif not self._stopped:
            errors = [line for line in output.splitlines() if line.startswith("error:")]
            record = RunDirectory(place.path).read_record() if self.launcher else {}  # a sweep has a code of its own
            if code == ExitCode.DIVERGED or record.get("diverged"):
                self.diverged.add(cell)
            self.failed.append(f"failed, exit {code}: {cell.label}: {errors[-1] if errors else output[-300:]}")
        word = "finished" if place.finished else "stopped" if self._stopped else f"failed ({code})"
        self.tell(f"{word} {cell.label} · {self._progress()}")

    def _progress(self) -> str:
        """Say how much of everything is done, and about how long the rest takes."""
        now = time.monotonic()
        running = {cell: now - self._began[cell] for cell in self._running.values()}
        left = self._estimate.left(self._waiting, running, self.parallel)
        share = f"{len(self._done)} of {len(self.cells)} runs, {self._estimate.share(self._done):.0%}"
        return share if left is None else f"{share}, about {_span(left)} left"

    def _keep(self, cell: Cell) -> None:
        self._done.add(cell)
        write(self._collect(self.places[cell].path, cell), self.folder)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Pass the signal on; the jobs save what they have and end, and the same command continues them."""
        self._stopped = number
        for worker in self._workers:
            worker.signal(number)


def _span(seconds: float) -> str:
    """Write a length of time in the unit that fits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def default_parallel() -> int:
    """Return the number of jobs at a time: one per processor core."""
    return os.cpu_count() or 1
