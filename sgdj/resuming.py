"""Where a training goes on: the last epoch of which both the metrics and the checkpoint are there."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sgdj.checkpoints import copy_checkpoint, epoch_path, is_intact, newest_intact, prune, same_content
from sgdj.run_directory import RunDirectory


def best_epoch(rows: Sequence[dict[str, Any]]) -> int | None:
    """The first epoch with the highest validation PSNR."""
    return max(range(len(rows)), key=lambda i: (rows[i]["val_psnr"], -i), default=None)


def out_of_patience(rows: Sequence[dict[str, Any]], patience: int | None) -> bool:
    """Whether early stopping has already ended the training that these rows are of."""
    best = best_epoch(rows)
    return patience is not None and best is not None and len(rows) - 1 - best >= patience


def last_consistent(run: RunDirectory, tell: Callable[[str], None]) -> Path | None:
    """Bring metrics and checkpoints to a common last epoch, which a crash may have parted; its checkpoint, or None.

    An epoch counts if its checkpoint is intact. Rows of later ones are dropped; ``best.ckpt`` and ``last.ckpt`` are
    put right from the epochs' own files. What cannot be put right starts again.
    """
    folder = run.checkpoints
    newest = newest_intact(folder, tell)
    done = 0 if newest is None else int(newest.stem.split("-")[1]) + 1
    run.keep_metrics(done)
    rows = run.metrics()
    if newest is None:
        return None
    best = best_epoch(rows)
    complete = [row["epoch"] for row in rows] == list(range(done))
    if complete and best is not None:
        for name, source in (("best.ckpt", epoch_path(folder, best)), ("last.ckpt", newest)):
            if is_intact(source) and not (is_intact(folder / name) and same_content(source, folder / name)):
                copy_checkpoint(source, folder / name)
        if is_intact(folder / "best.ckpt"):
            return newest
    tell(f"starting again: {'the best checkpoint is damaged' if complete else 'metrics.jsonl lacks epochs'}")
    run.keep_metrics(0)
    prune(folder, 0, None)
    return None
