"""Say which of several processes this is, from the environment that torchrun sets."""

import os
import sys

from sgdj.runtime.output import say


def rank() -> int:
    """Return the number of this process; 0 leads: it alone writes and prints."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """Return the number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Return the number of this process on its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_world() -> int:
    """Return the number of processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", str(world())))


def tell(line: str) -> None:
    """Print a note to the user, from the leader only."""
    if rank() == 0:
        say(f"note: {line}", sys.stderr)
