"""Which of several processes this is, as torchrun tells it."""

import os
import sys

from sgdj.text import say


def rank() -> int:
    """Number of this process; 0 leads: it alone writes and speaks."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """Number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Number of this process on its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_world() -> int:
    """Number of processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", str(world())))


def tell(line: str) -> None:
    """A note to the user; of several processes the leader speaks."""
    if rank() == 0:
        say(f"note: {line}", sys.stderr)
