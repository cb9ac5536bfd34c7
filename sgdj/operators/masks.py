"""Draw line masks for Cartesian undersampling."""

import numpy as np
import numpy.typing as npt

from sgdj.config.undersampling import is_reachable
from sgdj.errors import SettingError
from sgdj.runtime.arrays import Array

_GAUSSIAN_STD = 0.15  # standard deviation of the line density, as a share of the number of lines
_UPSTREAM_STD = 1 / 6  # the same of the authors' density, which is cut at three of them
_UPSTREAM_SEED = 10


def _counts(lines: int, acceleration: float, center_fraction: float) -> tuple[int, int]:
    """Return the number of lines to sample, and the number of centre lines among them.

    Raises
    ------
    ValueError
        If the centre alone holds more lines than the acceleration allows.
    """
    wanted = max(1, round(lines / acceleration))
    center = round(lines * center_fraction)
    if center > wanted and not is_reachable(acceleration, center_fraction):
        raise ValueError(
            f"{center} centre lines of {lines} exceed the {wanted} that acceleration {acceleration:g} allows"
        )
    return wanted, min(center, wanted)


def _central(lines: int, count: int) -> npt.NDArray[np.bool_]:
    """Return a mask of the `count` lines around the centre."""
    mask = np.zeros(lines, dtype=bool)
    start = (lines - count + 1) // 2
    mask[start : start + count] = True
    return mask


