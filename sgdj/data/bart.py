"""Read arrays of the BART toolbox, pairs of a .cfl and a .hdr file."""

from math import prod
from pathlib import Path

import numpy as np

from sgdj.data.access import access_told
from sgdj.data.slices import Reading, Slices, check_declared
from sgdj.errors import InputError

SUFFIXES = (".cfl",)
_LONGEST_HEADER = 2**20  # bytes
_READ, _PHASE_1, _PHASE_2, _COIL, _SLICE = 0, 1, 2, 3, 13


def _shape(header: Path) -> tuple[int, ...]:
    where = str(header)
    with access_told(header), header.open("rb") as file:
        lines = file.read(_LONGEST_HEADER).decode("latin-1").splitlines()
    try:
        at = next(i for i, line in enumerate(lines) if line.strip().startswith("# Dimensions"))
        shape = tuple(int(word) for word in lines[at + 1].split())
    except (StopIteration, IndexError, ValueError) as error:
        what = "the header does not say the dimensions of its array"
        raise InputError(what, where, "write it with BART, '# Dimensions' and a line of numbers") from error
    if not shape or min(shape) < 1:
        raise InputError(f"the header declares the dimensions {shape}", where, "write it again with BART")
    return shape


def read_bart(path: Path, reading: Reading) -> Slices:
    """Read a complex array with BART's meaning of dimensions.

    The first two (readout and first phase encoding) are rows and columns, the fourth are coils; the third and the
    fourteenth (slices) and all others make slices.

    Parameters
    ----------
    path
        File of type ``.cfl``, with its ``.hdr`` beside it.
    reading
        Whether it is k-space, and the limits of the file.

    Returns
    -------
    Slices
        Array, complex64, shape (S, H, W) or (S, C, H, W).

    Raises
    ------
    InputError
        If the header is missing or does not fit, or it is k-space that is encoded in three dimensions.
    """
    where = str(path)
    shape = _shape(path.with_suffix(".hdr"))
    check_declared(shape, 16, where, reading.max_gib)
    size = prod(shape) * np.dtype("<c8").itemsize
    with access_told(path):
        stored = path.stat().st_size
        if stored != size:
            raise InputError(f"the file has {stored} bytes, its header says {size}", where, "copy both again")
        array = np.fromfile(path, dtype="<c8").reshape(shape, order="F")
    array = array.reshape(shape + (1,) * (_SLICE + 1 - len(shape)))
    if reading.kspace and array.shape[_PHASE_2] > 1:
        what = f"k-space has {array.shape[_PHASE_2]} partitions"
        raise InputError(what, where, "transform them first (bart fft -u -i 4)")
    rest = [axis for axis in range(array.ndim) if axis not in (_READ, _PHASE_1, _COIL)]
    ordered = array.transpose(*rest, _COIL, _READ, _PHASE_1)
    ordered = ordered.reshape(-1, *ordered.shape[-3:])
    slices = ordered if ordered.shape[1] > 1 else ordered[:, 0]
    return Slices(slices, reading.kspace, f"dimensions {' '.join(map(str, shape))}")
