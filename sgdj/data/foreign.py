"""Read the files of other programs by the libraries of their formats."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sgdj.data import bart, dicom, matlab, nifti
from sgdj.data.convention import off_centre
from sgdj.data.ismrmrd import holds_raw_data, read_ismrmrd
from sgdj.data.numpy_files import read_npy
from sgdj.data.slices import Reading, Slices, arranged
from sgdj.data.values import check_values
from sgdj.errors import InputError
from sgdj.runtime.arrays import Array

_NPY_AXES = {2: "hw", 3: "shw", 4: "schw"}
_ONE_SIDE = 0.05  # of the columns, that a full acquisition may lack more on one side than on the other


def _read_npy(path: Path, reading: Reading) -> Slices:
    array, axes = arranged(read_npy(path, reading.max_gib), reading, _NPY_AXES, str(path))
    return Slices(array, reading.kspace, f"axes taken as {axes}")


def _one_dicom(path: Path, reading: Reading) -> Slices:
    return dicom.read_dicom([path], reading)


_READERS: dict[str, Callable[[Path, Reading], Slices]] = {
    **dict.fromkeys(nifti.SUFFIXES, nifti.read_nifti),
    **dict.fromkeys(dicom.SUFFIXES, _one_dicom),
    **dict.fromkeys(bart.SUFFIXES, bart.read_bart),
    **dict.fromkeys(matlab.SUFFIXES, matlab.read_matlab),
    ".h5": read_ismrmrd,
    ".mrd": read_ismrmrd,
    ".npy": _read_npy,
}
#: Suffixes that stand for such files and for nothing else.
SUFFIXES = tuple(suffix for suffix in _READERS if suffix not in (".h5", ".npy"))
NAMES = {
    **dict.fromkeys(nifti.SUFFIXES, "nifti"),
    **dict.fromkeys(dicom.SUFFIXES, "dicom"),
    **dict.fromkeys(bart.SUFFIXES, "bart"),
    **dict.fromkeys(matlab.SUFFIXES, "matlab"),
    ".mrd": "ismrmrd",
}


def suffix(path: Path) -> str:
    """Return the suffix of a file in lower case, ".nii.gz" as one."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def stem(path: Path) -> str:
    """Return the name of a file without its suffix."""
    return path.name[: len(path.name) - len(suffix(path))]


def is_foreign(path: Path) -> bool:
    """Check whether a file is one of another program: by its suffix, or as HDF5 with raw data in it."""
    return suffix(path) in SUFFIXES or (suffix(path) == ".h5" and holds_raw_data(path))


def read_foreign(paths: Sequence[Path], reading: Reading) -> Slices:
    """Read one volume, and check its values.

    Parameters
    ----------
    paths
        The one file that holds it, or the DICOM files of a series.
    reading
        How arrays are to be read, and the limits of the files.

    Returns
    -------
    Slices
        Images or k-space of the volume.

    Raises
    ------
    InputError
        If a file cannot be read, or does not hold what it is said to hold.
    """
    where = str(paths[0])
    kind = suffix(paths[0])
    found = dicom.read_dicom(paths, reading) if kind in dicom.SUFFIXES else _READERS[kind](paths[0], reading)
    check_values(found.array, "the array", where)
    if not found.array.any():
        raise InputError("the array is zero everywhere", where, "check which array is meant")
    if found.array.ndim == 4 and not np.iscomplexobj(found.array):
        raise InputError("coils have real values", where, "save complex images, or k-space")
    if found.kspace:
        check_kspace(found.array, where)
    return found


def check_kspace(array: Array, where: str) -> None:
    """Refuse an array that is no centred k-space: real, or with zero frequency at its edge."""
    if not np.iscomplexobj(array):
        raise InputError(f"k-space has type {array.dtype}", where, "k-space is complex; leave out --kspace for images")
    if off_centre(array[len(array) // 2]):
        mend = "store it with zero frequency in the middle (numpy.fft.fftshift)"
        raise InputError("zero frequency lies at the edge of k-space", where, mend)


def sampled_columns(found: Slices) -> Array | None:
    """Return which columns or points of k-space were acquired; None if all of them.

    Where the file does not tell, what is zero in all slices and coils was not acquired. Columns that are missing alike
    on both sides make k-space of lower resolution, no undersampled one.

    Parameters
    ----------
    found
        Slices of k-space.

    Returns
    -------
    np.ndarray or None
        Boolean mask, shape (W,) or (H, W).
    """
    if found.sampled is not None:
        return found.sampled
    points = (found.array != 0).any(axis=tuple(range(found.array.ndim - 2)))
    columns, rows = points.any(0), points.any(1)
    if (points == (rows[:, None] & columns)).all():
        left, right = int(np.argmax(columns)), int(np.argmax(columns[::-1]))
        block = columns[left : len(columns) - right].all()
        if block and abs(left - right) <= max(2, _ONE_SIDE * len(columns)):
            return None
        return columns
    return points
