"""Find where a training resumes: the last epoch whose checkpoint is intact."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sgdj.errors import InputError
from sgdj.runs.checkpoints import (
    copy_checkpoint,
    epoch_checkpoints,
    epoch_of,
    epoch_path,
    is_intact,
    read_checkpoint,
    remove_checkpoint,
    same_content,
)
from sgdj.runs.directory import RunDirectory
from sgdj.runtime.contents import Checkpoint, Metrics

#: Keys under which a checkpoint says which run it is of, and the rows of metrics up to its epoch.
RUN, METRICS = "sgdj_config_hash", "sgdj_metrics"
#: Keys of a checkpoint that Lightning needs to resume.
_STATE = ("epoch", "global_step", "loops", "optimizer_states", "lr_schedulers")


def best_epoch(rows: Sequence[Metrics]) -> int | None:
    """The first epoch with the highest validation PSNR; one whose PSNR is not a number counts least."""

    def rank(i: int) -> tuple[bool, float, int]:
        value = rows[i]["val_psnr"]
        known = isinstance(value, int | float) and value == value  # noqa: PLR0124
        return known, value if known else 0.0, -i

    return max(range(len(rows)), key=rank, default=None)


def out_of_patience(rows: Sequence[Metrics], patience: int | None) -> bool:
    """Whether early stopping has already ended the training that these rows are of."""
    best = best_epoch(rows)
    return patience is not None and best is not None and len(rows) - 1 - best >= patience


def kept_rows(rows: Sequence[Metrics]) -> list[Metrics]:
    """Rows as a checkpoint keeps them: without times, so that equal trainings have equal checkpoints."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def belongs(content: Checkpoint, key: str) -> bool:
    """Tell whether a checkpoint is of the run with a configuration hash; those of before they had one are of no run."""
    return bool(content.get(RUN) == key)


def owned(run: RunDirectory, key: str) -> list[bool]:
    """Tell of every intact checkpoint in a folder whether it is of this run."""
    found = []
    for path in (*epoch_checkpoints(run.checkpoints), run.checkpoints / "last.ckpt", run.checkpoints / "best.ckpt"):
        with suppress(InputError):
            found.append(belongs(read_checkpoint(path), key))
    return found


def has_own(run: RunDirectory, key: str) -> bool:
    """Check whether a folder holds an intact checkpoint of this run."""
    return any(owned(run, key))


def _restore_twins(folder: Path, tell: Callable[[str], None]) -> None:
    """Restore an epoch's missing or damaged file from ``last.ckpt`` or ``best.ckpt``, its copies."""
    for name in ("last.ckpt", "best.ckpt"):
        with suppress(InputError):
            epoch = read_checkpoint(folder / name).get("epoch")
            if isinstance(epoch, int) and epoch >= 0 and not is_intact(own := epoch_path(folder, epoch)):
                tell(f"{own} is damaged or missing: restored from {name}")
                copy_checkpoint(folder / name, own)


def _holds_state(content: Checkpoint) -> bool:
    """Whether a checkpoint has what Lightning goes on from, and rows that are rows."""
    rows = content.get(METRICS, [])
    plain = isinstance(rows, list) and all(
        isinstance(row, dict) and {"epoch", "val_psnr"} <= row.keys() for row in rows
    )
    return plain and all(name in content for name in _STATE)


def _usable(run: RunDirectory, key: str, tell: Callable[[str], None]) -> Iterator[tuple[Path, Checkpoint]]:
    """Yield this run's epoch checkpoints that can be resumed, newest first; skipped ones are reported."""
    for path in epoch_checkpoints(run.checkpoints):
        try:
            content = read_checkpoint(path)
        except InputError as error:
            if "newer than" in error.what or "cannot be read" in error.what:  # it may be intact: not to be replaced
                raise
            tell(f"skipped {error}")
            continue
        if not belongs(content, key):
            tell(f"skipped {path}: it is of another run")
        elif content.get("epoch") != epoch_of(path) or not _holds_state(content):
            tell(f"skipped {path}: it does not hold what a training goes on from")
        else:
            yield path, content


def _rows(content: Checkpoint, written: Sequence[Metrics], done: int) -> list[Metrics] | None:
    """Rows of the epochs up to a checkpoint's: its own, with the times that ``metrics.jsonl`` has for the same row."""
    saved = content.get(METRICS)
    if saved is None:  # a checkpoint of before they were kept there
        rows = [row for row in written if row["epoch"] < done]
    else:
        timed = {row["epoch"]: row for row in written}
        rows = []
        for row in saved:
            seconds = timed.get(row["epoch"], {}).get("seconds")
            rows.append({**row, "seconds": seconds if isinstance(seconds, int | float) else None})
    return rows if [row["epoch"] for row in rows] == list(range(done)) else None


def last_consistent(run: RunDirectory, key: str, tell: Callable[[str], None]) -> Path | None:
    """Bring metrics and checkpoints to a common last epoch, which a crash may have separated.

    An epoch counts if its checkpoint is intact, or ``last.ckpt`` or ``best.ckpt`` is its intact copy. Rows of metrics
    are restored from the checkpoint, and ``best.ckpt`` and ``last.ckpt`` from the epochs' own files. Checkpoints of
    later epochs cannot be used and are removed; what cannot be restored starts again.

    Parameters
    ----------
    run
        Run directory to put in order.
    key
        Configuration hash of the run; see `belongs`.
    tell
        Function that is called with a line for everything that is skipped, restored or removed.

    Returns
    -------
    Path or None
        Checkpoint of the last common epoch; None if there is none.

    Raises
    ------
    InputError
        If a newer version of this program wrote a checkpoint, or the system does not let it be read.
    """
    folder, written = run.checkpoints, run.metrics()
    _restore_twins(folder, tell)
    found, rows = None, None
    for newest, content in _usable(run, key, tell):
        rows = _rows(content, written, epoch_of(newest) + 1)
        if rows is None:
            tell(f"skipped {newest}: metrics.jsonl lacks epochs")
        elif (best := best_epoch(rows)) is None or not _copies(folder, newest, epoch_path(folder, best)):
            tell(f"skipped {newest}: the best checkpoint of its epochs is damaged")
            rows = None
        else:
            found = newest
            break
    if rows is None:
        rows, found = [], None
    elif str(kept_rows(rows)) != str(kept_rows([row for row in written if row["epoch"] < len(rows)])):
        tell("metrics.jsonl was damaged: put right from the checkpoint")
    if rows or written:
        run.write_metrics(rows)
    for path in epoch_checkpoints(folder):
        if epoch_of(path) >= len(rows):
            tell(f"removed {path}")
            remove_checkpoint(path)
    return found


def _copies(folder: Path, newest: Path, best: Path) -> bool:
    """Restore ``best.ckpt`` and ``last.ckpt`` from the epochs' files; returns whether the best one is intact."""
    for name, source in (("best.ckpt", best), ("last.ckpt", newest)):
        if is_intact(source) and not (is_intact(folder / name) and same_content(source, folder / name)):
            copy_checkpoint(source, folder / name)
    return is_intact(best) and is_intact(folder / "best.ckpt")
