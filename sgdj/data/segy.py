"""Read SEG-Y files that hold one 2-D post-stack section, or say what they hold instead."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from sgdj.data.access import access_told
from sgdj.data.limits import check_size
from sgdj.errors import InputError, first_line
from sgdj.runtime.arrays import Array

if TYPE_CHECKING:
    import segyio

_TEXT, _HEADERS, _TRACE_HEADER = 3200, 3600, 240  # lengths in bytes
_WIDTHS = {1: 4, 2: 4, 3: 2, 5: 4, 6: 8, 8: 1, 9: 8, 10: 4, 11: 2, 12: 8, 16: 1}  # bytes of a sample, by format code
_OFFSET, _CDP, _INLINE, _CROSSLINE, _SAMPLES = 37, 21, 189, 193, 115  # byte positions in the trace header
ByteOrder = Literal["big", "little"]
_MEND = "extract one stacked 2-D section, or save it as NPY (depth, traces)"


def byte_order(header: bytes) -> ByteOrder:
    """Tell in which byte order a binary header is written: the one that makes its sample format one of the standard's.

    Parameters
    ----------
    header
        Binary header, 400 bytes.

    Returns
    -------
    str
        "little" for what the standard's second revision allows and desktop programs write; else "big".
    """
    codes = {order: int.from_bytes(header[24:26], order) for order in ("big", "little")}
    return "little" if codes["big"] not in _WIDTHS and codes["little"] in _WIDTHS else "big"


def _check_binary_header(path: Path, where: str, max_gib: float | None) -> ByteOrder:
    """Compare what the binary header declares with the file's size; returns its byte order."""
    with path.open("rb") as file:
        start = file.read(_HEADERS)
    size = path.stat().st_size
    if len(start) < _HEADERS:
        raise InputError(
            f"the SEG-Y file cannot be read (it has {len(start)} bytes, its headers {_HEADERS})",
            where,
            "copy it again from its source",
        )
    header = start[_TEXT:]
    order = byte_order(header)
    samples, code = (int.from_bytes(header[at : at + 2], order) for at in (20, 24))
    if code not in _WIDTHS:
        raise InputError(
            f"the SEG-Y file has the sample format {code}",
            where,
            f"write it with one of the formats {', '.join(map(str, _WIDTHS))}",
        )
    extended = max(int.from_bytes(header[304:306], order, signed=True), 0) * _TEXT
    trace = _TRACE_HEADER + samples * _WIDTHS[code]
    traces, rest = divmod(size - _HEADERS - extended, trace)
    check_size(traces * samples * 8, f"the section ({samples} samples, {traces} traces)", where, max_gib)
    if samples == 0 or rest or traces < 1:
        raise InputError(
            f"the file's size does not fit traces of {samples} samples, which the SEG-Y header declares "
            f"({size} bytes, {rest} left over)",
            where,
            "copy it again if it is cut off, else write the true trace length into the binary header",
        )
    return order


def _check_geometry(file: "segyio.SegyFile", where: str) -> None:
    """Refuse pre-stack gathers, 3-D volumes and traces of other lengths, by the trace headers."""
    count = file.tracecount
    lengths = np.unique(file.attributes(_SAMPLES)[:]).tolist()
    if len(lengths) > 1 or lengths[0] not in (0, len(file.samples)):
        raise InputError(
            f"the trace headers declare {', '.join(map(str, lengths[:4]))} samples and the binary header "
            f"{len(file.samples)}",
            where,
            "write the same trace length into both",
        )
    offsets, points, inlines, crosslines = (
        len(np.unique(file.attributes(at)[:])) for at in (_OFFSET, _CDP, _INLINE, _CROSSLINE)
    )
    if offsets > 1 and points < count:
        raise InputError(
            f"this is pre-stack data ({count} traces of {offsets} offsets), no post-stack section", where, _MEND
        )
    if min(inlines, crosslines) > 1 and count >= inlines + crosslines:
        raise InputError(
            f"this is a 3-D volume ({count} traces, {inlines} inlines, {crosslines} crosslines), no 2-D section",
            where,
            _MEND,
        )
    if 1 < points < count:
        raise InputError(
            f"the file holds {count} traces of {points} CDPs: gathers, or several lines, no one section", where, _MEND
        )


def read_segy(path: Path, max_gib: float | None = None) -> Array:
    """Read the traces of a post-stack SEG-Y file as the columns of an array (depth, traces), in file order.

    Big-endian and little-endian files are told apart by their binary header.

    Parameters
    ----------
    path
        SEG-Y file to read.
    max_gib
        Largest size that the file may declare, in GiB, counted in double precision; None for a quarter of the machine's
        memory.

    Returns
    -------
    np.ndarray
        Samples, shape (depth, traces).

    Raises
    ------
    InputError
        If segyio cannot read the file, it declares too much, or it holds no 2-D post-stack section.
    """
    import segyio

    where = str(path)
    with access_told(path):
        order = _check_binary_header(path, where, max_gib)
    try:
        with segyio.open(path, ignore_geometry=True, endian=order) as file:
            _check_geometry(file, where)
            return np.asarray(file.trace.raw[:], dtype=np.float64).T
    except (InputError, MemoryError):
        raise
    except Exception as error:  # segyio raises whatever its C layer meets
        reason = first_line(error, 80)
        raise InputError(f"the SEG-Y file cannot be read ({reason})", where, "copy it again from its source") from error
