"""Line masks for Cartesian undersampling."""

import numpy as np

_GAUSSIAN_STD = 0.15  # of the line density, as a share of the number of lines


def gaussian_density(lines: int, acceleration: float, center_fraction: float, rng: np.random.Generator) -> np.ndarray:
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
    wanted = max(1, round(lines / acceleration))
    center = round(lines * center_fraction)
    if center > wanted:
        raise ValueError(
            f"{center} centre lines of {lines} exceed the {wanted} that acceleration {acceleration:g} allows"
        )
    mask = np.zeros(lines, dtype=bool)
    start = (lines - center + 1) // 2
    mask[start : start + center] = True
    offset = (np.arange(lines) - lines // 2) / (_GAUSSIAN_STD * lines)
    density = np.where(mask, 0.0, np.exp(-0.5 * offset**2))
    if wanted > center:
        mask[rng.choice(lines, wanted - center, replace=False, p=density / density.sum())] = True
    return mask


def fastmri_mask(
    kind: str, lines: int, acceleration: float, center_fraction: float, seed: tuple[int, ...]
) -> np.ndarray:
    """Masks of the fastmri package.

    Parameters
    ----------
    kind
        "random" (each line independently; the acceleration is reached on average only) or "equispaced"
        (its equispaced-fraction mask, which corrects the spacing for the centre).
    lines, acceleration, center_fraction
        As for `gaussian_density`.
    seed
        As in fastMRI evaluation: the characters of the volume's file name, so that its slices share a mask.

    Returns
    -------
    np.ndarray
        Boolean, shape (lines,).
    """
    from fastmri.data.subsample import create_mask_for_mask_type

    name = {"random": "random", "equispaced": "equispaced_fraction"}[kind]
    function = create_mask_for_mask_type(name, [center_fraction], [acceleration])
    mask, _ = function((1, lines, 2), seed=seed)
    return mask.numpy().reshape(lines).astype(bool)
