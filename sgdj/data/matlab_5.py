"""Read numeric arrays of MATLAB files of version 5 (MATLAB's -v6 and -v7), compressed or not.

SciPy's reader trusts the types and lengths that a file declares, and a damaged file ends the process.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from struct import error as StructError
from struct import unpack, unpack_from

import numpy as np

from sgdj.errors import InputError
from sgdj.runtime.arrays import Array

_MATRIX, _COMPRESSED, _DIMENSIONS, _FLAGS, _NAME = 14, 15, 5, 6, 1
_HEADER = 128
_START = 2**14  # bytes of an element that flags, dimensions and name are looked for in
_MOST_AXES = 32
_COMPLEX = 0x0800
_CLASSES = range(6, 16)  # double, single, and integers of 8 to 64 bits
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip


class _Damaged(Exception):
    """What is wrong with an element."""


@dataclass(frozen=True)
class Variable:
    """An array of numbers in a file.

    Parameters
    ----------
    name, shape
        Name and size of the array.
    place, length
        Where its element lies, and how many bytes it takes there.
    order
        Byte order of the file, "<" or ">".
    compressed
        Whether its element is compressed.
    """

    name: str
    shape: tuple[int, ...]
    place: int
    length: int
    order: str
    compressed: bool


def _part(data: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """Return type and content of the part of an element that begins at a place, and where the next one begins."""
    (first,) = unpack_from(f"{order}I", data, at)
    if first >> 16:  # up to four bytes, within the tag
        kind, length = first & 0xFFFF, first >> 16
        if length > 4:
            raise _Damaged("a short part is too long")
        return kind, data[at + 4 : at + 4 + length], at + 8
    (length,) = unpack_from(f"{order}I", data, at + 4)
    content = data[at + 8 : at + 8 + length]
    if len(content) < length:
        raise _Damaged("a part ends behind its array")
    return first, content, at + 8 + length + -length % 8


def _header(data: bytes, order: str) -> tuple[int, tuple[int, ...], str, int]:
    """Return flags, shape and name of a matrix, and where its numbers begin."""
    kind, flags, at = _part(data, 8, order)
    if kind != _FLAGS or len(flags) != 8:
        raise _Damaged("an array has no flags")
    kind, sizes, at = _part(data, at, order)
    if kind != _DIMENSIONS or len(sizes) % 4 or not 2 <= len(sizes) // 4 <= _MOST_AXES:
        raise _Damaged("an array has no dimensions")
    shape = unpack(f"{order}{len(sizes) // 4}i", sizes)
    kind, name, at = _part(data, at, order)
    if kind != _NAME or min(shape) < 0:
        raise _Damaged("an array has no name, or no size")
    return unpack(f"{order}I", flags[:4])[0], shape, name.decode("latin-1"), at


def _unpacked(data: bytes, most: int) -> bytes:
    return zlib.decompressobj().decompress(data, most)


def _variables(path: Path) -> Iterator[Variable]:
    size = path.stat().st_size
    with path.open("rb") as file:
        order = {b"IM": "<", b"MI": ">"}.get(file.read(_HEADER)[126:128])
        if order is None:
            raise _Damaged("it has no header of version 5")
        at = _HEADER
        while at + 8 <= size:
            file.seek(at)
            kind, length = unpack(f"{order}II", file.read(8))
            if at + 8 + length > size:
                raise _Damaged("an array ends behind the file")
            start = file.read(min(length, _START))
            if kind == _COMPRESSED:
                start = _unpacked(start, _START)
                (inner,) = unpack_from(f"{order}I", start)
            else:
                start, inner = bytes(8) + start, kind
            if inner == _MATRIX:
                flags, shape, name, _ = _header(start, order)
                if flags & 0xFF in _CLASSES:
                    yield Variable(name, shape, at + 8, length, order, kind == _COMPRESSED)
            at += 8 + length


def _told(error: Exception, path: Path) -> InputError:
    return InputError(f"the file cannot be read ({error})", str(path), "save it again with MATLAB, as -v7 or -v7.3")


def list_variables(path: Path) -> dict[str, Variable]:
    """List the arrays of numbers in a file by name; text, cells and structures are left out.

    Parameters
    ----------
    path
        MATLAB file of version 5.

    Returns
    -------
    dict
        Arrays by name.

    Raises
    ------
    InputError
        If the file is damaged, or of another version.
    """
    try:
        return {variable.name: variable for variable in _variables(path)}
    except (_Damaged, StructError, zlib.error) as error:
        raise _told(error, path) from error


def read_variable(path: Path, variable: Variable) -> Array:
    """Read an array of numbers, real or complex, in the type that its numbers are stored in.

    Parameters
    ----------
    path
        MATLAB file of version 5.
    variable
        One of `list_variables`, whose size was found acceptable.

    Returns
    -------
    np.ndarray
        Array of the shape that is stored.

    Raises
    ------
    InputError
        If it is damaged, or holds more or less than it declares.
    """
    count = prod(variable.shape)
    most = 16 * count + 2 * _START
    try:
        with path.open("rb") as file:
            file.seek(variable.place)
            data = file.read(variable.length)
        data = _unpacked(data, most + 1) if variable.compressed else bytes(8) + data
        if len(data) > most:
            raise _Damaged("an array holds more than it declares")
        flags, _, _, at = _header(data, variable.order)
        parts = []
        for _ in range(2 if flags & _COMPLEX else 1):
            kind, content, at = _part(data, at, variable.order)
            if kind not in _TYPES:
                raise _Damaged(f"its numbers have the unknown type {kind}")
            dtype = np.dtype(f"{variable.order}{_TYPES[kind]}")
            if len(content) != count * dtype.itemsize:
                raise _Damaged(f"an array of {count} numbers has {len(content)} bytes")
            parts.append(np.frombuffer(content, dtype).astype(dtype.newbyteorder("=")))
    except (_Damaged, StructError, zlib.error) as error:
        raise _told(error, path) from error
    if len(parts) == 1:
        return parts[0].reshape(variable.shape, order="F")
    made = parts[0].astype(np.result_type(parts[0].dtype, parts[1].dtype, np.complex64))
    made.imag = parts[1]
    return made.reshape(variable.shape, order="F")
