"""End the process at once when a signal comes before anything is written, with the exit code of its kind.

Imported first, and without slow imports of its own: until the handlers are installed a signal has the system's meaning,
and an exception that a handler raises in the middle of an import can be lost.
"""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

#: Ctrl-C; what SLURM sends before it preempts a job or ends it; what `sbatch --signal=USR1@60` sends a minute earlier.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted by %s\n" % signal.Signals(number).name.encode())
    os._exit(128 + number)


def leave_at_once() -> None:
    """Install handlers that end the process."""
    for number in SIGNALS:
        signal.signal(number, _leave)


def leave(code: int) -> None:
    """End the process; after a failure of the machine, without the clean-up of libraries.

    A library that could not write its buffers to a full disk tries again when the interpreter ends, and may crash.
    """
    if code != 4:
        sys.exit(code)
    with suppress(OSError):
        sys.stdout.flush()
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)
