"""Generate embedded data once, atomically, even when several jobs start at the same time; use it only intact."""

import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock

from sgdj.errors import InputError, ResourceError
from sgdj.runtime.arrays import Array
from sgdj.runtime.hashing import digest, file_digest, file_digests

MANIFEST = "manifest.json"
_DATA = (".h5", ".npy")  # what the readers of generated data take from a folder
_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_array(path: Path, array: Array) -> None:
    """Write a ``.npy`` file; on a full disk this raises an `OSError` that says so, which `np.save` does not."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    path.write_bytes(buffer.getbuffer())


def _files(folder: Path) -> dict[str, Path]:
    """List everything in a folder but its manifest, by relative path."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    found.pop(MANIFEST, None)
    return found


def _damage(folder: Path, spec: dict[str, object]) -> str | None:
    """Say how a folder differs from its manifest, or the manifest from what is wanted; None if all agree.

    Every file is read whole, once per process: a rewritten slice gives other results under the same name.

    Raises
    ------
    InputError
        If there is a file that a reader would take for generated data, and that was not generated.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        listed = {name: (entry["size"], entry["sha256"]) for name, entry in manifest["files"].items()}
        known = digest(manifest["spec"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{MANIFEST} cannot be read"
    if known != digest(spec):
        return f"{MANIFEST} describes other data"
    there = _files(folder)
    readable = {name: path for name, path in there.items() if path.suffix in _DATA and not path.name.startswith(".")}
    foreign = [path for name, path in readable.items() if name not in listed]
    if foreign:
        raise InputError(
            "this file does not belong to the generated data beside it", str(foreign[0]), "move it to another folder"
        )
    for name, (size, _) in listed.items():
        if name not in there:
            return f"{name} is missing"
        if there[name].stat().st_size != size:
            return f"{name} has another size than its manifest says"
    found = file_digests([there[name] for name in listed], "checking generated data", remember=False)
    changed = [name for name, (_, expected) in listed.items() if found[there[name]] != expected]
    return f"{changed[0]} is not what its manifest says" if changed else None


def _intact(folder: Path, spec: dict[str, object]) -> bool:
    return folder.is_dir() and _damage(folder, spec) is None


def generate_once(directory: Path, spec: dict[str, object], build: Callable[[Path], None]) -> Path:
    """Return the folder that holds the data of `spec`, building it if it is not there or not intact.

    A damaged folder is moved aside, with everything in it, and the user is told.

    Parameters
    ----------
    directory
        Folder under which generated data is kept.
    spec
        Generator name (key `generator`), version and parameters, in plain types.
    build
        Function that fills an empty folder.

    Returns
    -------
    Path
        Folder with the data and a manifest that lists every file's size and SHA-256, all of them compared.

    Raises
    ------
    InputError
        If the folder cannot be read or written, or holds data of another origin.
    ResourceError
        If the disk is full.
    """
    folder = directory / f"{spec['generator']}-{digest(spec)[:12]}"
    doing = "read"
    try:
        if _intact(folder, spec):
            return folder
        doing = "written"
        return _generate(directory, folder, spec, build)
    except OSError as error:
        if error.errno in _FULL:
            raise ResourceError(
                f"the disk is full, {folder}: free some space, or choose another folder with dataset.directory"
            ) from error
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"the data cannot be {doing} ({reason})", f"dataset.directory={directory}", "choose another folder"
        ) from error


def _generate(directory: Path, folder: Path, spec: dict[str, object], build: Callable[[Path], None]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / f".{folder.name}.lock"):
        damage = _damage(folder, spec) if os.path.lexists(folder) else None
        if damage is None and folder.is_dir():  # another job built it while this one waited
            return folder
        partial = directory / f".{folder.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed
        try:
            partial.mkdir()
            build(partial)
            files = {
                name: {"size": path.stat().st_size, "sha256": file_digest(path)}
                for name, path in _files(partial).items()
            }
            text = json.dumps({"spec": spec, "files": files}, indent=1, sort_keys=True)
            (partial / MANIFEST).write_text(text)
            if damage is not None:
                aside = _aside(folder)
                folder.rename(aside)
                line = f"note: generated data was damaged ({folder}: {damage}); made anew, the former lies in {aside}"
                print(line, file=sys.stderr, flush=True)
            os.replace(partial, folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return folder


def _aside(folder: Path) -> Path:
    """Return a free name beside a folder."""
    number = 1
    while os.path.lexists(aside := folder.with_name(f"{folder.name}.damaged-{number}")):
        number += 1
    return aside
