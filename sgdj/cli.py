"""The command line: check everything, then run."""

import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from sgdj.errors import ExitCode, InputErrors, Interrupted, ResourceError, as_run_error
from sgdj.ranks import rank
from sgdj.signals import stop

_HYDRA_FLAGS = ("--help", "-h", "--hydra-help", "--cfg", "-c", "--info", "-i", "--version", "--shell-completion", "-sc")


def _say(error: BaseException) -> None:
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        traceback.print_exception(error)
    for line in str(error).splitlines() or [type(error).__name__]:
        print(f"error: {line}", file=sys.stderr, flush=True)


def execute(overrides: Sequence[str], in_sweep: bool = False) -> dict[str, Any]:
    """Check and run one job; never raises.

    Returns
    -------
    dict
        `exit_code`, and the run's record if there is one.
    """
    from sgdj.composition import parse
    from sgdj.config import load

    try:
        with stop.obeyed():
            job = load(parse(overrides), in_sweep)
            from sgdj.devices import torch_device

            torch_device(job.config["device"])  # a missing device is told before the slow imports
            from sgdj.job import run

            return {"exit_code": int(ExitCode.DONE), **run(job)}
    except BaseException as error:
        known = as_run_error(error)
        if known is None:
            traceback.print_exception(error)
            print(f"error: a fault of this program ({type(error).__name__}): please report it", file=sys.stderr)
            return {"exit_code": int(ExitCode.FAULT), "error": f"{type(error).__name__}: {error}"}
        if rank() == 0 or isinstance(known, ResourceError):  # the leader speaks for all
            _say(known)
        if rank() == 0 and isinstance(known, Interrupted) and not in_sweep:
            print(f"continue with: python run.py {shlex.join(overrides)}", file=sys.stderr)
        return {"exit_code": int(known.exit_code), "error": str(known).splitlines()[0]}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point.

    Returns
    -------
    int
        Exit code; see `ExitCode`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    names = [argument.split("=")[0] for argument in arguments]
    if any(name in _HYDRA_FLAGS for name in names):
        return _hydra(arguments)
    multirun = any(argument in ("-m", "--multirun") for argument in arguments)
    overrides = [argument for argument in arguments if argument not in ("-m", "--multirun")]
    flags = [argument for argument in overrides if argument.startswith("-")]
    if flags:
        print(f"error: unknown option, {flags[0]}: see --help", file=sys.stderr)
        return int(ExitCode.INPUT)
    if multirun:
        from sgdj.sweep import sweep

        with stop.obeyed():
            return sweep(overrides)
    return int(execute(overrides)["exit_code"])


def _hydra(arguments: list[str]) -> int:
    """Hydra's own help and configuration printing."""
    import hydra

    from sgdj.composition import CONF, parse
    from sgdj.config import load

    overrides = [a for a in arguments if "=" in a and not a.startswith("-")]
    try:
        load(parse(overrides))
    except InputErrors as error:
        if not any(a in ("--help", "-h", "--hydra-help") for a in arguments):
            _say(error)
            return int(error.exit_code)
    sys.argv = ["run.py", *arguments]
    hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(lambda config: None)()
    return int(ExitCode.DONE)
