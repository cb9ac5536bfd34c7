"""Train one network with several processes, started by torchrun, or by `launch` on one machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import distributed

from sgdj.errors import Interrupted
from sgdj.runtime.importable import python_path
from sgdj.runtime.ranks import world

T = TypeVar("T")
_PATIENCE = 60  # seconds to finish a step after a signal


def join(device: torch.device) -> None:
    """Join the group of processes, if there are several."""
    if world() > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")


def barrier() -> None:
    """Wait until all processes have come here."""
    if world() > 1:
        distributed.barrier()


def total(value: float, device: torch.device | str = "cpu") -> float:
    """Sum a value over the processes."""
    if world() == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64, device=device)
    distributed.all_reduce(shared)
    return float(shared)


def gather(items: list[T]) -> list[T]:
    """Return the items of all processes, in the order of their ranks."""
    if world() == 1:
        return items
    parts: list[list[T]] = [[]] * world()
    distributed.all_gather_object(parts, items)
    return [item for part in parts for item in part]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(overrides: Sequence[str], count: int) -> int:
    """Run a job in `count` processes on this machine.

    Parameters
    ----------
    overrides
        Arguments of the command line.
    count
        Number of processes to start.

    Returns
    -------
    int
        Exit code of the leader, or of the first process that failed; the others are then ended.

    Raises
    ------
    Interrupted
        After a signal, which the processes are given too.
    """
    shared: dict[str, int | str] = {
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": _free_port(),
    }
    shared |= {"GROUP_RANK": 0, "TORCHELASTIC_RUN_ID": "sgdj"}
    shared["PYTHONPATH"] = python_path()
    command = [sys.executable, "-m", "sgdj", *overrides]
    processes = []
    for number in range(count):
        own = {key: str(value) for key, value in (shared | {"RANK": number, "LOCAL_RANK": number}).items()}
        processes.append(subprocess.Popen(command, env=os.environ | own, start_new_session=True))
    try:
        while any(process.poll() is None for process in processes):
            failed = next((p.returncode for p in processes if p.returncode), None)
            if failed is not None:
                time.sleep(1)  # time for the others to print their own error
                _end(processes, signal.SIGKILL)
                return failed if failed > 0 else 128 - failed
            time.sleep(0.1)
    except Interrupted as error:
        _end(processes, error.exit_code - 128)
        raise
    return next((p.returncode for p in processes if p.returncode), 0)


def _end(processes: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)
    deadline = time.monotonic() + _PATIENCE
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:  # it waits for a process that has ended
            process.kill()
            process.wait()
