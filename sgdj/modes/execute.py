"""Run one job from command line to exit code."""

import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from sgdj.errors import ExitCode, Interrupted, ResourceError, as_run_error, first_line
from sgdj.modes.closing import closing_lines
from sgdj.runtime.contents import Record
from sgdj.runtime.output import print_error, say, say_traceback
from sgdj.runtime.ranks import rank
from sgdj.runtime.signals import stop

if TYPE_CHECKING:
    from sgdj.jobs.load import Job

#: Module of a mode, where it is not named after the mode.
_PAGES = {"tune": "train"}


def _page(mode: str) -> Callable[["Job"], Record]:
    """Return the function that runs a job of this mode; only its module is imported, and only now."""
    page: Callable[[Job], Record] = getattr(import_module(f"sgdj.modes.{_PAGES.get(mode, mode)}"), mode)
    return page


def execute(overrides: Sequence[str], in_sweep: bool = False) -> Record:
    """Check and run one job; never raises.

    Parameters
    ----------
    overrides
        Arguments KEY=VALUE of the command line.
    in_sweep
        Whether the job is one of a sweep.

    Returns
    -------
    dict
        `exit_code`, and the run's record if there is one.
    """
    try:
        from sgdj.jobs.composition import parse
        from sgdj.jobs.load import load

        job = load(parse(overrides), in_sweep)
        from sgdj.runtime.devices import torch_device

        torch_device(job.settings.device)  # a missing device is told before the slow imports
        run = _page(job.settings.mode)
        with stop.obeyed():  # until here nothing is written, and a signal may end the process at once
            record = run(job)
        if rank() == 0 and not in_sweep:
            for line in closing_lines(job, record):
                say(line)
        return {"exit_code": int(ExitCode.DONE), **record}
    except BaseException as error:
        known = as_run_error(error)
        if known is None:
            say_traceback(error)
            say(f"error: a fault of this program ({type(error).__name__}): please report it", sys.stderr)
            return {"exit_code": int(ExitCode.FAULT), "error": f"{type(error).__name__}: {error}"}
        if rank() == 0 or isinstance(known, ResourceError):  # the leader speaks for all
            print_error(known)
        if rank() == 0 and isinstance(known, Interrupted) and not in_sweep:
            say(f"continue with: python run.py {shlex.join(overrides)}", sys.stderr)
        return {"exit_code": int(known.exit_code), "error": first_line(known)}
