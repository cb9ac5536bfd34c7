"""Check which accelerations and centre fractions the masks of an undersampling allow."""

import math
from typing import Literal

_ROUNDING = 1e-9  # relative; a centre fraction of 1/R, written with few digits or many, is no more than 1/R

#: Masks of whole lines of k-space, and of single points of it (two directions of phase encoding).
LineMask = Literal["gaussian", "random", "equispaced", "partial_fourier", "upstream"]
PointMask = Literal["points", "variable_density", "elliptical"]
Mask = Literal[LineMask, PointMask]
POINT_MASKS: tuple[str, ...] = ("points", "variable_density", "elliptical")


def is_reachable(acceleration: float, center_fraction: float) -> bool:
    """Check whether the sampled centre alone is no more than one line in R."""
    return acceleration * center_fraction <= 1 + _ROUNDING


def largest_center_fraction(acceleration: float) -> float:
    """Return the largest centre fraction that an acceleration allows, 1/R, rounded down to three significant digits."""
    digits = 3 - math.ceil(math.log10(1 / acceleration) + _ROUNDING)
    return math.floor(10**digits / acceleration * (1 + _ROUNDING)) / 10**digits


def unreachable(acceleration: float, center_fraction: float) -> tuple[str, str]:
    """Say what is wrong with a centre that is too large, and how to mend it."""
    what = f"acceleration {acceleration:g} cannot be reached with a centre fraction of {center_fraction:g}"
    return what, f"lower it to {largest_center_fraction(acceleration):g} or less"


def unsuitable(mask: str, acceleration: float, center_fraction: float) -> tuple[str, str, str] | None:
    """Say why a mask cannot be drawn.

    Parameters
    ----------
    mask
        Kind of mask, a `Mask`.
    acceleration
        R, the number of lines or points of the full grid per sampled one.
    center_fraction
        Share of all lines or points that is fully sampled around the centre.

    Returns
    -------
    tuple of str or None
        Setting that is wrong, what is wrong with it, and how to mend it; None if nothing is.
    """
    if not is_reachable(acceleration, center_fraction):
        return "center_fraction", *unreachable(acceleration, center_fraction)
    largest = 2 / (1 + center_fraction)
    if mask == "partial_fourier" and acceleration > largest * (1 + _ROUNDING):
        what = f"half of k-space and a centre of {center_fraction:g} leave no acceleration of {acceleration:g}"
        return "acceleration", what, f"lower it to {math.floor(largest * 1000) / 1000:g} or less"
    if mask == "elliptical" and acceleration * math.pi < 4 * (1 - _ROUNDING):
        what = f"an ellipse leaves out the corners of k-space, which {acceleration:g} as acceleration includes"
        return "acceleration", what, "raise it to 1.274 or more"
    return None
