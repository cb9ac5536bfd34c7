"""Exit codes, and the exceptions that lead to them."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from errno import EDQUOT, ENOSPC
from pathlib import Path
from signal import Signals


class ExitCode(IntEnum):
    """Exit code that the process returns to its caller."""

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
    """Failure that is reported in one line, without a traceback."""

    exit_code = ExitCode.FAULT


class InputError(RunError):
    """Input of the user that cannot be used.

    Parameters
    ----------
    what
        Description of the mistake.
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
    """Several input errors, reported one line each."""

    exit_code = ExitCode.INPUT

    def __init__(self, mistakes: Sequence[InputError]) -> None:
        super().__init__("\n".join(str(m) for m in mistakes))
        self.mistakes = list(mistakes)


class SettingError(ValueError):
    """Setting that a constructor refuses, where its type and range alone do not show the mistake.

    Parameters
    ----------
    setting
        Name of the parameter at fault; "" for the object as a whole.
    what
        Description of the mistake.
    mend
        How to put it right; ``{key}`` in it stands for the dotted key of the object's node.
    """

    def __init__(self, setting: str, what: str, mend: str) -> None:
        super().__init__(f"{what}, {setting}: {mend}" if setting else f"{what}: {mend}".replace("{key}.", ""))
        self.setting, self.what, self.mend = setting, what, mend

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.setting, self.what, self.mend)

    def at(self, key: str) -> InputError:
        """Return the mistake as an input error about the node under a dotted key."""
        where = f"{key}.{self.setting}" if self.setting else key
        return InputError(self.what, where, self.mend.replace("{key}", key))


class Diverged(RunError):
    """Training that produced a loss or gradient that is not finite."""

    exit_code = ExitCode.DIVERGED


class ResourceError(RunError):
    """Lack of memory or disk space, or a worker process that died."""

    exit_code = ExitCode.RESOURCES


class CheckFailed(RunError):
    """Stored content that differs from what was written."""

    exit_code = ExitCode.CHECK_FAILED


class Interrupted(BaseException):
    """Request for an orderly stop, by a signal.

    Like `KeyboardInterrupt` it is no `Exception`, which libraries catch and drop.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {Signals(signum).name}")
        self.exit_code = ExitCode(128 + signum)


#: Messages about a full disk where libraries drop the error number: the system's words, HDF5, and NumPy.
_FULL = re.compile(
    "|".join(map(re.escape, {os.strerror(ENOSPC), os.strerror(EDQUOT), "No space left on device"}))
    + rf"|errno = ({ENOSPC}|{EDQUOT}),|\d+ requested and \d+ written"
)
_NO_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc")
_LEFT_ALONE = ("Connection closed by peer", "Connection reset by peer")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and those that it was raised from or while handling."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def disk_full(error: BaseException, path: Path | None = None) -> ResourceError | None:
    """Return the error to report if an error comes from a full disk, however a library wrapped it; None if not.

    Parameters
    ----------
    error
        Error to look at, with its causes.
    path
        File or folder that was being written; of a folder, a file in it that the error names is reported.

    Returns
    -------
    ResourceError or None
        Error that names the path.
    """
    chain = list(_chain(error))
    if known := next((e for e in chain if isinstance(e, ResourceError)), None):
        return known
    for one in chain:
        by_number = isinstance(one, OSError) and one.errno in (ENOSPC, EDQUOT)
        by_text = isinstance(one, OSError | RuntimeError) and _FULL.search(str(one)) is not None
        if by_number or by_text:
            named = (e.filename for e in chain if isinstance(e, OSError) and isinstance(e.filename, str | bytes))
            place = path if path and not path.is_dir() else next(map(os.fsdecode, named), path)
            where = "" if place is None else f" ({place})"
            return ResourceError(f"the disk is full{where}: free some space and run the same command again")
    return None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Report a full disk with the path that was being written.

    Parameters
    ----------
    path
        File or folder that is written inside the context.

    Yields
    ------
    None
        Nothing; the caller writes.

    Raises
    ------
    ResourceError
        If the disk is full.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ResourceError) or (full := disk_full(error, path)) is None:
            raise
        raise full from error


def as_run_error(error: BaseException) -> RunError | Interrupted | None:
    """Translate failures of the machine into the program's own errors; None for a fault of the program."""
    if isinstance(error, Interrupted):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted(2)
    if full := disk_full(error):
        return full
    if isinstance(error, RunError):
        return error
    text = str(error) if isinstance(error, RuntimeError) else ""
    out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if out_of_memory or any(sign in text for sign in _NO_MEMORY):
        return ResourceError("out of memory: lower trainer.batch_size, evaluation.batch_size or the image size")
    if "DataLoader worker" in text or isinstance(error, EOFError | ConnectionError):  # a dead worker's pipe
        return ResourceError("a data worker was killed: lower trainer.workers")
    if any(sign in text for sign in _LEFT_ALONE):
        return ResourceError("another process of this training is gone: run the same command again")
    return None


def first_line(error: BaseException, longest: int | None = None) -> str:
    """Give what an error says on its first line, cut to `longest`; the name of its class if it says nothing."""
    said = str(error).strip()
    return said.splitlines()[0][:longest] if said else type(error).__name__
