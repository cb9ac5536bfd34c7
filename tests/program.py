"""Programs in processes of their own that start at once.

A new interpreter needs seconds to import torch and Lightning. These processes are forked, by the standard library's
fork server, from one that has imported them (`tests.warm`); everything else is as in a new interpreter: its own process
id, working directory, environment, arguments, output and exit code; signals, SIGKILL included, reach it as they would.
What it shares with the others is the seed of `hash`. Tests of the start itself and of what that seed could change start
a new interpreter.
"""

import os
import random
import runpy
import shutil
import sys
import tempfile
import weakref
from collections.abc import Mapping
from multiprocessing import forkserver, get_context, set_start_method
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "run.py"

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.warm"])


def _begin(
    script: str, arguments: list[str], folder: str, environment: dict[str, str], output: str, session: bool
) -> None:
    """What the forked process does."""
    assert "tests.warm" in sys.modules
    import numpy as np

    if session:
        os.setsid()
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(f"{output}/{name}", os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    set_start_method(None, force=True)  # the system's own, for workers of its own
    random.seed()  # a new interpreter's generators are seeded by the system
    np.random.seed()  # noqa: NPY002
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name="__main__")


class Program:
    """A started Python script, with the part of `subprocess.Popen` that the tests use.

    Parameters
    ----------
    script
        The file to run.
    *arguments
        Words of its command line.
    cwd
        Its working directory.
    environment
        Variables added to this process's.
    session
        Whether it leads a session, and so a process group, of its own.
    """

    def __init__(
        self,
        script: Path,
        *arguments: str,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        session: bool = False,
    ):
        self._output = tempfile.mkdtemp(prefix="program-")
        weakref.finalize(self, shutil.rmtree, self._output, ignore_errors=True)
        for name in ("out", "err"):
            Path(self._output, name).touch()
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        with patch.dict(os.environ, PYTHONPATH=path, OPENBLAS_NUM_THREADS="1"):
            forkserver.ensure_running()
        settings = os.environ | dict(environment or {})
        self._process = _CONTEXT.Process(
            target=_begin,
            args=(str(script), list(arguments), str(cwd), dict(settings), self._output, session),
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

    def wait(self, timeout: float) -> int:
        """Exit code, once it has ended; `subprocess.TimeoutExpired` if it does not."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired("program", timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it wrote to stdout and stderr, once it has ended."""
        self.wait(timeout)
        out, err = (Path(self._output, name).read_text() for name in ("out", "err"))
        return out, err


def run(
    script: Path, *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None, timeout: float = 300
) -> CompletedProcess[str]:
    """Run a script to its end; an exit code that is not 0 is no error."""
    program = Program(script, *arguments, cwd=cwd, environment=environment)
    try:
        out, err = program.communicate(timeout)
    except TimeoutExpired:
        program.send_signal(9)
        raise
    return CompletedProcess([str(script), *arguments], program.returncode or 0, out, err)
