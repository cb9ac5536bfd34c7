"""Run sweeps by Hydra multirun: every job is checked before the first one runs, and none hides another's failure."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

from omegaconf import OmegaConf

from sgdj.config.nodes import get
from sgdj.config.search_path import CONF, groups, search_path
from sgdj.errors import ExitCode, InputError, InputErrors, Interrupted, as_run_error, disk_full
from sgdj.jobs.composition import expand, parse, swept
from sgdj.jobs.load import Job, load
from sgdj.modes.execute import execute
from sgdj.runtime.contents import Record
from sgdj.runtime.hashing import digest
from sgdj.runtime.importable import python_path
from sgdj.runtime.output import print_error, say
from sgdj.runtime.signals import stop
from sgdj.runtime.writing import write_atomically

_RESULT = "result.json"
#: File beside the jobs' folders of a sweep that stops at its first failure, wherever its jobs run.
_FAIL_FAST = "fail-fast"
_NOT_STARTED = "not started, since a job before it failed"
_KIND = ("task", "scale", "epochs", "dataset.name", "architecture.name", "strategy.name")


def _search(overrides: Sequence[str]) -> bool:
    """Check whether a sweeper chooses values by the scores of earlier jobs.

    Raises
    ------
    InputError
        If there is no score to search by, or there are intervals without a sweeper that searches.
    """
    given = {o.key_or_group: o for o in parse(overrides)}
    searching = given["hydra/sweeper"].value() == "optuna" if "hydra/sweeper" in given else False
    interval = next((key for key, o in given.items() if o.is_interval_sweep()), None)
    if interval and not searching:
        raise InputError("nothing searches an interval", interval, "add hydra/sweeper=optuna mode=tune, or list values")
    if searching and ("mode" not in given or given["mode"].value() != "tune"):
        raise InputError("only mode=tune has a score to search by", "hydra/sweeper=optuna", "add mode=tune")
    return searching


def _check_all(overrides: Sequence[str]) -> list[Job]:
    """Compose and check every job.

    Raises
    ------
    InputErrors
        If there are mistakes, each of every job once.
    """
    jobs, mistakes = [], {}
    for job in expand(parse(overrides)):
        try:
            jobs.append(load(job, in_sweep=True))
            if jobs[-1].settings.run_dir:
                raise InputError("all jobs of a sweep would share one folder", "run_dir", "leave it out")
        except InputErrors as error:
            mistakes.update({str(mistake): mistake for mistake in error.mistakes})
        except InputError as error:
            mistakes[str(error)] = error
    if mistakes:
        raise InputErrors(list(mistakes.values()))
    return jobs


def _seconds(record: Record) -> float:
    """How long a run took; 0 if its record is damaged."""
    value = record.get("wall_s")
    return float(value) if isinstance(value, int | float) else 0.0


def estimate(jobs: Sequence[Job]) -> str:
    """Estimate time and disk space of a sweep, from finished runs of the same kind under its output folder."""
    from statistics import median

    from sgdj.runs.catalogue import RunView, find

    def kind(config: dict[str, object]) -> tuple[object, ...]:
        return tuple(get(config, key) for key in _KIND)

    known: dict[tuple[object, ...], list[RunView]] = {}
    folders = {Path(job.settings.output_dir) for job in jobs}
    for run in find([folder for folder in folders if folder.is_dir()], {"status": "finished", "mode": "train"}):
        known.setdefault(kind(run.config), []).append(run)
    like = [known[kind(job.settings.plain())] for job in jobs if kind(job.settings.plain()) in known]
    if not like:
        return "no finished run of the same kind to estimate time and disk from"
    seconds = sum(median(_seconds(run.record) for run in runs) for runs in like)
    size = sum(median(run.size() for run in runs) for runs in like)
    rest = "" if len(like) == len(jobs) else f", for {len(like)} of them (no finished run is like the others)"
    return f"estimate, one after the other: {seconds / 60:.1f} minutes, {size / 2**20:.1f} MiB{rest}"


class JobResult(dict[str, object]):
    """Outcome of a job; a sweeper that searches takes it for its score."""

    def __float__(self) -> float:
        score = self.get("score")
        if not isinstance(score, int | float):
            raise ValueError(self.get("error") or "no score")
        return float(score)


def _run_one(config: object) -> JobResult:
    """What a launcher runs: one job, from the overrides that Hydra gave it; the result is also left in its folder."""
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    overrides = [str(o).lstrip("+") for o in OmegaConf.to_container(hydra.overrides.task)]  # type: ignore[union-attr]
    if stop.received is not None:  # the job before was stopped, and so is the sweep
        result = {"exit_code": 128 + stop.received, "error": "not started"}
    elif _is_over(Path(hydra.runtime.output_dir).parent):
        result = {"exit_code": int(ExitCode.CHECK_FAILED), "error": _NOT_STARTED}
    else:
        say(f"job: {' '.join(overrides)}", sys.stderr)
        result = execute(overrides, in_sweep=True)
    kept = {key: result.get(key) for key in ("exit_code", "error", "folder", "skipped", "score")}
    path = Path(hydra.runtime.output_dir) / _RESULT
    write_atomically(path, json.dumps(kept | {"overrides": overrides}).encode())
    return JobResult(kept)


def _is_over(folder: Path) -> bool:
    """Check whether the sweep stops at its first failure, and a job of it has failed."""
    return (folder / _FAIL_FAST).exists() and any(result["exit_code"] for result in _results(folder))


def _results(folder: Path) -> list[Record]:
    """Read the results of all finished jobs, in the order of their start."""
    found = sorted(folder.glob(f"*/{_RESULT}"), key=lambda path: int(path.parent.name))
    return [json.loads(path.read_text()) for path in found]


def _scratch(overrides: Sequence[str], jobs: Sequence[Job]) -> AbstractContextManager[str]:
    """Create the temporary folder of Hydra's job records.

    With a launcher it lies under the output folder, because workers on other machines must be able to write to it.
    """
    if not any(override.startswith("hydra/launcher=") for override in overrides):
        return TemporaryDirectory()
    place = Path(jobs[0].settings.output_dir).resolve()
    place.mkdir(parents=True, exist_ok=True)
    return TemporaryDirectory(prefix=".sweep-", dir=place)


def _forced(override: str, plugins: Sequence[str]) -> str:
    key = override.lstrip("+").split("=")[0]
    if key == "experiment":
        return f"+{override.lstrip('+')}"
    return override if key in groups(plugins) or key.startswith("hydra") else f"++{override.lstrip('+')}"


def _launch(overrides: Sequence[str], folder: str, plugins: Sequence[str]) -> None:
    """Run all jobs through Hydra's sweeper and launcher."""
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.global_hydra import GlobalHydra

    os.environ["PYTHONPATH"] = python_path()  # for launchers that start processes elsewhere
    hydra = Hydra.create_main_hydra2("sgdj", create_config_search_path(str(CONF)))
    try:
        lines = [o.input_line or "" for o in swept(parse(overrides))]
        forced = [_forced(line, plugins) for line in lines] + search_path(plugins)
        hydra.multirun("config", _run_one, [*forced, f"hydra.sweep.dir={folder}", "hydra.sweeper.params=null"])
    finally:
        GlobalHydra.instance().clear()


