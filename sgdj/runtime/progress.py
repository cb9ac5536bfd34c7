"""Show progress bars, on a terminal only."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")


def bar() -> Progress:
    """Return a progress bar with the time left; it is silent without a terminal."""
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


def follow(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Iterate under a progress bar."""
    with bar() as progress:
        yield from progress.track(items, total=total, task_id=progress.add_task(what, total=total, note=""))