def gaussian_density(
    lines: int, acceleration: float, center_fraction: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Draw lines without replacement from a Gaussian density, around a fully sampled centre.

    Parameters
    ----------
    lines
        Number of lines n of the full grid.
    acceleration
        R, the number of lines of the full grid per sampled line.
    center_fraction
        Share of all lines that is fully sampled around the centre.
    rng
        Random generator that is drawn from once.

    Returns
    -------
    np.ndarray
        Boolean mask, shape (n,), with exactly round(n / R) sampled lines, so that the actual acceleration is the one
        asked for up to rounding.

    Raises
    ------
    ValueError
        If the centre alone holds more lines than the acceleration allows.
    """
    wanted, center = _counts(lines, acceleration, center_fraction)
    mask = _central(lines, center)
    offset = (np.arange(lines) - lines // 2) / (_GAUSSIAN_STD * lines)
    density = np.where(mask, 0.0, np.exp(-0.5 * offset**2))
    if wanted > center:
        mask[rng.choice(lines, wanted - center, replace=False, p=density / density.sum())] = True
    return mask


def upstream_density(
    lines: int, acceleration: float, center_fraction: float, seed: int = _UPSTREAM_SEED
) -> npt.NDArray[np.bool_]:
    """Draw lines as the authors' code does: with replacement, until just more than n / R lines are sampled.

    Parameters
    ----------
    lines
        Number of lines n of the full grid.
    acceleration
        R, the number of lines of the full grid per sampled line.
    center_fraction
        Share of all lines that is fully sampled around the centre.
    seed
        Seed of the draw, always 10 in the authors' code, which makes it one mask for a number of lines. Their lines
        themselves are not known here, only how they are drawn.

    Returns
    -------
    np.ndarray
        Boolean mask, shape (n,); at 320 lines and R = 4 with 81 sampled ones (R = 3.95).

    Raises
    ------
    ValueError
        If the centre alone holds more lines than the acceleration allows.
    """
    _, center = _counts(lines, acceleration, center_fraction)
    mask = _central(lines, center)
    rng = np.random.RandomState(seed)  # its stream is the same in every version of NumPy
    while mask.sum() <= lines / acceleration and not mask.all():
        offset = rng.normal(0, _UPSTREAM_STD * lines)
        line = round(offset) + lines // 2
        if abs(offset) <= 3 * _UPSTREAM_STD * lines and 0 <= line < lines:
            mask[line] = True
    return mask


def _zeros_and_ones(mask: Array, key: str) -> Array:
    values = np.asarray(mask)
    if values.dtype.kind not in "biuf":
        raise SettingError(key, f"the mask has type {values.dtype}", "store 0 and 1")
    bad = int((~np.isin(values, (0, 1))).sum())
    if bad:
        raise SettingError(key, f"the mask holds {bad} values that are neither 0 nor 1", "store 0 and 1")
    return values


def point_mask(mask: Array) -> tuple[tuple[int, ...], ...]:
    """Check a sampling mask of points.

    Parameters
    ----------
    mask
        Zeros and ones of centred k-space, of shape (H, W), with further axes of length 1.

    Returns
    -------
    tuple
        1 for each sampled point, else 0; a tuple of length W for each of the H rows.

    Raises
    ------
    SettingError
        If it is no such mask, or samples nothing.
    """
    values = _zeros_and_ones(mask, "mask_points")
    points = values.squeeze()
    if points.ndim != 2:
        raise SettingError("mask_points", f"the mask has shape {values.shape}", "give one value for each point")
    if not points.any():
        raise SettingError("mask_points", "the mask samples no point", "mark the points that are measured with 1")
    return tuple(tuple(int(one) for one in row) for row in points)


def line_mask(mask: Array, axis: str) -> tuple[int, ...]:
    """Check a sampling mask, and reduce it to one value for each line.

    Parameters
    ----------
    mask
        Zeros and ones, of shape (n,), with further axes of length 1 such as fastMRI's (1, 1, n, 1), or (H, W) where it
        is the same along the axis that is fully sampled.
    axis
        Image axis that is undersampled, "columns" or "rows".

    Returns
    -------
    tuple
        1 for each sampled line, else 0; length n.

    Raises
    ------
    SettingError
        If it is no such mask, or samples nothing.
    """
    values = _zeros_and_ones(mask, "mask_lines")
    lines = values.squeeze()
    if lines.ndim == 2:
        lines = lines if axis == "columns" else lines.T
        if (lines != lines[:1]).any():
            raise SettingError("mask_lines", f"the mask does not keep whole {axis}", "give one value for each line")
        lines = lines[0]
    if lines.ndim > 2:
        raise SettingError("mask_lines", f"the mask has shape {values.shape}", "give one value for each line")
    if not lines.any():
        what = f"the mask has shape {values.shape}, and samples no line"
        raise SettingError("mask_lines", what, f"mark the {axis} that are measured with 1")
    return tuple(int(one) for one in lines.reshape(-1))


def fastmri_mask(
    kind: str, lines: int, acceleration: float, center_fraction: float, seed: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Draw a mask of the fastmri package, or return the mask that its functions fail to draw.

    Where the centre holds all lines that R allows, the centre alone is the mask, and R = 1 samples every line; a mask
    that would sample nothing, as is likely for few lines at a large R, has the line of zero frequency.

    Parameters
    ----------
    kind
        "random" (each line independently; the acceleration is reached on average only) or "equispaced" (fastMRI's
        equispaced-fraction mask, which corrects the spacing for the centre; the acceleration is reached on average over
        offsets).
    lines
        Number of lines n of the full grid.
    acceleration
        R, the number of lines of the full grid per sampled line.
    center_fraction
        Share of all lines that is fully sampled around the centre.
    seed
        Seed as in fastMRI's evaluation: the characters of the volume's file name, so that its slices share a mask.

    Returns
    -------
    np.ndarray
        Boolean mask, shape (n,).

    Raises
    ------
    ValueError
        If the centre alone holds more lines than the acceleration allows.
    """
    _, center = _counts(lines, acceleration, center_fraction)
    if center * acceleration >= lines * (1 - 1e-12):  # fastMRI would divide by zero, the number of lines left
        return _central(lines, center)
    if acceleration == 1:
        return np.ones(lines, dtype=bool)
    from fastmri.data.subsample import create_mask_for_mask_type

    name = {"random": "random", "equispaced": "equispaced_fraction"}[kind]
    function = create_mask_for_mask_type(name, [center_fraction], [acceleration])
    mask, _ = function((1, lines, 2), seed=seed)
    sampled: npt.NDArray[np.bool_] = mask.numpy().reshape(lines).astype(bool)
    return sampled if sampled.any() else _central(lines, 1)


def partial_fourier(lines: int, acceleration: float, center_fraction: float) -> npt.NDArray[np.bool_]:
    """Return the last round(n / R) lines: one half of k-space, and the centre of the other.

    Parameters
    ----------
    lines
        Number of lines n of the full grid.
    acceleration
        R, the number of lines of the full grid per sampled line, below 2.
    center_fraction
        Share of all lines that is fully sampled around the centre.

    Returns
    -------
    np.ndarray
        Boolean mask, shape (n,).
    """
    wanted, center = _counts(lines, acceleration, center_fraction)
    mask = _central(lines, center)
    mask[lines - max(wanted, lines - lines // 2) :] = True  # zero frequency is among them
    return mask


def sampled_points(
    kind: str, shape: tuple[int, int], acceleration: float, center_fraction: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Draw points of k-space without replacement, around a fully sampled elliptical centre.

    Parameters
    ----------
    kind
        "points" (uniform density), "variable_density" (a Gaussian density in both directions), or "elliptical" (the
        same within the ellipse that touches the edges of k-space, its corners left out).
    shape
        Size (H, W) of the full grid.
    acceleration
        R, the number of points of the full grid per sampled point.
    center_fraction
        Share of all points that is fully sampled around the centre.
    rng
        Random generator that is drawn from once.

    Returns
    -------
    np.ndarray
        Boolean mask, shape (H, W), with exactly round(HW / R) sampled points, or all points of the ellipse if it has
        fewer.

    Raises
    ------
    ValueError
        If the centre alone holds more points than the acceleration allows.
    """
    total = shape[0] * shape[1]
    wanted, center = _counts(total, acceleration, center_fraction)
    offsets = np.meshgrid(*((np.arange(n) - n // 2) / n for n in shape), indexing="ij")
    squared = (offsets[0] ** 2 + offsets[1] ** 2).ravel()  # of the distance, 1/4 where the ellipse touches the edges
    mask = np.zeros(total, dtype=bool)
    mask[np.argsort(squared, kind="stable")[: max(center, 1)]] = True
    density = np.ones(total) if kind == "points" else np.exp(-0.5 * squared / _GAUSSIAN_STD**2)
    if kind == "elliptical":
        density[squared > 0.25] = 0.0
    density[mask] = 0.0
    left = min(wanted - int(mask.sum()), int(np.count_nonzero(density)))
    if left > 0:
        mask[rng.choice(total, left, replace=False, p=density / density.sum())] = True
    return mask.reshape(shape)
