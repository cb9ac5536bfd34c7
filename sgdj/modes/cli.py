"""The command line: check everything, then run."""

import os
import sys
from collections.abc import Sequence

from sgdj.errors import ExitCode, InputErrors
from sgdj.runtime.early import leave, leave_at_once
from sgdj.runtime.needed import advice, missing
from sgdj.runtime.output import print_error, say

_HELP = ("--help", "-h", "--hydra-help")
_COMPLETION = ("--shell-completion", "-sc")
_HYDRA_FLAGS = (*_HELP, *_COMPLETION, "--cfg", "-c", "--info", "-i")
_MULTIRUN = ("-m", "--multirun")
_FAIL_FAST = "--fail-fast"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; without arguments, show its help.

    Parameters
    ----------
    argv
        Arguments after the program's name; None for those of the process.

    Returns
    -------
    int
        Exit code; see `ExitCode`.
    """
    # Threads that wait for each other sleep: if they spun, as they do by default, two of them on a busy machine would
    # be many times slower than one. It has to be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if arguments == ["--version"]:
        from sgdj import __version__

        say(f"sgdj {__version__}")
        return int(ExitCode.DONE)
    names = [argument.split("=")[0] for argument in arguments]
    if any(name in _HYDRA_FLAGS for name in names):
        return _hydra(arguments)
    multirun, fail_fast = any(argument in _MULTIRUN for argument in arguments), _FAIL_FAST in arguments
    overrides = [argument for argument in arguments if argument not in (*_MULTIRUN, _FAIL_FAST)]
    flags = [argument for argument in overrides if argument.startswith("-")]
    if flags:
        say(f"error: unknown option, {flags[0]}: see --help", sys.stderr)
        return int(ExitCode.INPUT)
    if fail_fast and not multirun:
        say(f"error: only a sweep can stop at its first failure, {_FAIL_FAST}: add -m", sys.stderr)
        return int(ExitCode.INPUT)
    if multirun:
        from sgdj.modes.sweep import sweep

        return sweep(overrides, fail_fast)
    from sgdj.modes.execute import execute

    return int(execute(overrides)["exit_code"])


def program() -> None:
    """Run the command line of this process and end it with the exit code."""
    leave_at_once()  # before the slow imports, so that a signal during them ends the process, too
    if lacking := missing():
        say(f"error: {advice(lacking)}", sys.stderr)
        leave(int(ExitCode.INPUT))
    leave(main())


def _hydra(arguments: list[str]) -> int:
    """Let Hydra print its own help or the composed configuration."""
    import hydra

    from sgdj.config.search_path import CONF, opened, search_path
    from sgdj.jobs.composition import parse
    from sgdj.jobs.load import load

    name = "run.py"
    if any(a in _COMPLETION for a in arguments):  # what follows it is Hydra's, and no override
        name = sys.argv[0]
    else:
        overrides = [a for a in arguments if "=" in a and not a.startswith("-")]
        try:
            parsed = parse(overrides)
            quoted = dict(zip(overrides, (o.input_line or "" for o in parsed), strict=True))
            arguments = [*(quoted.get(a, a) for a in arguments), *search_path(opened(parsed))]
            load(parsed)
        except InputErrors as error:
            if not any(a in _HELP for a in arguments):
                print_error(error)
                return int(error.exit_code)
    sys.argv = [name, *arguments]
    try:
        hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(lambda config: None)()
        sys.stdout.flush()
    except SystemExit as end:  # how Hydra ends after its help
        return int(end.code or 0)
    except BrokenPipeError:  # the reader has seen enough, as `head` has; nothing is left for the interpreter to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(ExitCode.DONE)
