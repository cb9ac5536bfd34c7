"""Run jobs one after another in a process of their own, which imports everything once."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock

from sgdj.runtime.early import leave, leave_at_once
from sgdj.runtime.importable import python_path


class Worker:
    """Process that runs jobs, and is started anew after a job that failed or took it down."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock, self._signalled = Lock(), 0

    def run(self, arguments: Sequence[str]) -> tuple[int, str]:
        """Run one job.

        Parameters
        ----------
        arguments
            Command line of the job, without the program's name; ``-m`` before it makes it a sweep.

        Returns
        -------
        tuple of int and str
            Exit code (negative: the number of the signal that ended the process), and what the job printed.
        """
        with self._lock:
            if self._signalled:
                return 128 + self._signalled, ""
            process = self._process = self._living() or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        mark, printed = secrets.token_hex(16), list[str]()
        try:
            process.stdin.write(json.dumps([mark, *arguments]) + "\n")
            process.stdin.flush()
        except BrokenPipeError:  # it has just been ended; its exit code says how
            pass
        code = None
        for line in process.stdout:
            if line.startswith(mark):
                code = int(line.removeprefix(mark))
                break
            printed.append(line)
        if code != 0:  # it ends by itself
            code = process.wait() if code is None else code
            self.close()
        return code, "".join(printed)

    def signal(self, number: int) -> None:
        """Send a signal to the process: its job ends in order, or at once if none is at work; no other job begins."""
        with self._lock:
            self._signalled = number
            if self._process is not None:
                self._process.send_signal(number)

    def close(self) -> None:
        """Let the process end, after its job."""
        process = self._process
        if process is not None and process.stdin is not None and process.stdout is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
            process.stdout.close()
        self._process = None

    def _living(self) -> subprocess.Popen[str] | None:
        """Return the process if it can take a job; one that was ended while it waited cannot."""
        if self._process is not None and self._process.poll() is not None:
            self.close()
        return self._process

    def _started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sgdj.study.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=os.environ | {"PYTHONPATH": python_path()},
        )


def serve() -> int:
    """Run the jobs whose command lines come on standard input, until it ends or a job fails; returns an exit code."""
    from sgdj.modes.execute import execute
    from sgdj.modes.sweep import sweep

    for line in sys.stdin:
        mark, *arguments = json.loads(line)
        multirun = arguments[:1] == ["-m"]
        code = sweep(arguments[1:]) if multirun else int(execute(arguments)["exit_code"])
        sys.stderr.flush()
        print(f"\n{mark}{code}", flush=True)
        if code:  # what a failed job leaves in memory harms no other
            return code
    return 0


if __name__ == "__main__":
    leave_at_once()
    leave(serve())
