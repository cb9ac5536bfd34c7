"""Check that single precision can work with the numbers of a file."""

import numpy as np

from sgdj.errors import InputError
from sgdj.runtime.arrays import Array

LARGEST = 1e15  # its square, and sums of many squares, are still finite in single precision
SMALLEST = 1e-15  # the least maximum that an image may have, since images are divided by it


def check_values(array: Array, what: str, where: str) -> None:
    """Refuse values that are not finite, or so large that their squares overflow.

    Parameters
    ----------
    array
        Numbers to check, real or complex, of any shape.
    what
        Name of the array, for the message.
    where
        File or option, for the message.

    Raises
    ------
    InputError
        If there are such values, with their number.
    """
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise InputError(
            f"{what} holds {bad} values that are NaN or infinite", where, "write finite values in their place"
        )
    with np.errstate(over="ignore"):
        high = int((np.abs(array) > LARGEST).sum())
    if high:
        raise InputError(
            f"{what} holds {high} values above {LARGEST:g}",
            where,
            "divide the data by a constant, or mend the values that are none",
        )
