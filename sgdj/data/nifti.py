"""Read NIfTI images, turned as they are shown."""

import gzip
from pathlib import Path
from struct import unpack

import numpy as np

from sgdj.data.access import access_told
from sgdj.data.slices import Reading, Slices, check_declared, check_package
from sgdj.errors import InputError, first_line
from sgdj.runtime.arrays import Array

SUFFIXES = (".nii", ".nii.gz")
_LARGEST_HEADER = 2**24  # bytes
#: By the direction of the slices: directions in which rows and columns run, as in radiological display.
_SHOWN = {"S": "PL", "I": "PL", "A": "IL", "P": "IL", "R": "IP", "L": "IP"}
_OPPOSITE = dict(zip("RLAPSI", "LRPAIS", strict=True))


def _check_extensions(path: Path) -> None:
    """Refuse a header that leaves more room before the image than any extension of it takes: all of it is read."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        start = file.read(176)
    for order in "<>":
        size = unpack(f"{order}i", start[:4])[0]
        if size in (348, 540):
            begin = unpack(f"{order}f", start[108:112])[0] if size == 348 else unpack(f"{order}q", start[168:176])[0]
            if not 0 <= begin <= _LARGEST_HEADER:
                raise InputError(f"the image is said to begin at byte {begin:g}", str(path), "save it as NIfTI again")


def _turned(array: Array, codes: tuple[str, str, str]) -> Array:
    """Turn an array (X, Y, S) with known directions of its axes into shown slices (S, H, W)."""
    wanted = _SHOWN[codes[2]]
    if codes[0] in (wanted[0], _OPPOSITE[wanted[0]]):
        rows, columns = 0, 1
    else:
        rows, columns = 1, 0
    for axis, direction in ((rows, wanted[0]), (columns, wanted[1])):
        if codes[axis] != direction:
            array = np.flip(array, axis)
    return array.transpose(2, rows, columns)


def read_nifti(path: Path, reading: Reading) -> Slices:
    """Read the images of a NIfTI file.

    Slices run along the third stored axis. Rows and columns are turned by the affine as radiologists see them: axial
    slices from the feet with anterior on top, coronal ones from the front, sagittal ones from the left; the patient's
    right is on the left. Further axes (time, echoes) make further slices of the same volume.

    Parameters
    ----------
    path
        File of type ``.nii`` or ``.nii.gz``, real or complex.
    reading
        Limits of the file.

    Returns
    -------
    Slices
        Images with the file's scaling applied.

    Raises
    ------
    InputError
        If it cannot be read, or holds colours.
    """
    where = str(path)
    check_package("nibabel", "NIfTI", where)
    import nibabel

    try:
        with access_told(path):
            _check_extensions(path)
            image = nibabel.load(path)
            if not isinstance(image, nibabel.Nifti1Image):
                raise InputError("this is no NIfTI image", where, "save it as NIfTI")
            kind = image.get_data_dtype()
            if kind.kind not in "fiuc":
                raise InputError(f"the image has type {kind}", where, "save one value for each voxel")
            check_declared(image.shape, 2 * kind.itemsize, where, reading.max_gib)
            array = np.asanyarray(image.dataobj)
            codes = nibabel.aff2axcodes(image.affine)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged header fails in many ways
        raise InputError(f"the image cannot be read ({first_line(error, 80)})", where, "copy it again") from error
    if array.ndim < 2 or 0 in array.shape:
        raise InputError(f"the image has shape {array.shape}", where, "two or more axes are expected")
    array = array.reshape(*array.shape[:2], -1, order="F")
    if None in codes:
        raise InputError("the affine matrix does not say how the image lies", where, "store a regular one")
    stored = "".join(codes)
    shown = "".join(_SHOWN[codes[2]])
    return Slices(_turned(array, codes), False, f"axes run to {stored}, rows and columns shown to {shown}")
