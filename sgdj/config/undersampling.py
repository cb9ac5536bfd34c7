"""Check which centre fractions an acceleration allows."""

import math

_ROUNDING = 1e-9  # relative; a centre fraction of 1/R, written with few digits or many, is no more than 1/R


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
