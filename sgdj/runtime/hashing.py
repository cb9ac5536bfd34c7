"""Identify files and values by SHA-256; hashes of large files are cached, because reading them takes long."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from platformdirs import user_cache_dir

from sgdj.runtime.progress import bar

_PIECE = 2**22  # bytes read at a time
_REMEMBERED = 2**20  # bytes from which on a hash is kept on disk; a smaller file is read as quickly

#: Path, size, times of the last change of content and of the inode (ns), and inode: a file that has all of them in
#: common with an earlier one is taken for the same.
_Identity = tuple[str, int, int, int, int]
_known: dict[_Identity, str] = {}  # what this process has read


def digest(value: object) -> str:
    """Return SHA-256 of a plain value, through canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def file_digest(path: Path, advance: Callable[[int], None] = lambda size: None) -> str:
    """Return SHA-256 of a file's whole content.

    Parameters
    ----------
    path
        File to read.
    advance
        Function that is called with the number of bytes read since the last call.

    Returns
    -------
    str
        Digest as 64 hexadecimal digits.
    """
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
            advance(len(piece))
    return found.hexdigest()


def _identity(path: Path) -> _Identity:
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def file_digests(paths: Sequence[Path], what: str, remember: bool = True) -> dict[Path, str]:
    """Return SHA-256 of whole files, each read once per process, under a progress bar.

    Parameters
    ----------
    paths
        Files to read.
    what
        Label of the progress bar.
    remember
        Keep the hashes of large files in the user's cache folder, and take them from there: until size, time stamps or
        inode differ, the file is not read again. Without it, this process reads every file itself.

    Returns
    -------
    dict
        Digest of each file, by path.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    identities = {path: _identity(path) for path in paths}
    found = {path: _known[identity] for path, identity in identities.items() if identity in _known}
    if remember and any(identities[path][1] >= _REMEMBERED for path in identities if path not in found):
        remembered = _read_cache()
        for path, (name, *rest) in identities.items():
            if path not in found and (entry := remembered.get(name)) is not None and entry[:-1] == rest:
                found[path] = str(entry[-1])
    unknown = [path for path in identities if path not in found]
    new = {}
    try:
        with bar() as progress:
            task = progress.add_task(f"{what} (MiB)", total=sum(identities[p][1] for p in unknown) >> 20, note="")
            for path in unknown:
                found[path] = file_digest(path, lambda size: progress.advance(task, size / 2**20))
                if _identity(path) == identities[path]:  # else it was changed while it was read
                    _known[identities[path]] = new[identities[path]] = found[path]
    finally:  # an interruption loses only the file at which it came
        large = {name: [size, *rest, sha] for (name, size, *rest), sha in new.items() if size >= _REMEMBERED}
        if remember and large:
            _write_cache(large)
    return found


def _cache_file() -> Path:
    return Path(user_cache_dir("sgdj", appauthor=False)) / "hashes.json"


def _read_cache() -> dict[str, list[object]]:
    """Read the cached hashes, by path; a cache that is damaged or cannot be read counts as empty."""
    try:
        read = json.loads(_cache_file().read_bytes())
        return {name: entry for name, entry in read.items() if _well_formed(entry)}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _well_formed(entry: object) -> bool:
    if not (isinstance(entry, list) and len(entry) == 5 and isinstance(entry[-1], str)):
        return False
    return all(isinstance(number, int) for number in entry[:-1]) and len(entry[-1]) == 64


def _write_cache(more: dict[str, list[object]]) -> None:
    """Add to the cached hashes, in one step; where the cache cannot be written, nothing is added."""
    target = _cache_file()
    if not target.is_absolute():  # without a home folder there is no place for a cache
        return
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(_read_cache() | more, indent=0).encode()
        with NamedTemporaryFile(dir=target.parent, prefix=".hashes-", delete=False) as file:
            try:
                file.write(content)
                file.close()
                os.replace(file.name, target)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise
