"""Manage the run directory: what a run leaves behind, and who may write to it."""

import csv
import io
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from filelock import FileLock, Timeout
from omegaconf import OmegaConf

from sgdj.errors import ExitCode, InputError, disk_full, writing
from sgdj.jobs.plain_yaml import read_mapping
from sgdj.runtime.contents import Metrics, Record
from sgdj.runtime.text import cell
from sgdj.runtime.writing import NO_FOLLOW, TEMPORARY, write_atomically

#: Page that shows a finished run.
REPORT = "report.html"
#: Every file that a run writes, by the folder that it is in; a run removes nothing else.
_OWN = {
    "": r"run\.json|config\.yaml|metrics\.jsonl|report\.html",
    "checkpoints": r"(epoch-\d{4,}|best|last)\.ckpt(\.sha256)?",
    "evaluation": r"(samples|curves)\.csv|summary\.json|audit\.(json|md)|certificate\.(json|csv)",
    "figures": r"(training|panel-.+)\.png|(robustness|iterations|shift-.+|certificate|fragile-directions)\.(png|pdf)",
    "model": r"weights\.safetensors|README\.md",
}
#: The folders of Weights & Biases records, each of which its library fills, and what lies beside them.
_TRACKED, _TRACKER = re.compile(r"(offline-)?run-\d{8}_\d{6}-\w+"), re.compile(r"latest-run|debug(-internal)?\.log")


#: Numbers that JSON does not have, and how a line of metrics spells them.
_NUMBERS = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


