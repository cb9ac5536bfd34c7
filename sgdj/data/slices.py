"""Define what a file of another program holds once it is read: slices of images or of k-space."""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from sgdj.data.limits import check_size
from sgdj.errors import InputError
from sgdj.runtime.arrays import Array


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Say how an array is to be read.

    Parameters
    ----------
    key
        Name of the array in a file with several; None for its only one.
    axes
        Meaning of the stored axes, letters of "schw" (slices, coils, rows, columns); None for the format's own order.
    kspace
        Whether the array is k-space, where the format does not say so.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    """

    key: str | None = None
    axes: str | None = None
    kspace: bool = False
    max_gib: float | None = None


@dataclass(frozen=True)
class Slices:
    """Hold the slices of one volume.

    Parameters
    ----------
    array
        Images or k-space, shape (S, H, W), or (S, C, H, W) with C coils; k-space is centred.
    kspace
        Whether it is k-space.
    how
        How the file's axes were taken, for people.
    sampled
        Columns (W,) or points (H, W) of k-space that were acquired, where the file tells; None where it does not.
    """

    array: Array
    kspace: bool
    how: str
    sampled: Array | None = None


def arranged(array: Array, reading: Reading, usual: dict[int, str], where: str) -> tuple[Array, str]:
    """Bring the axes of an array into the order (S, H, W) or (S, C, H, W).

    Parameters
    ----------
    array
        Array as it is stored.
    reading
        Its `axes`, if they are told.
    usual
        Order of the axes by their number, where they are not told.
    where
        Name of the file, for the message.

    Returns
    -------
    tuple
        Arranged array, and the order that its axes were taken in.

    Raises
    ------
    InputError
        If the axes cannot be told apart, or some axis is empty.
    """
    stored = reading.axes or usual.get(array.ndim, "")
    if len(stored) != array.ndim or 0 in array.shape:
        orders = " or ".join(usual.values())
        what = f"the array has shape {array.shape}"
        raise InputError(what, where, f"say what its axes are, --axes {orders} (slices, coils, rows, columns)")
    missing = [letter for letter in "sc" if letter not in stored]
    array = array.reshape((1,) * len(missing) + array.shape)
    axes = "".join(missing) + stored
    ordered = array.transpose([axes.index(letter) for letter in "schw"])
    return (ordered if "c" in stored else ordered[:, 0]), stored


def check_declared(shape: tuple[int, ...], itemsize: int, where: str, max_gib: float | None) -> None:
    """Refuse an array that would take too much memory; readers compute in double precision."""
    check_size(int(np.prod(shape, dtype=object)) * max(itemsize, 8), f"the array {shape}", where, max_gib)


def check_package(name: str, of: str, where: str) -> None:
    """Refuse files whose library is not installed.

    Parameters
    ----------
    name
        Name of the package.
    of
        Kind of files that it reads.
    where
        Name of the file, for the message.

    Raises
    ------
    InputError
        If the package is not there.
    """
    if find_spec(name) is None:
        raise InputError(f"{of} files need the package {name}", where, f"pip install {name}")
