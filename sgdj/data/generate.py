"""Generate embedded data once, atomically, also when several jobs start at the same time."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from sgdj.errors import InputError

MANIFEST = "manifest.json"


def digest(value: Any) -> str:
    """SHA-256 of a plain value, through canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def file_digest(path: Path, first: int | None = None) -> str:
    """SHA-256 of a file's content, or of its first bytes only."""
    with path.open("rb") as file:
        if first is not None:
            return hashlib.sha256(file.read(first)).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()


def _intact(folder: Path) -> bool:
    try:
        files = json.loads((folder / MANIFEST).read_text())["files"]
        return all((folder / name).stat().st_size == entry["size"] for name, entry in files.items())
    except (OSError, ValueError, KeyError):
        return False


def generate_once(directory: Path, spec: dict[str, Any], build: Callable[[Path], None]) -> Path:
    """Return the folder that holds the data of `spec`, building it if it is not there.

    Parameters
    ----------
    directory
        Where generated data lives.
    spec
        Generator name (key `generator`), version and parameters, in plain types.
    build
        Fills an empty folder.

    Returns
    -------
    Path
        Folder with the data and a manifest that lists every file's size and SHA-256.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    folder = directory / f"{spec['generator']}-{digest(spec)[:12]}"
    if _intact(folder):
        return folder
    try:
        return _generate(directory, folder, spec, build)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"the data cannot be written ({reason})", f"dataset.directory={directory}", "choose another folder"
        ) from error


def _generate(directory: Path, folder: Path, spec: dict[str, Any], build: Callable[[Path], None]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / f".{folder.name}.lock"):
        if _intact(folder):  # another job built it while this one waited
            return folder
        partial = directory / f".{folder.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        build(partial)
        files = {
            str(path.relative_to(partial)): {"size": path.stat().st_size, "sha256": file_digest(path)}
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        }
        (partial / MANIFEST).write_text(json.dumps({"spec": spec, "files": files}, indent=1, sort_keys=True))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    return folder
