"""Print lines at once, and so that a terminal takes none of them for a command."""

import os
import sys
import traceback
from typing import TextIO

from sgdj.errors import InputErrors, Interrupted
from sgdj.runtime.text import printable


def say(line: object, file: TextIO | None = None) -> None:
    """Print a line at once, to standard output or to `file`, made `printable`."""
    print(printable(line), file=file or sys.stdout, flush=True)


def say_traceback(error: BaseException) -> None:
    """Print a traceback to standard error, `printable` line by line: a message may hold names."""
    for line in "".join(traceback.format_exception(error)).splitlines():
        say(line, sys.stderr)


def print_error(error: BaseException) -> None:
    """Print an error in one line per mistake; with HYDRA_FULL_ERROR=1 its traceback, too.

    An interruption is what somebody asked for, and is not called an error.
    """
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        say_traceback(error)
    mistakes = error.mistakes if isinstance(error, InputErrors) else [error]
    for mistake in mistakes:
        line = str(mistake) or type(mistake).__name__
        say(line if isinstance(mistake, Interrupted) else f"error: {line}", sys.stderr)
