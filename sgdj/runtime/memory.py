"""Control and measure the memory of this process."""

import ctypes
import resource
from contextlib import suppress
from pathlib import Path

_MMAP_MAX, _TRIM_THRESHOLD = -4, -1  # constants of malloc.h


def reuse_freed() -> bool:
    """Make the C library reuse freed memory at once, where it can (glibc); returns whether it can.

    By default tensors above 32 MiB are given back to the system one by one, and every page is cleared again for the
    next one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))


def forget_peak() -> None:
    """Measure the peak from now on, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib() -> float:
    """Return the largest resident memory in MiB, since `forget_peak` or the start.

    On Linux getrusage does not serve: a process inherits its value from the one that started it.
    """
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
