"""Read sampling masks and wavelets of one's own, for acquisitions that take them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from sgdj.config.instantiate import build
from sgdj.config.settings import Settings
from sgdj.data.hdf5 import open_hdf5, safe_dataset
from sgdj.data.numpy_files import read_npy, read_npz
from sgdj.errors import InputError, SettingError, first_line
from sgdj.operators.acquisition import Acquisition, CartesianAcquisition, ConvolutionAcquisition
from sgdj.operators.masks import line_mask, point_mask
from sgdj.operators.wavelets import checked_wavelet
from sgdj.runtime.arrays import Array

#: Names of the arrays in files that hold several.
MASK, WAVELET = "mask", "wavelet"
SUFFIXES = (".npy", ".npz", ".h5", ".hdf5")
TEXT = (".txt", ".csv", ".dat")
_LONGEST_TEXT = 10**6  # bytes


def _read(path: Path, name: str, kinds: str, where: str, suffixes: Sequence[str] = SUFFIXES) -> Array:
    """Read an array, which in a file of several has a name; `kinds` are what NumPy calls the types that it may have."""
    suffix, mend = path.suffix.lower(), f"give a {', '.join(suffixes)} file"
    if not path.is_file():
        raise InputError("no such file", where, mend)
    if suffix not in suffixes:
        raise InputError(f"unknown format {path.suffix or '(none)'}", where, mend)
    if suffix == ".npy":
        return read_npy(path, where=where)
    if suffix == ".npz":
        try:
            return read_npz(path, name, (), where=where)
        except InputError as error:
            mend = f"name it so, numpy.savez(PATH, {name}=…)" if error.what.startswith("no array") else error.mend
            raise InputError(error.what, error.where, mend) from error
    if suffix in TEXT:
        return _numbers(path, where)
    with open_hdf5(path) as file:
        values: Array = safe_dataset(file, name, kinds, None)[()]
        return values


def _numbers(path: Path, where: str) -> Array:
    """Read the numbers of a text file, one to a line or all in one, between blanks or commas; # begins a comment."""
    if path.stat().st_size > _LONGEST_TEXT:
        raise InputError(f"the file has more than {_LONGEST_TEXT} bytes", where, "give one number for each sample")
    try:
        lines = [line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines()]
        rows = [row for line in lines if (row := [float(word) for word in line.replace(",", " ").split()])]
    except ValueError as error:
        raise InputError(f"not a list of numbers: {first_line(error)}", where, "give one number to a line") from error
    if len(rows) > 1 and (longest := max(map(len, rows))) > 1:
        what = f"{len(rows)} lines of up to {longest} numbers may hold more than amplitudes, such as times"
        raise InputError(what, where, "give one number to a line, or all in one line")
    return np.array([value for row in rows for value in row])


class GivenMask(TypedDict, total=False):
    """One of the settings of `CartesianAcquisition` that hold a mask of one's own."""

    mask_lines: tuple[int, ...]
    mask_points: tuple[tuple[int, ...], ...]


def read_mask_file(path: Path, axis: str) -> GivenMask:
    """Read a mask of lines, or one of points where the lines of a plane differ.

    Parameters
    ----------
    path
        NPY file; NPZ or HDF5 file with an array named `mask`. See `line_mask` and `point_mask` for the shapes.
    axis
        Image axis that a mask of lines undersamples, "columns" or "rows".

    Returns
    -------
    GivenMask
        Setting `mask_lines` or `mask_points` of `CartesianAcquisition`.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no mask.
    """
    values = _read(path, MASK, "b", f"operator.mask_file={path}")
    plane = np.squeeze(values)
    along = plane if axis == "columns" else plane.T
    try:
        if plane.ndim == 2 and (along != along[:1]).any():
            return {"mask_points": point_mask(values)}
        return {"mask_lines": line_mask(values, axis)}
    except SettingError as error:
        raise InputError(error.what, f"operator.mask_file={path}", error.mend) from error


def read_wavelet(path: Path) -> tuple[float, ...]:
    """Read a seismic wavelet.

    Parameters
    ----------
    path
        NPY file; NPZ or HDF5 file with an array named `wavelet`; or a text file of numbers. See `checked_wavelet`.

    Returns
    -------
    tuple
        Taps of the wavelet, its largest magnitude being 1.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no wavelet.
    """
    where = f"operator.wavelet_file={path}"
    values = _read(path, WAVELET, "f", where, (*SUFFIXES, *TEXT))
    try:
        return checked_wavelet(values)
    except SettingError as error:
        raise InputError(error.what, where, error.mend) from error


def built_acquisition(settings: Settings) -> Acquisition:
    """Build the acquisition of checked settings, with the mask or the wavelet that a file gives.

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
        return replace(made, mask_file=None, **read_mask_file(Path(made.mask_file), made.axis))
    if isinstance(made, ConvolutionAcquisition) and made.wavelet_file is not None:
        return replace(made, wavelet_file=None, wavelet=read_wavelet(Path(made.wavelet_file)))
    return made
