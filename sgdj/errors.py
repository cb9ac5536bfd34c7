"""Exit codes, and the exceptions that lead to them."""

import os
import sys
from collections.abc import Sequence
from enum import IntEnum
from errno import ENOSPC

from sgdj.text import say, say_traceback


class ExitCode(IntEnum):
    """What the process returns to its caller."""

    DONE = 0
    FAULT = 1
    INPUT = 2
    DIVERGED = 3
    RESOURCES = 4
    CHECK_FAILED = 5
    SIGINT = 130
    SIGUSR1 = 138
    SIGTERM = 143


class RunError(Exception):
    """A failure that is told in one line, without a traceback."""

    exit_code = ExitCode.FAULT


class InputError(RunError):
    """What the user gave cannot be used.

    Parameters
    ----------
    what
        The mistake.
    where
        The dotted key, file or option at fault.
    mend
        How to put it right.
    """

    exit_code = ExitCode.INPUT

    def __init__(self, what: str, where: str, mend: str) -> None:
        super().__init__(f"{what}, {where}: {mend}")
        self.what, self.where, self.mend = what, where, mend

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.what, self.where, self.mend)


class InputErrors(RunError):
    """Several mistakes, told one line each."""

    exit_code = ExitCode.INPUT

    def __init__(self, mistakes: Sequence[InputError]) -> None:
        super().__init__("\n".join(str(m) for m in mistakes))
        self.mistakes = list(mistakes)


class Diverged(RunError):
    """Training produced a loss or gradient that is not finite."""

    exit_code = ExitCode.DIVERGED


class ResourceError(RunError):
    """Memory, disk or a worker process gave out."""

    exit_code = ExitCode.RESOURCES


class Interrupted(RunError):
    """A signal asked for an orderly stop."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by signal {signum}")
        self.exit_code = ExitCode(128 + signum)


_NO_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc")
_LEFT_ALONE = ("Connection closed by peer", "Connection reset by peer")


def as_run_error(error: BaseException) -> RunError | None:
    """Troubles of the machine in the program's own terms; None for a fault of the program."""
    if isinstance(error, RunError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted(2)
    if isinstance(error, OSError) and error.errno == ENOSPC:
        return ResourceError(f"the disk is full ({error.filename}): free some space and run the same command again")
    text = str(error) if isinstance(error, RuntimeError) else ""
    out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if out_of_memory or any(sign in text for sign in _NO_MEMORY):
        return ResourceError("out of memory: lower trainer.batch_size, evaluation.batch_size or the image size")
    if "DataLoader worker" in text or isinstance(error, EOFError | ConnectionError):  # the end of its pipe
        return ResourceError("a data worker was killed: lower trainer.workers")
    if any(sign in text for sign in _LEFT_ALONE):
        return ResourceError("another process of this training is gone: run the same command again")
    return None


def print_error(error: BaseException) -> None:
    """Tell an error in one line per mistake; with HYDRA_FULL_ERROR=1 its traceback, too."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        say_traceback(error)
    mistakes = error.mistakes if isinstance(error, InputErrors) else [error]
    for mistake in mistakes:
        say(f"error: {str(mistake) or type(mistake).__name__}", sys.stderr)