def _compare(results: Sequence[Record], overrides: Sequence[str], place: Path) -> None:
    """Show means over seeds of the finished jobs, and leave a page of them below the output folder."""
    from sgdj.reporting.comparison import compared, comparison_table
    from sgdj.reporting.pages import runs_page
    from sgdj.reporting.terminal import show
    from sgdj.runs.catalogue import view

    folders = dict.fromkeys(result["folder"] for result in results if result["exit_code"] == 0 and result["folder"])
    found = [view(Path(folder)) for folder in folders if (Path(folder) / "run.json").is_file()]
    if not found:
        return
    for one in compared(found):
        show(comparison_table(one), whole=True)
    command = shlex.join(["python", "run.py", "-m", *overrides])
    path = place / f"sweep-{digest(list(overrides))[:8]}.html"
    write_atomically(path, runs_page("Sweep", found, command))
    say(f"look at: {path}")


def _tell(results: Sequence[Record], overrides: Sequence[str], count: int, place: Path) -> int:
    """Print a line for each job that came to an end, compare them, and return the exit code of all.

    Parameters
    ----------
    results
        Results of the jobs that came to an end.
    overrides
        Arguments of the command line.
    count
        Number of jobs that there should be.
    place
        Folder that receives the sweep's page.

    Returns
    -------
    int
        0, the signal's code if interrupted, or 5 if any job failed.
    """
    for result in results:
        code = result["exit_code"]
        outcome = result["folder"] if code == 0 else f"exit {code}: {result['error']}"
        status = "failed" if code else "skipped" if result["skipped"] else "finished"
        if result["error"] == _NOT_STARTED:
            status, outcome = "left out", _NOT_STARTED
        score = "" if result["score"] is None else f"  score {result['score']:.3f} dB"
        say(f"{status:9}{' '.join(result['overrides'])}{score}  {outcome}")
        if code > 128:
            say(f"continue with: python run.py -m {shlex.join(overrides)}", sys.stderr)
            return int(code)
    scored = [result for result in results if result["score"] is not None]
    if scored:
        best = max(scored, key=lambda result: result["score"])
        say(f"best: {' '.join(best['overrides'])}  score {best['score']:.3f} dB")
    _compare(results, overrides, place)
    done = sum(r["exit_code"] == 0 for r in results)
    print(f"{done} of {max(count, len(results))} jobs done")
    return int(ExitCode.DONE if done == max(count, len(results)) else ExitCode.CHECK_FAILED)


