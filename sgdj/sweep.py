"""Hydra multirun: every job is checked before the first one runs, and none hides another's failure."""

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import OmegaConf

from sgdj.config import CONF, GROUPS, Job, expand, load, parse, swept
from sgdj.errors import ExitCode, InputError, InputErrors
from sgdj.importable import python_path
from sgdj.signals import stop


def _check_all(overrides: Sequence[str]) -> list[Job]:
    """Compose and check every job.

    Raises
    ------
    InputErrors
        With every mistake of every job, once each.
    """
    jobs, mistakes = [], {}
    for job in expand(parse(overrides)):
        try:
            jobs.append(load(job, in_sweep=True))
            if jobs[-1].config["run_dir"]:
                raise InputError("all jobs of a sweep would share one folder", "run_dir", "leave it out")
        except InputErrors as error:
            mistakes.update({str(mistake): mistake for mistake in error.mistakes})
        except InputError as error:
            mistakes[str(error)] = error
    if mistakes:
        raise InputErrors(list(mistakes.values()))
    return jobs


def estimate(jobs: Sequence[Job]) -> str:
    """Time and disk that a sweep will take, from finished runs of the same kind under its output folder."""
    from statistics import median

    from sgdj.reporting.runs import RunView, find

    def kind(config: dict[str, Any]) -> tuple[Any, ...]:
        names = ((config.get(node) or {}).get("name") for node in ("dataset", "architecture", "strategy"))
        return (config.get("task"), config.get("scale"), config.get("epochs"), *names)

    known: dict[tuple[Any, ...], list[RunView]] = {}
    folders = {Path(job.config["output_dir"]) for job in jobs}
    for run in find([folder for folder in folders if folder.is_dir()], {"status": "finished", "mode": "train"}):
        known.setdefault(kind(run.config), []).append(run)
    like = [known[kind(job.config)] for job in jobs if kind(job.config) in known]
    if not like:
        return "no finished run of the same kind to estimate time and disk from"
    seconds = sum(median(run.record["wall_s"] for run in runs) for runs in like)
    size = sum(median(run.size() for run in runs) for runs in like)
    rest = "" if len(like) == len(jobs) else f", for {len(like)} of them (no finished run is like the others)"
    return f"estimate, one after the other: {seconds / 60:.1f} minutes, {size / 2**20:.1f} MiB{rest}"


def _run_one(config: Any) -> dict[str, Any]:
    """What a launcher runs: one job, from the overrides that Hydra gave it."""
    from hydra.core.hydra_config import HydraConfig

    from sgdj.cli import execute

    if stop.received is not None:  # the job before was stopped, and so is the sweep
        return {"exit_code": 128 + stop.received, "error": "not started", "overrides": []}
    overrides = [str(o).lstrip("+") for o in OmegaConf.to_container(HydraConfig.get().overrides.task)]  # type: ignore[union-attr]
    print(f"job: {' '.join(overrides)}", file=sys.stderr, flush=True)
    result = execute(overrides, in_sweep=True)
    return {key: result.get(key) for key in ("exit_code", "error", "folder", "skipped")} | {"overrides": overrides}


def _scratch(overrides: Sequence[str], jobs: Sequence[Job]) -> AbstractContextManager[str]:
    """Folder of Hydra's own record; a cluster's nodes have to see it, so there it lies beside the runs."""
    if not any(override.startswith("hydra/launcher=submitit") for override in overrides):
        return TemporaryDirectory()
    place = Path(jobs[0].config["output_dir"]).resolve()
    place.mkdir(parents=True, exist_ok=True)
    return TemporaryDirectory(prefix=".sweep-", dir=place)


def _forced(override: str) -> str:
    key = override.lstrip("+").split("=")[0]
    if key == "experiment":
        return f"+{override.lstrip('+')}"
    return override if key in GROUPS or key.startswith("hydra") else f"++{override.lstrip('+')}"


def sweep(overrides: Sequence[str]) -> int:
    """Check and run all jobs through Hydra's launcher, then print a line for each.

    Returns
    -------
    int
        0, 2 if the configuration is wrong, the signal's code if interrupted, or 5 if any job failed.
    """
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.global_hydra import GlobalHydra

    from sgdj.cli import _say

    try:
        jobs = _check_all(overrides)
    except InputErrors as error:
        _say(error)
        return int(error.exit_code)
    print(f"{len(jobs)} jobs checked; {estimate(jobs)}", file=sys.stderr, flush=True)
    os.environ["PYTHONPATH"] = python_path()  # for launchers that start processes elsewhere
    hydra = Hydra.create_main_hydra2("sgdj", create_config_search_path(str(CONF)))
    with _scratch(overrides, jobs) as folder:
        try:
            lines = [o.input_line or "" for o in swept(parse(overrides))]
            forced = [*(_forced(o) for o in lines), f"hydra.sweep.dir={folder}", "hydra.sweeper.params=null"]
            batches = hydra.multirun("config", _run_one, forced) or []
        finally:
            GlobalHydra.instance().clear()
    results = [returned.return_value for batch in batches for returned in batch]
    worst = int(ExitCode.DONE)
    for result in results:
        code = result["exit_code"]
        outcome = result["folder"] if code == 0 else f"exit {code}: {result['error']}"
        status = "failed" if code else "skipped" if result.get("skipped") else "finished"
        print(f"{status:9}{' '.join(result['overrides'])}  {outcome}")
        if code > 128:
            print(f"continue with: python run.py -m {shlex.join(overrides)}", file=sys.stderr)
            return int(code)
        worst = worst if code == 0 else int(ExitCode.CHECK_FAILED)
    print(f"{sum(r['exit_code'] == 0 for r in results)} of {len(results)} jobs done")
    return worst
