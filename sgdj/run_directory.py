"""The run directory: what a run leaves behind, and who may write to it."""

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import OmegaConf

from sgdj.errors import InputError
from sgdj.plain_yaml import read_mapping
from sgdj.text import cell


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file's content in one step that survives a crash."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:  # a full disk: the old content stays, and no half-written file beside it
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RunDirectory:
    """A claimed run directory.

    Parameters
    ----------
    path
        The folder; created by `claim`.

    Attributes
    ----------
    record
        Content of ``run.json``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record: dict[str, Any] = {}
        self._lock: FileLock | None = None

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def evaluation(self) -> Path:
        """Folder of the evaluation."""
        return self.path / "evaluation"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.path / "figures"

    def read_record(self) -> dict[str, Any]:
        """``run.json``, or nothing if there is none or it is damaged."""
        try:
            return dict(json.loads((self.path / "run.json").read_text()))
        except (OSError, ValueError):
            return {}

    def read_config(self) -> dict[str, Any]:
        """``config.yaml``, or nothing if there is none or it is damaged."""
        try:
            return read_mapping(self.path / "config.yaml")
        except InputError:
            return {}

    def claim(self) -> None:
        """Create the folder and lock it.

        Raises
        ------
        InputError
            If it cannot be written, or another run holds it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / ".lock")
            self._lock.acquire(timeout=0)
            for left in self.path.rglob(".*.tmp"):  # by a process that was killed while it wrote
                left.unlink(missing_ok=True)
        except Timeout as error:
            raise InputError(
                "another run is at work there", str(self.path), "wait for it, or choose another run_dir or seed"
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"the folder cannot be written ({error.strerror})", str(self.path), "choose another output_dir"
        )

    def release(self) -> None:
        """Give the lock back; its file stays, since removing it could part two runs that both wait for it."""
        if self._lock is not None:
            self._lock.release()

    def clear(self) -> None:
        """Remove the results of an earlier run that is to be repeated."""
        for name in ("metrics.jsonl", "config.yaml", "run.json"):
            (self.path / name).unlink(missing_ok=True)
        for folder in (self.checkpoints, self.evaluation, self.figures, self.path / "wandb"):
            shutil.rmtree(folder, ignore_errors=True)

    def start(self, config: dict[str, Any], record: dict[str, Any]) -> None:
        """Write the configuration and a first record.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        self.record = record
        try:
            for folder in (self.checkpoints, self.evaluation, self.figures):
                folder.mkdir(exist_ok=True)
            write_atomically(self.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)).encode())
            self.update()
        except OSError as error:
            raise self._unwritable(error) from error

    def update(self, **entries: Any) -> None:
        """Change entries of ``run.json``."""
        self.record.update(entries)
        text = json.dumps(self.record, indent=1, sort_keys=True)
        write_atomically(self.path / "run.json", text.encode() + b"\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The complete lines of ``metrics.jsonl``."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        rows = []
        for line in path.read_text().splitlines():
            with suppress(ValueError):  # a line cut off by a crash
                rows.append(json.loads(line))
        return rows

    def keep_metrics(self, epochs: int) -> None:
        """Drop the rows of epochs from `epochs` on; they will be repeated."""
        rows = [row for row in self.metrics() if row["epoch"] < epochs]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_atomically(self.path / "metrics.jsonl", text.encode())

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add a line to ``metrics.jsonl``, durably."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write_rows(self, name: str, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
        """Write a CSV file under ``evaluation/``; NaN becomes an empty cell."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        for row in rows:
            empty = {key: "" for key, value in row.items() if isinstance(value, float) and math.isnan(value)}
            writer.writerow({key: cell(value) for key, value in (row | empty).items()})
        write_atomically(self.evaluation / name, text.getvalue().encode())

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file under ``evaluation/``."""
        write_atomically(self.evaluation / name, json.dumps(content, indent=1).encode() + b"\n")
