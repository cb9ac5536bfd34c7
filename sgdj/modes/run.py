"""The course that all runs share: check, claim the folder or skip, resume or begin, record, close."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch

from sgdj.errors import Diverged, InputError, Interrupted, ResourceError, as_run_error, first_line, writing
from sgdj.modes.checks import check_parts, prepared_data, try_out
from sgdj.modes.earlier import earlier_run, goes_on, is_done, skipped
from sgdj.modes.plan import Plan
from sgdj.modes.processes import check_devices, check_shares, launch, processes
from sgdj.modes.record import first_record, now
from sgdj.networks import Reconstructor
from sgdj.reporting.pages import run_page
from sgdj.runs.catalogue import RunView, read_summary
from sgdj.runs.directory import REPORT, RunDirectory
from sgdj.runs.earlier import Earlier
from sgdj.runs.tracking import Tracker
from sgdj.runs.verification import hashes
from sgdj.runtime.contents import Metrics, Record
from sgdj.runtime.memory import forget_peak, peak_mib, reuse_freed
from sgdj.runtime.ranks import local_world, rank, tell, world
from sgdj.runtime.threads import threads_for
from sgdj.runtime.writing import write_atomically

Log = Callable[[Metrics], None]


def _nothing(network: Reconstructor, run: RunDirectory, log: Log) -> None:
    """Train nothing, for modes without training."""


@dataclass(frozen=True)
class Steps:
    """Steps that a mode adds to the shared course.

    Parameters
    ----------
    network
        Function that makes the network, trained or still to be trained.
    measure
        Function that measures the trained network and writes the results.
    train
        Function that trains the network; rows of metrics go to a log. Every process of a training takes part in it, and
        in nothing else.
    """

    network: Callable[[], Reconstructor]
    measure: Callable[[Reconstructor, RunDirectory, Tracker], object]
    train: Callable[[Reconstructor, RunDirectory, Log], None] = _nothing


def conduct(plan: Plan, steps: Steps) -> Record:
    """Run, resume or skip; everything is checked before the first file is written.

    Parameters
    ----------
    plan
        Run to do.
    steps
        Steps of its mode.

    Returns
    -------
    dict
        Record of the run, with its folder under `folder`.
    """
    _settle_torch(plan)
    run = RunDirectory(plan.folder)
    earlier = earlier_run(plan, run)
    if is_done(plan, run, earlier):
        return skipped(run, earlier)
    check_devices(plan)
    if rank() == 0:
        run.refuse_early()
    check_parts(plan)
    network = steps.network()
    data_hash = prepared_data(plan)
    _choose_threads(plan, network)
    try_out(plan, network)
    if processes(plan) > 1:
        check_shares(plan)
        if world() == 1:
            return launch(plan, run)
    for note in (*plan.job.notes, *plan.source.notes()):
        tell(note)
    if rank() > 0:
        steps.train(steps.network(), run, lambda row: None)
        return earlier.record
    return _claimed(plan, steps, run, earlier, data_hash)


def _settle_torch(plan: Plan) -> None:
    """Set determinism as asked for."""
    trainer = plan.settings.trainer
    if trainer.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if torch.are_deterministic_algorithms_enabled() != trainer.deterministic:  # it imports the compiler, for seconds
        torch.use_deterministic_algorithms(trainer.deterministic)


def _choose_threads(plan: Plan, network: Reconstructor) -> None:
    """Set the number of threads, as asked for or as it fits the network and the images."""
    settings = plan.settings
    height, width = plan.source.images(settings.evaluation.split).shape(0)
    batch = settings.trainer.batch_size if plan.trains else settings.evaluation.batch_size
    weights = sum(weight.numel() for weight in network.parameters())
    torch.set_num_threads(settings.trainer.threads or threads_for(weights, height * width, batch, local_world()))


def _claimed(plan: Plan, steps: Steps, run: RunDirectory, earlier: Earlier, data_hash: str) -> Record:
    """Run in a folder that this process has locked; if the run cannot begin, nothing of it stays there."""
    run.claim()
    begun = earlier.found
    try:
        earlier = earlier_run(plan, run)  # again: until now another process may have been at work there
        begun = earlier.found
        if is_done(plan, run, earlier):
            return skipped(run, earlier)
        if earlier.found and not earlier.record:
            tell(f"run.json cannot be read, and is made anew: {run.path}")
        run.sweep_up()
        with writing(run.path):
            return _recorded(plan, steps, run, earlier, data_hash)
    except InputError:
        if not begun and not any(run.checkpoints.glob("*.ckpt")):
            run.withdraw()
        raise
    finally:
        run.release()


def _recorded(plan: Plan, steps: Steps, run: RunDirectory, earlier: Earlier, data_hash: str) -> Record:
    """Begin or resume, train, measure, and record how the run ended."""
    network = steps.network()
    going_on = goes_on(plan, run, earlier)
    record = first_record(plan, network, data_hash, earlier.record if going_on else {})
    removed = run.start(plan.settings.plain(), record, afresh=not going_on)
    if removed:
        tell(f"removed {removed} files of the earlier run: {run.path}")
    name = f"{plan.settings.task} {run.path.parent.name} {run.path.name}"
    tracker = Tracker(plan.settings, run.path, name, tell)
    if plan.device.type == "cpu" and plan.settings.trainer.reuse_memory:
        reuse_freed()
    forget_peak()
    with _closed(run, tracker):
        steps.train(network, run, tracker.scalars)
        steps.measure(network, run, tracker)
    return {**run.record, "folder": str(run.path)}


def _report(run: RunDirectory) -> None:
    """Write the page of a finished run, and the hashes of all of its files."""
    run.record["files"] = {name: found for name, found in hashes(run.path).items() if name != REPORT}
    content = run_page(RunView(run.path, run.record, run.read_config(), read_summary(run.path)))
    write_atomically(run.path / REPORT, content)
    run.record["files"][REPORT] = hashlib.sha256(content).hexdigest()


@contextmanager
def _closed(run: RunDirectory, tracker: Tracker) -> Iterator[None]:
    """Record how the run ended, however it does."""
    began, before = time.perf_counter(), run.record["wall_s"]

    def close(status: str) -> None:
        wall = before + time.perf_counter() - began
        memory = round(peak_mib(), 1)
        run.record.update(status=status, ended=now(), wall_s=round(wall, 2), peak_memory_mib=memory)
        if status == "finished":
            _report(run)
        run.update()

    failed = True
    try:
        yield
        close("finished")
        failed = False
    except BaseException as error:
        trouble = isinstance(as_run_error(error), Interrupted | ResourceError) or isinstance(error, OSError)
        with suppress(OSError):  # a full disk must not hide what happened
            if isinstance(error, Diverged):
                run.record["diverged"] = True  # the same command begins again; after anything else it goes on
            run.record["reason"] = first_line(as_run_error(error) or error)
            close("interrupted" if trouble else "failed")
        raise
    finally:
        tracker.finish(failed)
