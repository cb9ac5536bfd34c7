"""Estimate coil sensitivities from the centre of k-space, and combine coils with them."""

from importlib.util import find_spec
from typing import Literal

import numpy as np

from sgdj.data.fft import kspace_to_image
from sgdj.errors import InputError
from sgdj.runtime.arrays import Array

Method = Literal["low_resolution", "espirit"]


def _window(count: int, size: int) -> Array:
    """Return a Hann window over the `count` central samples of `size`, zero elsewhere."""
    window = np.zeros(size)
    start = (size - count + 1) // 2
    window[start : start + count] = np.hanning(count + 2)[1:-1]
    return window


def low_resolution_maps(kspace: Array, calibration: tuple[int, int]) -> Array:
    r"""Estimate sensitivities by the coils' low-resolution images over their root sum of squares.

    The estimate has the phase of the low-resolution image in it, so that the combined image is nearly real.

    Parameters
    ----------
    kspace
        Centred k-space of one slice, complex, shape (C, H, W), fully sampled in the calibration region.
    calibration
        Rows and columns of the calibration region around the centre, weighted by a Hann window.

    Returns
    -------
    np.ndarray
        Sensitivities with :math:`\sum_c |s_c|^2 = 1`, shape (C, H, W), in the precision of k-space; zero where the
        low-resolution image is.
    """
    rows, columns = (_window(n, size) for n, size in zip(calibration, kspace.shape[-2:], strict=True))
    low = kspace_to_image(kspace.astype(np.complex128) * rows[:, None] * columns)
    total = np.sqrt((np.abs(low) ** 2).sum(0))
    maps = np.divide(low, total, out=np.zeros_like(low), where=total > 0)
    return maps.astype(np.result_type(kspace.dtype, np.complex64))


def espirit_maps(kspace: Array, calibration: tuple[int, int]) -> Array:
    """Estimate sensitivities by ESPIRiT (Uecker et al., 2014), as sigpy computes it.

    Parameters
    ----------
    kspace
        Centred k-space of one slice, complex, shape (C, H, W), fully sampled in the calibration region.
    calibration
        Rows and columns of the calibration region; sigpy takes a square of the smaller side.

    Returns
    -------
    np.ndarray
        Sensitivities, complex64, shape (C, H, W), zero outside the object.

    Raises
    ------
    InputError
        If sigpy is not installed.
    """
    check_method("espirit", "dataset.maps")
    from sigpy.mri.app import EspiritCalib

    found: Array = EspiritCalib(kspace.astype(np.complex64), calib_width=min(calibration), show_pbar=False).run()
    total = np.sqrt((np.abs(found) ** 2).sum(0))  # 1 up to rounding, or 0
    return np.divide(found, total, out=np.zeros_like(found), where=total > 0).astype(np.complex64)


def check_method(method: str, where: str) -> None:
    """Refuse a method whose library is not installed.

    Parameters
    ----------
    method
        Name of the method.
    where
        Option that names it, for the message.

    Raises
    ------
    InputError
        If it needs sigpy, which is not there.
    """
    if method == "espirit" and find_spec("sigpy") is None:
        raise InputError("ESPIRiT needs the package sigpy", where, "pip install sigpy, or use maps=low_resolution")


def estimate_maps(kspace: Array, method: Method, calibration: tuple[int, int]) -> Array:
    """Estimate sensitivities (C, H, W) from k-space (C, H, W) by a named method."""
    return {"low_resolution": low_resolution_maps, "espirit": espirit_maps}[method](kspace, calibration)


def combine(images: Array, maps: Array) -> Array:
    r"""Combine coil images (C, H, W) with normalised sensitivities: :math:`\sum_c \bar s_c x_c`, shape (H, W)."""
    combined: Array = (np.conj(maps) * images).sum(0)
    return combined


def central_lines(mask: Array) -> int:
    """Count the sampled lines around the centre of a mask (W,), as many on both sides as are there without a gap."""
    middle = len(mask) // 2
    left = int(np.argmin(np.append(mask[middle::-1], False)))  # sampled lines from the centre on, the centre included
    right = int(np.argmin(np.append(mask[middle:], False)))
    return max(2 * min(left, right) - 1, 0)


def calibration_region(mask: Array, rows: int) -> tuple[int, int]:
    """Return the rows and columns of the fully sampled centre of a mask of columns (W,), or of points (H, W).

    Parameters
    ----------
    mask
        Sampled columns or points, boolean.
    rows
        Number of rows of k-space.

    Returns
    -------
    tuple of int
        Rows and columns around zero frequency; of points, the largest square that is sampled without a gap.
    """
    if mask.ndim == 1:
        return rows, central_lines(mask)
    v, u = mask.shape[0] // 2, mask.shape[1] // 2
    side = 0
    while side <= min(v, u) and mask[v - side : v + side + 1, u - side : u + side + 1].all():
        side += 1
    return max(2 * side - 1, 0), max(2 * side - 1, 0)
