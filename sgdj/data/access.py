"""Say why a file cannot be opened."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sgdj.errors import InputError

_MENDS = {
    errno.EACCES: ("permission denied", "allow this user to read it (chmod, or the folder's owner)"),
    errno.EPERM: ("permission denied", "allow this user to read it (chmod, or the folder's owner)"),
    errno.EAGAIN: (
        "another program has locked the file",
        "wait until it is closed there, or set HDF5_USE_FILE_LOCKING=FALSE",
    ),
    errno.ENOENT: ("no such file", "check the path"),
    errno.EISDIR: ("this is a folder", "name a file in it"),
    errno.ENAMETOOLONG: ("the name is too long for this system", "shorten it"),
    errno.EIO: ("the storage reports a read error", "check the disk or the network share"),
    errno.ESTALE: ("the network share has lost the file", "mount it again"),
}


@contextmanager
def access_told(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to open a file into an input error.

    Parameters
    ----------
    path
        File that is opened inside the context.

    Yields
    ------
    None
        Nothing; the file is opened by the caller.

    Raises
    ------
    InputError
        If the file cannot be opened, with the system's reason; the file itself may be good.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _MENDS:
            raise
        reason, mend = _MENDS[error.errno]
        raise InputError(f"the file cannot be opened ({reason})", str(path), mend) from error
