"""Read sampling masks of one's own, for acquisitions that take them."""

from dataclasses import replace
from pathlib import Path

from sgdj.config.instantiate import build
from sgdj.config.settings import Settings
from sgdj.data.hdf5 import open_hdf5, safe_dataset
from sgdj.data.numpy_files import read_npy, read_npz
from sgdj.errors import InputError, SettingError
from sgdj.operators.acquisition import Acquisition, CartesianAcquisition
from sgdj.operators.masks import line_mask
from sgdj.runtime.arrays import Array

NAME = "mask"  # of the array in a file that holds several
SUFFIXES = (".npy", ".npz", ".h5", ".hdf5")


def _read(path: Path) -> Array:
    where, suffix, mend = f"operator.mask_file={path}", path.suffix.lower(), f"give a {', '.join(SUFFIXES)} file"
    if not path.is_file():
        raise InputError("no such file", where, mend)
    if suffix == ".npy":
        return read_npy(path, where=where)
    if suffix == ".npz":
        try:
            return read_npz(path, NAME, (), where=where)
        except InputError as error:
            mend = f"name it so, numpy.savez(PATH, {NAME}=…)" if error.what.startswith("no array") else error.mend
            raise InputError(error.what, error.where, mend) from error
    if suffix in SUFFIXES:
        with open_hdf5(path) as file:
            values: Array = safe_dataset(file, NAME, "b", None)[()]
            return values
    raise InputError(f"unknown format {path.suffix or '(none)'}", where, mend)


def read_line_mask(path: Path, axis: str) -> tuple[int, ...]:
    """Read which lines of k-space are sampled.

    Parameters
    ----------
    path
        NPY file; NPZ or HDF5 file with an array named `mask`. See `line_mask` for the shapes.
    axis
        Image axis that is undersampled, "columns" or "rows".

    Returns
    -------
    tuple
        1 for each sampled line, else 0.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no mask of lines.
    """
    values = _read(path)
    try:
        return line_mask(values, axis)
    except SettingError as error:
        raise InputError(error.what, f"operator.mask_file={path}", error.mend) from error


def built_acquisition(settings: Settings) -> Acquisition:
    """Build the acquisition of checked settings, with the mask that a file gives.

    Parameters
    ----------
    settings
        Checked settings, whose `operator` is built.

    Returns
    -------
    Acquisition
        Acquisition that is ready to measure.

    Raises
    ------
    InputError
        If the settings or the file cannot be used.
    """
    made: Acquisition = build(settings, "operator")
    if isinstance(made, CartesianAcquisition) and made.mask_file is not None:
        return replace(made, mask_file=None, mask_lines=read_line_mask(Path(made.mask_file), made.axis))
    return made
