"""Write SEG-Y files with new samples and the headers of another one."""

import shutil
from pathlib import Path

import numpy as np

from sgdj.data.segy import byte_order
from sgdj.runtime.arrays import Array

_TEXT, _BINARY, _TRACE = 3200, 400, 240  # lengths of the headers in bytes
_FORMAT_CODE = 24  # byte position in the binary header
_IEEE = 5  # format code of 32-bit floats


def write_segy(source: Path, target: Path, section: Array) -> str:
    """Write a section (depth, traces) with all headers of a SEG-Y file, in its byte order.

    A file of floating-point samples keeps their format. Integers could not hold the result: their output has the format
    code 5, 32-bit IEEE floats, and is otherwise the same.

    Parameters
    ----------
    source
        File whose headers are taken.
    target
        File to write.
    section
        Samples, shape (depth, traces).

    Returns
    -------
    str
        Former sample format, if it was replaced; else empty.
    """
    import segyio

    with source.open("rb") as opened:
        opened.seek(_TEXT)
        order = byte_order(opened.read(_BINARY))
    with segyio.open(source, ignore_geometry=True, endian=order) as file:
        kind, extended, samples = file.dtype, file.ext_headers, len(file.samples)
    if kind.kind == "f":
        shutil.copyfile(source, target)
        with segyio.open(target, "r+", ignore_geometry=True, endian=order) as file:
            file.trace.raw[:] = np.ascontiguousarray(section.T, dtype=kind)
        return ""
    start = _TEXT + _BINARY + extended * _TEXT
    data = np.fromfile(source, np.uint8)
    head = data[:start].copy()
    head[_TEXT + _FORMAT_CODE : _TEXT + _FORMAT_CODE + 2] = np.frombuffer(_IEEE.to_bytes(2, order), np.uint8)
    length = _TRACE + samples * kind.itemsize
    headers = data[start : start + section.shape[1] * length].reshape(-1, length)[:, :_TRACE]
    values = np.ascontiguousarray(section.T, dtype=">f4" if order == "big" else "<f4").view(np.uint8)
    with target.open("wb") as written:
        written.write(head.tobytes())
        written.write(np.concatenate([headers, values], axis=1).tobytes())
    return f"SEG-Y of {8 * kind.itemsize}-bit integers"
