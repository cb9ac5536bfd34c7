"""Write files so that neither a crash nor a link in the way harms what is there."""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from sgdj.errors import writing

#: Names that `temporary_path` gives.
TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.sgdj\.tmp")
#: Flag of `os.open` that refuses a symbolic link, where the system has it.
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def temporary_path(folder: Path) -> Path:
    """Return a new name for a file that is being written: it cannot be guessed, and no other program uses its like."""
    return folder / f".{secrets.token_hex(8)}.sgdj.tmp"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file's content in one step that survives a crash; a symbolic link is replaced, never followed."""
    temporary = temporary_path(path.parent)
    with writing(path):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:  # a full disk, a signal: the old content stays, and no half-written file beside it
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
