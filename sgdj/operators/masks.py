"""Line masks for Cartesian undersampling."""

import numpy as np
import numpy.typing as npt

from sgdj.config.undersampling import is_reachable

_GAUSSIAN_STD = 0.15  # of the line density, as a share of the number of lines


def _counts(lines: int, acceleration: float, center_fraction: float) -> tuple[int, int]:
    """Lines to sample, and lines of the centre among them.

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
    """The `count` lines around the centre."""
    mask = np.zeros(lines, dtype=bool)
    start = (lines - count + 1) // 2
    mask[start : start + count] = True
    return mask


def gaussian_density(
    lines: int, acceleration: float, center_fraction: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Lines drawn without replacement with Gaussian density, and a fully sampled centre.

    Returns
    -------
    np.ndarray
        Boolean, shape (lines,), with exactly round(lines / acceleration) sampled lines, so that the actual
        acceleration is the one asked for but for rounding.

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


def fastmri_mask(
    kind: str, lines: int, acceleration: float, center_fraction: float, seed: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Masks of the fastmri package, and those that its functions fail to draw.

    Where the centre holds all lines that R allows, the centre alone is the mask, and R = 1 samples every line; a mask
    that would sample nothing, as is likely for few lines at a large R, has the line of zero frequency.

    Parameters
    ----------
    kind
        "random" (each line independently; the acceleration is reached on average only) or "equispaced" (its
        equispaced-fraction mask, which corrects the spacing for the centre; the acceleration is reached on average
        over offsets).
    lines, acceleration, center_fraction
        As for `gaussian_density`.
    seed
        As in fastMRI evaluation: the characters of the volume's file name, so that its slices share a mask.

    Returns
    -------
    np.ndarray
        Boolean, shape (lines,).

    Raises
    ------
    ValueError
        If the centre alone holds more lines than the acceleration allows.
    """
    _, center = _counts(lines, acceleration, center_fraction)
    if center * acceleration >= lines * (1 - 1e-12):  # fastMRI would divide by what is left to draw, which is nothing
        return _central(lines, center)
    if acceleration == 1:
        return np.ones(lines, dtype=bool)
    from fastmri.data.subsample import create_mask_for_mask_type

    name = {"random": "random", "equispaced": "equispaced_fraction"}[kind]
    function = create_mask_for_mask_type(name, [center_fraction], [acceleration])
    mask, _ = function((1, lines, 2), seed=seed)
    sampled: npt.NDArray[np.bool_] = mask.numpy().reshape(lines).astype(bool)
    return sampled if sampled.any() else _central(lines, 1)
