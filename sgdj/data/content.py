"""Hash the numbers in a folder of data, whatever library wrote them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sgdj.runtime.arrays import Array

if TYPE_CHECKING:
    import h5py

_PIECE = 2**24  # bytes hashed at a time


def _arrays(path: Path) -> Iterator[tuple[str, Array | h5py.Dataset]]:
    if path.suffix == ".npy":
        yield "", np.load(path, mmap_mode="r", allow_pickle=False)
    elif path.suffix == ".h5":
        import h5py  # imported where it is used: it is slow to load

        with h5py.File(path, "r") as file:
            nodes = ((name, file[name]) for name in sorted(file))
            yield from ((name, node) for name, node in nodes if isinstance(node, h5py.Dataset))


def content_digest(folder: Path) -> str:
    """Compute SHA-256 of all numeric arrays in ``.npy`` and ``.h5`` files, by file, name, type, shape and value.

    The bytes of an HDF5 file differ between versions of that library; its arrays do not.

    Parameters
    ----------
    folder
        Folder of intact files, at any depth.

    Returns
    -------
    str
        Digest as 64 hexadecimal digits.
    """
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for name, array in _arrays(path):
            if array.dtype.kind not in "biufc":
                continue
            place = path.relative_to(folder).as_posix()
            found.update(repr((place, name, array.dtype.str, tuple(map(int, array.shape)))).encode())
            rows = max(_PIECE * max(len(array), 1) // max(array.nbytes, 1), 1) if array.ndim else 1
            pieces = (array[i : i + rows] for i in range(0, len(array), rows)) if array.ndim else (array[()],)
            for piece in pieces:
                found.update(np.ascontiguousarray(piece).tobytes())
    return found.hexdigest()
