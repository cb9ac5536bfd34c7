"""Read NPY and NPZ files after a look at what their headers declare."""

import zipfile
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from sgdj.data.access import access_told
from sgdj.data.limits import check_size
from sgdj.errors import InputError, first_line
from sgdj.runtime.arrays import Array, Kind

_LONGEST_HEADER = 2**16  # bytes; NumPy's own limit is shorter
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], Kind]:
    """Read shape and type of the array that begins here; a header longer than any plain array's is not read.

    Parameters
    ----------
    file
        Open file, at the first byte of the array's header.
    where
        Name of the file, for the message.

    Returns
    -------
    tuple
        Shape and dtype that the header declares.

    Raises
    ------
    InputError
        If no plain array begins here.
    """
    start = file.read(12)
    if len(start) < 12 or start[:6] != b"\x93NUMPY":
        raise InputError(
            "the file cannot be read (no NumPy array begins here)", where, "save it with numpy.save or numpy.savez"
        )
    wide = start[6] > 1
    length = int.from_bytes(start[8:12] if wide else start[8:10], "little")
    version = (start[6], start[7])
    if length > _LONGEST_HEADER or version not in _HEADERS:
        raise InputError("the array's header is not one of a plain array", where, "save a plain array of numbers")
    file.seek(0)
    np.lib.format.read_magic(file)
    shape, _, dtype = _HEADERS[version](file)
    return shape, dtype


def _array(file: IO[bytes], where: str, max_gib: float | None) -> Array:
    shape, dtype = read_header(file, where)
    if dtype.hasobject:
        raise InputError("the array holds Python objects", where, "save plain numbers, without pickle")
    if dtype.kind not in "fiubc":
        raise InputError(f"the array has type {dtype}", where, "save a plain array of numbers")
    if any(n < 0 for n in shape):
        raise InputError(f"the array declares the shape {shape}", where, "save it again with numpy.save")
    width = dtype.itemsize if dtype.kind == "c" else max(dtype.itemsize, 8)  # readers compute in double precision
    check_size(prod(shape) * width, f"the array {shape}", where, max_gib)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _told(error: Exception, where: str) -> InputError:
    """Turn an exception of the parsers of headers, zipfile or its decompressors into a message of one line."""
    reason = first_line(error, 80)
    return InputError(f"the file cannot be read ({reason})", where, "save or copy it again")


def read_npy(path: Path, max_gib: float | None = None, where: str = "") -> Array:
    """Read an array of real or complex numbers.

    Parameters
    ----------
    path
        File of type ``.npy``.
    max_gib
        Largest size that the file may declare, in GiB; None for a quarter of the machine's memory.
    where
        Name of the file in messages; its path by default.

    Returns
    -------
    np.ndarray
        Array as it is stored.

    Raises
    ------
    InputError
        If the file cannot be read, holds something else, or declares too much.
    """
    where = where or str(path)
    try:
        with access_told(path), path.open("rb") as file:
            return _array(file, where, max_gib)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged header fails in many ways
        raise _told(error, where) from error


def read_npz(path: Path, key: str | None, known: Sequence[str], max_gib: float | None = None, where: str = "") -> Array:
    """Read one array of several.

    Parameters
    ----------
    path
        File of type ``.npz``.
    key
        Name of the array; None takes the first known name that is there.
    known
        Names to look for.
    max_gib
        Largest size that the array may declare, in GiB; None for a quarter of the machine's memory.
    where
        Name of the file in messages; its path by default.

    Returns
    -------
    np.ndarray
        Array as it is stored.

    Raises
    ------
    InputError
        If there is no such array, or it cannot be read or declares too much.
    """
    where = where or str(path)
    try:
        with access_told(path), zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
            name = key or next((n for n in known if n in members), None)
            if name not in members:
                what = f"no array {key!r}" if key else "no array with a known name"
                mend = f"choose one of {', '.join(members)} with dataset.key" if members else "save it with numpy.savez"
                raise InputError(what, where, mend)
            with archive.open(members[name]) as file:
                return _array(file, f"{where}:{name}", max_gib)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib and the parser of headers each fail in their own way
        raise _told(error, where) from error
