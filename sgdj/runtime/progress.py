"""Show progress: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sgdj.runtime.output import say

#: Least number of seconds between two lines where there is no terminal, and least share of the time so far.
PAUSE, SHARE = 10.0, 0.05

T = TypeVar("T")


def bar() -> Progress:
    """Return a progress bar with the time left; it is silent without a terminal, see `Lines`."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def duration(seconds: float) -> str:
    """Write a time as minutes and seconds, or as hours and minutes."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} min" if whole < 3600 else f"{whole // 3600}:{whole % 3600 // 60:02d} h"


class Lines:
    """Lines about the progress of some work, where there is no terminal.

    Parameters
    ----------
    total
        Number of steps of the whole work.
    done
        Number of steps that were done before.
    """

    def __init__(self, total: int, done: int = 0) -> None:
        self._total, self._first, self._silent = total, done, sys.stderr.isatty()
        self._began = self._told = time.monotonic()

    def tell(self, done: int, line: str) -> None:
        """Print a line with the time left, unless the one before it is too recent; at the end, the time taken.

        Parameters
        ----------
        done
            Number of steps done.
        line
            What is being done.
        """
        now = time.monotonic()
        taken, new = now - self._began, done - self._first
        ends = done >= self._total
        if self._silent or (taken < PAUSE if ends else now - self._told < max(PAUSE, SHARE * taken)):
            return
        self._told = now
        left = f"took {duration(taken)}" if ends else f"{duration(taken / max(new, 1) * (self._total - done))} left"
        say(f"{line}, {left}", sys.stderr)


def follow(items: Iterable[T], total: int, what: str, name: Callable[[T], str] = lambda item: "") -> Iterator[T]:
    """Iterate under a progress bar, or with lines where there is no terminal.

    Parameters
    ----------
    items
        Items to iterate over.
    total
        Number of items.
    what
        What is done with them, such as "evaluating".
    name
        Function that says what an item is.

    Yields
    ------
    object
        Every item, in order.
    """
    lines = Lines(total)
    with bar() as progress:
        task = progress.add_task(what, total=total, note="")
        for done, item in enumerate(items, 1):
            note = name(item)
            progress.update(task, note=note)
            yield item
            progress.update(task, completed=done)
            lines.tell(done, f"{what} {done}/{total}" + (f" ({note})" if note else ""))
