"""Check a run directory against the hashes that were written for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sgdj.checkpoints import is_intact
from sgdj.data.generate import file_digest
from sgdj.errors import InputError
from sgdj.run_directory import RunDirectory

_FOLDERS = ("checkpoints", "evaluation", "figures", "model")
_FILES = ("config.yaml", "metrics.jsonl")


def _files(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in _FILES if (folder / name).is_file())
    for name in _FOLDERS:
        yield from sorted(path for path in (folder / name).rglob("*") if path.is_file())


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of everything that a finished run vouches for, by relative path."""
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in _files(folder)}


def verify(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Compare a run directory with its record.

    Returns
    -------
    tuple
        The record, and one line per difference.

    Raises
    ------
    InputError
        If there is no run.
    """
    record = RunDirectory(folder).read_record()
    if not record:
        raise InputError("no readable run.json", f"run_dir={folder}", "give a run directory")
    expected: dict[str, str] = record.get("files", {})
    found = hashes(folder)
    differences = [f"{name} is missing" for name in expected if name not in found]
    differences += [f"{name} has changed" for name in expected if name in found and found[name] != expected[name]]
    if expected:
        differences += [f"{name} was added" for name in found if name not in expected]
    checkpoints = sorted((folder / "checkpoints").glob("*.ckpt"))
    differences += [f"checkpoints/{p.name} is damaged (see its .sha256)" for p in checkpoints if not is_intact(p)]
    return record, differences
