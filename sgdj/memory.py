"""Peak memory of this process."""

import resource
from contextlib import suppress
from pathlib import Path


def forget_peak() -> None:
    """Measure the peak from now on, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Largest resident memory in MiB, since `forget_peak` or the start.

    On Linux not what getrusage says: a process inherits that from the one that started it.
    """
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
