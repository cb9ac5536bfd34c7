"""Read HDF5 files that nobody has vouched for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from sgdj.errors import InputError

_MAX_BYTES = 64 * 2**30
_LITTLE = 64 * 2**20  # bytes that may be declared whatever is stored
_MAX_RATIO = 100  # of declared to stored bytes: no real data compresses so well, and reading allocates the former
#: What h5py raises when a file's inner structure is damaged.
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError)


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading.

    Raises
    ------
    InputError
        If it is not an intact HDF5 file.
    """
    try:
        file = h5py.File(path, "r")
    except (*_DAMAGE, MemoryError) as error:
        reason = "truncated" if "truncated" in str(error) else "not an HDF5 file, or unreadable"
        raise InputError(f"the file is {reason}", str(path), "copy or download it again, or remove it") from error
    with file, damage_told(str(path)):
        yield file


@contextmanager
def damage_told(where: str) -> Iterator[None]:
    """Turn what h5py raises on damaged content into an input error.

    Raises
    ------
    InputError
        Instead of it.
    """
    try:
        yield
    except _DAMAGE as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise InputError(f"the file is damaged ({reason})", where, "copy or download it again") from error


def safe_dataset(file: h5py.File, name: str, kind: str, ndim: int) -> h5py.Dataset:
    """A dataset that holds its own data, of the right kind and a credible size.

    Parameters
    ----------
    file
        An open file.
    name
        Name at the root of the file.
    kind
        NumPy kind: "c" complex, "f" floating, "b" boolean or number (a mask).
    ndim
        Expected rank.

    Raises
    ------
    InputError
        If it is missing, lies behind a link, in another file or is virtual, or has another type, rank or an absurd
        size.
    """
    where = f"{file.filename}:{name}"
    link = file.get(name, getlink=True)
    if link is None:
        raise InputError(
            "the dataset is missing", where, f"the file holds {', '.join(sorted(map(str, file))) or 'nothing'}"
        )
    if not isinstance(link, h5py.HardLink):
        raise InputError("the dataset is a link to another place", where, "store the data in the file itself")
    node = file.get(name)
    if not isinstance(node, h5py.Dataset):
        raise InputError("this is not a dataset", where, "store an array under this name")
    if node.external or node.is_virtual:
        raise InputError("the dataset keeps its data outside the file", where, "store the data in the file itself")
    if node.dtype.kind not in ("biuf" if kind == "b" else kind):
        wanted = {"c": "complex", "f": "floating-point", "b": "boolean or number"}[kind]
        raise InputError(f"the dataset has type {node.dtype}", where, f"{wanted} values are expected")
    if node.ndim != ndim:
        raise InputError(f"the dataset has shape {node.shape}", where, f"{ndim} axes are expected (single-coil data)")
    declared, stored = node.size * node.dtype.itemsize, node.id.get_storage_size()
    if declared > _MAX_BYTES or declared > max(_LITTLE, _MAX_RATIO * stored):
        raise InputError(f"the dataset declares {declared:.3g} bytes and stores {stored}", where, "remove the file")
    return node
