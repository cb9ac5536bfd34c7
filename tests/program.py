"""Programs in processes of their own that start at once.

A new interpreter needs seconds to import torch and Lightning. These processes are forked, by the standard library's
fork server, from one that has imported them (`tests.warm`); everything else is as in a new interpreter: its own process
id, working directory, environment, arguments, output and exit code; signals, SIGKILL included, reach it as they would.
What it shares with the others is the seed of `hash`. Tests of the start itself and of what that seed could change start
a new interpreter.

A training starts the program for every rank: with ``jobs=True`` these are forked, too.
"""

import os
import random
import runpy
import shutil
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver, get_context, set_start_method
from multiprocessing.context import ForkServerContext
from pathlib import Path
from signal import SIGKILL
from subprocess import PIPE, STDOUT, CompletedProcess, TimeoutExpired
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "run.py"


#: The files that stdout and stderr go to, in a process that is one of these.
_streams: list[str] = []


def context() -> ForkServerContext:
    """Return the context of processes that are forked from `tests.warm`, once that runs."""
    made = get_context("forkserver")
    if _streams:  # a program of these, whose jobs start in threads: it knows the process that it was forked from
        return made
    made.set_forkserver_preload(["tests.warm"])
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with patch.dict(os.environ, PYTHONPATH=path, OPENBLAS_NUM_THREADS="1"):
        forkserver.ensure_running()
    return made


def _begin(
    script: str,
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    streams: list[str],
    group: int | None,
    server: str | None,
    given: str | None,
) -> None:
    """What the forked process does."""
    assert "tests.warm" in sys.modules
    import numpy as np

    from tests.drawing import leave_out_drawing

    if group is not None:
        os.setpgid(0, group)
    for number, name in enumerate(streams, 1):
        file = os.open(name, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    _streams.extend(streams)
    if given is not None:
        os.dup2(os.open(given, os.O_RDONLY), 0)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    leave_out_drawing()
    if server is not None:
        _fork_jobs(server)
    set_start_method(None, force=True)  # the system's own, for workers of its own
    random.seed()  # a new interpreter's generators are seeded by the system
    np.random.seed()  # noqa: NPY002
    sys.argv = [script, *arguments]
    if Path(script).is_file():
        sys.path.insert(0, str(Path(script).parent))
        runpy.run_path(script, run_name="__main__")
    else:
        sys.modules.pop(script, None)
        runpy.run_module(script, run_name="__main__")


def _fork_jobs(server: str) -> None:
    """Let the program's jobs and ranks, in this process, be forked from the process that it was forked from."""
    from sgdj.runtime import distributed
    from sgdj.study import worker

    forkserver._forkserver._forkserver_address = server
    forkserver.ensure_running = forkserver._forkserver.ensure_running = lambda: None
    distributed.subprocess = SimpleNamespace(Popen=_job, PIPE=PIPE, STDOUT=STDOUT, TimeoutExpired=TimeoutExpired)
    worker.subprocess = SimpleNamespace(Popen=_Worker, PIPE=PIPE, STDOUT=STDOUT)


def _job(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    stdout: int | None = None,
    start_new_session: bool = False,
    **_: Any,
) -> "Program":
    """What these two modules call `subprocess.Popen` for: stdout and stderr are inherited, or caught as one."""
    assert list(command[:3]) == [sys.executable, "-m", "sgdj"]
    group = 0 if start_new_session else os.getpgrp()
    streams = _streams if stdout is None else 1
    return Program(RUN, *command[3:], cwd=Path.cwd(), environment=env, group=group, streams=streams)


class Program:
    """A started Python script, with the part of `subprocess.Popen` that the tests use.

    Parameters
    ----------
    script
        The file to run, or the name of a module.
    *arguments
        Words of its command line.
    cwd
        Its working directory.
    environment
        Variables added to this process's.
    group
        The process group that it joins, 0 for one of its own.
    jobs
        Whether its jobs and ranks are forked, too.
    streams
        The number of files for stdout and stderr, or the files.
    given
        The file that stdin reads, if it reads one.
    """

    def __init__(
        self,
        script: Path | str,
        *arguments: str,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        group: int | None = None,
        jobs: bool = False,
        streams: int | Sequence[str] = 2,
        given: str | None = None,
    ):
        if isinstance(streams, int):
            output = tempfile.mkdtemp(prefix="program-")
            weakref.finalize(self, shutil.rmtree, output, ignore_errors=True)
            streams = [f"{output}/{name}" for name in ("out", "err")[:streams]]
            for name in streams:
                Path(name).touch()
        self._streams = [streams[0], streams[-1]]
        started = context()
        server = forkserver._forkserver._forkserver_address if jobs else None
        settings = os.environ | dict(environment or {})
        self._process = started.Process(
            target=_begin,
            args=(str(script), list(arguments), str(cwd), dict(settings), self._streams, group, server, given),
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return int(self._process.pid or 0)

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same as `returncode`."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Exit code, once it has ended; `subprocess.TimeoutExpired` if it does not."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired("program", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL, if it still runs."""
        self.send_signal(SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it wrote to stdout and stderr, once it has ended."""
        self.wait(timeout)
        out, err = (Path(name).read_text() for name in self._streams)
        return out, err


class _Worker(Program):
    """What a campaign calls `subprocess.Popen` for: jobs are written to stdin; stdout and stderr are one pipe."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], **_: Any):
        assert list(command[:2]) == [sys.executable, "-m"]
        pipes = tempfile.mkdtemp(prefix="worker-")
        weakref.finalize(self, shutil.rmtree, pipes, ignore_errors=True)
        given, told = f"{pipes}/in", f"{pipes}/out"
        os.mkfifo(given)
        os.mkfifo(told)
        name, group = command[2], os.getpgrp()
        super().__init__(name, cwd=Path.cwd(), environment=env, group=group, streams=[told], given=given)
        self.stdout = Path(told).open(errors="replace")  # noqa: SIM115
        self.stdin = Path(given).open("w")  # noqa: SIM115


def run(
    script: Path,
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    jobs: bool = False,
    timeout: float = 600,
) -> CompletedProcess[str]:
    """Run a script to its end; an exit code that is not 0 is no error."""
    program = Program(script, *arguments, cwd=cwd, environment=environment, jobs=jobs)
    try:
        out, err = program.communicate(timeout)
    except TimeoutExpired:
        program.kill()
        raise
    return CompletedProcess([str(script), *arguments], program.returncode or 0, out, err)