def _line(row: Metrics) -> str:
    """A row as one line of JSON that every reader understands; a number that is not finite as its name."""
    plain = {
        key: json.dumps(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }
    return json.dumps(plain, allow_nan=False) + "\n"


def _finite(content: object) -> object:
    """Plain values with null for numbers that JSON does not have; a note beside them says which they were."""
    if isinstance(content, list):
        return [_finite(value) for value in content]
    if isinstance(content, dict):
        odd = {key: value for key, value in content.items() if isinstance(value, float) and not math.isfinite(value)}
        note = "; ".join(f"{key} is {json.dumps(value)}" for key, value in odd.items())
        return {key: _finite(value) for key, value in content.items()} | ({"note": note} if odd else {})
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _checked(record: Record) -> Record:
    """A record without the entries that cannot be what a run wrote; nothing if it is no run's."""
    wanted: dict[str, type | tuple[type, ...]] = {
        "status": str, "config_hash": str, "started": str, "trained": bool, "wall_s": (int, float), "files": dict,
        "exit_code": int, "score": (int, float),
    }  # fmt: skip
    kept: Record = {key: value for key, value in record.items() if isinstance(value, wanted.get(key, object))}
    if kept.get("exit_code", 0) not in set(ExitCode):
        del kept["exit_code"]
    for name in ("wall_s", "score"):
        if not abs(kept.get(name, 0)) <= sys.float_info.max:  # JSON has whole numbers that no float holds
            del kept[name]
    return kept if kept.keys() >= {"status", "config_hash"} else {}


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
        self.record: Record = {}
        self._lock: FileLock | None = None
        self._created: list[Path] = []

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

    @property
    def claimed(self) -> bool:
        """Whether this process holds the lock."""
        return self._lock is not None and self._lock.is_locked

    def read_record(self) -> Record:
        """Read ``run.json``; empty if there is none, it is damaged, or no run of this program wrote it."""
        try:
            record: object = json.loads((self.path / "run.json").read_text())
        except (OSError, ValueError, RecursionError):
            return {}
        return _checked(record) if isinstance(record, dict) else {}

    def read_config(self) -> dict[str, object]:
        """Read ``config.yaml``; empty if there is none or it is damaged."""
        try:
            return read_mapping(self.path / "config.yaml")
        except InputError:
            return {}

    def refuse_early(self) -> None:
        """Check that the folder can be claimed, without leaving anything there, before data are generated.

        Raises
        ------
        InputError
            If it cannot be created or written, or another run holds it.
        ResourceError
            If the disk is full.
        """
        place = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        try:
            if not place.is_dir():
                raise NotADirectoryError(20, os.strerror(20))
            with TemporaryFile(dir=place) as file:
                file.write(b"0" * 4096)
        except OSError as error:
            raise self._unwritable(error) from error
        if (self.path / ".lock").exists():
            self.claim()
            self.release()

    def entries(self) -> list[Path]:
        """List the folder's content, without the lock, a run's empty folders and half-written files."""
        if not self.path.exists():
            return []
        lock = self.path / ".lock"
        is_lock = lock.is_file() and not lock.is_symlink() and lock.stat().st_size == 0
        folders = (self.path / name for name in (*_OWN, "wandb") if name)
        passed = {folder.name for folder in folders if folder.is_dir() and not any(folder.iterdir())}
        passed |= {".lock"} if is_lock else set()
        return [p for p in self.path.iterdir() if p.name not in passed and not TEMPORARY.fullmatch(p.name)]

    def own_files(self) -> Iterator[Path]:
        """Yield files of the names that a run writes, in the folders where it does, not behind links."""
        for name, pattern in _OWN.items():
            folder = self.path / name
            if folder.is_dir() and not (name and folder.is_symlink()):
                yield from sorted(p for p in folder.iterdir() if re.fullmatch(pattern, p.name) and not p.is_dir())

    def linked_folders(self) -> list[Path]:
        """List folders that a run writes to and that are links to another place."""
        return [self.path / name for name in _OWN if name and (self.path / name).is_symlink()]

    def claim(self) -> None:
        """Create the folder and lock it.

        Raises
        ------
        InputError
            If it cannot be written, or another run holds it.
        """
        self._created = [p for p in (self.path, *self.path.parents) if not p.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / ".lock")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                "another run is at work there", str(self.path), "wait for it, or choose another run_dir or seed"
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> Exception:
        full = disk_full(error, self.path)
        return full or InputError(
            f"the folder cannot be written ({error.strerror})", str(self.path), "choose another output_dir"
        )

    def release(self) -> None:
        """Release the lock.

        The lock file is kept: if it were deleted while two runs wait, each could lock a different file.
        """
        if self._lock is not None:
            self._lock.release()

    def sweep_up(self) -> None:
        """Remove the half-written files of a killed process, in the folders that a run writes to."""
        for folder in (self.path / name for name in _OWN):
            if folder.is_dir():
                for left in folder.iterdir():
                    if TEMPORARY.fullmatch(left.name):
                        left.unlink(missing_ok=True)

    def clear(self) -> int:
        """Remove the results of an earlier run that is to be repeated, and nothing else; returns the number of files.

        ``run.json`` stays: it already says that the run begins, and identifies the folder as a run's.
        """
        own = [path for path in self.own_files() if path.name != "run.json"]
        tracked = self.path / "wandb"
        found = list(tracked.iterdir()) if tracked.is_dir() and not tracked.is_symlink() else []
        own += [p for p in found if _TRACKER.fullmatch(p.name) and (p.is_symlink() or not p.is_dir())]
        for path in own:
            path.unlink(missing_ok=True)
        for path in found:
            if _TRACKED.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
        for folder in (self.checkpoints, self.evaluation, self.figures, self.path / "model", tracked):
            with suppress(OSError):  # not there, or with something of the user's in it
                folder.rmdir()
        return len(own)

    def withdraw(self) -> None:
        """Restore the folder as it was before `claim`, for a run that could not begin in a folder without one."""
        self.clear()
        for name in ("run.json", ".lock"):
            (self.path / name).unlink(missing_ok=True)
        for folder in self._created:
            with suppress(OSError):  # another run is beside it
                folder.rmdir()

    def start(self, config: dict[str, object], record: Record, afresh: bool) -> int:
        """Write a first record, then the configuration.

        Parameters
        ----------
        config
            Goes to ``config.yaml``.
        record
            Goes to ``run.json``, before anything else is changed.
        afresh
            Remove what an earlier run left.

        Returns
        -------
        int
            Number of files removed.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        self.record = record
        try:
            self.update()
            removed = self.clear() if afresh else 0
            write_atomically(self.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)).encode())
            for folder in (self.checkpoints, self.evaluation, self.figures):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return removed

    def update(self, **entries: object) -> None:
        """Change entries of ``run.json``."""
        self.record.update(entries)
        text = json.dumps(self.record, indent=1, sort_keys=True)
        write_atomically(self.path / "run.json", text.encode() + b"\n")

    def metrics(self) -> list[Metrics]:
        """Read the complete lines of ``metrics.jsonl``; a damaged line does not affect the others."""
        try:
            lines = (self.path / "metrics.jsonl").read_bytes().splitlines()
        except OSError:
            return []
        rows = []
        for line in lines:
            with suppress(ValueError, RecursionError):  # a line cut off by a crash, or damaged
                row: object = json.loads(line)
                if isinstance(row, dict) and isinstance(row.get("epoch"), int):
                    rows.append({key: _NUMBERS.get(str(value), value) for key, value in row.items()})
        return rows

    def write_metrics(self, rows: Iterable[Metrics]) -> None:
        """Write ``metrics.jsonl`` anew."""
        write_atomically(self.path / "metrics.jsonl", "".join(map(_line, rows)).encode())

    def append_metrics(self, row: Metrics) -> None:
        """Add a line to ``metrics.jsonl``, durably."""
        path = self.path / "metrics.jsonl"
        with writing(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_FOLLOW, 0o666)
            with os.fdopen(descriptor, "a") as file:
                file.write(_line(row))
                file.flush()
                os.fsync(file.fileno())

    def write_rows(self, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
        """Write a CSV file under ``evaluation/``; NaN becomes an empty cell."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        for row in rows:
            empty = {key: "" for key, value in row.items() if isinstance(value, float) and math.isnan(value)}
            writer.writerow({key: cell(value) for key, value in {**row, **empty}.items()})
        write_atomically(self.evaluation / name, text.getvalue().encode())

    def write_json(self, name: str, content: dict[str, object]) -> None:
        """Write a JSON file under ``evaluation/``; a number that is not finite becomes null, with a note beside it."""
        text = json.dumps(_finite(content), indent=1, allow_nan=False)
        write_atomically(self.evaluation / name, text.encode() + b"\n")