def sweep(overrides: Sequence[str], fail_fast: bool = False) -> int:
    """Check and run all jobs through Hydra's sweeper and launcher, then print a line for each.

    Parameters
    ----------
    overrides
        Arguments of the command line.
    fail_fast
        Whether no job begins after one has failed.

    Returns
    -------
    int
        0, 2 if the configuration is wrong, the signal's code if interrupted, or 5 if any job failed.
    """
    try:
        searching = _search(overrides)
        jobs = _check_all(overrides)
        return _run_all(overrides, jobs, searching, fail_fast)
    except BaseException as error:  # while jobs are checked: those that run tell their own
        known = as_run_error(error)
        if known is None:
            raise
        print_error(known)
        return int(known.exit_code)


def _run_all(overrides: Sequence[str], jobs: Sequence[Job], searching: bool, fail_fast: bool) -> int:
    """Run checked jobs and report their outcome."""
    cost = "every trial costs about a run" if searching else estimate(jobs)
    print(f"{len(jobs)} jobs checked; {cost}", file=sys.stderr, flush=True)
    count = 0 if searching else len(jobs)  # trials are as many as the sweeper asks for
    plugins = list(dict.fromkeys(name for job in jobs for name in job.settings.plugins))
    place = Path(jobs[0].settings.output_dir)
    with stop.obeyed(), _scratch(overrides, jobs) as folder:
        if fail_fast:
            (Path(folder) / _FAIL_FAST).touch()
        try:
            _launch([*(["hydra.sweeper.direction=maximize"] if searching else []), *overrides], folder, plugins)
        except Exception as error:  # of the launcher: a job that was killed, or no cluster
            if full := disk_full(error):
                raise full from error
            line = " ".join(str(error).split()) or type(error).__name__
            say(f"error: the launcher gave up: {line[:200]}", sys.stderr)
            _tell(_results(Path(folder)), overrides, count, place)
            return int(ExitCode.CHECK_FAILED)
        except Interrupted:  # between two jobs
            print(f"continue with: python run.py -m {shlex.join(overrides)}", file=sys.stderr)
            raise
        return _tell(_results(Path(folder)), overrides, count, place)
