"""Limit how much data a file may declare before anything of it is decompressed."""

import math
import os
from contextlib import suppress
from pathlib import Path

from sgdj.errors import InputError

GIB = 2**30
_CONTROL_GROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_memory() -> int:
    """Return the bytes of memory that this process can have: the machine's, or what its control group leaves of it."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CONTROL_GROUP:
        with suppress(OSError, ValueError):  # "max" is no number
            found.append(int(Path(path).read_text()))
    return min(found)


def check_size(size: int, what: str, where: str, max_gib: float | None) -> None:
    """Refuse data that would take more memory than is allowed; every reader asks before it decompresses.

    Parameters
    ----------
    size
        Memory that the declared data takes, in bytes.
    what
        Name of the data, for the message.
    where
        Name of the file, for the message.
    max_gib
        Limit in GiB (`dataset.max_gib`); None for a quarter of the machine's memory.

    Raises
    ------
    InputError
        If the data is larger, with the size, the limit and the value of `dataset.max_gib` that admits the file.
    """
    limit = machine_memory() / 4 / GIB if max_gib is None else max_gib
    if size <= limit * GIB:
        return
    whose = " (a quarter of this machine's memory)" if max_gib is None else ""
    needed = math.ceil(size / GIB * 100) / 100
    raise InputError(
        f"{what} declares {size / GIB:.3g} GiB, above the limit of {limit:.3g} GiB{whose}",
        where,
        f"if that is its true size, set dataset.max_gib={needed:g}",
    )
