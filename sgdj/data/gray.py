"""Turn decoded pixels into gray values."""

from dataclasses import dataclass

import numpy as np

from sgdj.errors import InputError
from sgdj.runtime.arrays import Array

_RGB = np.array([0.2125, 0.7154, 0.0721])  # luminance, as scikit-image's rgb2gray


@dataclass(frozen=True)
class Pixels:
    """Decoded pixels of a file.

    Parameters
    ----------
    array
        Pixels, shape (…, H, W), or (…, H, W, 3 or 4) where `colour`.
    white
        Value that stands for white.
    colour
        Whether the last axis holds red, green and blue, and perhaps alpha.
    """

    array: Array
    white: float
    colour: bool


def as_gray(pixels: Pixels, where: str) -> Array:
    """Convert pixels to gray values.

    Parameters
    ----------
    pixels
        Decoded pixels, gray or in colour.
    where
        Name of the file, for the message.

    Returns
    -------
    np.ndarray
        Gray values, shape (…, H, W), float64, white being 1.

    Raises
    ------
    InputError
        If some pixels are transparent: what is seen there depends on a background that the file does not hold.
    """
    array = pixels.array
    if not pixels.colour:
        return array.astype(np.float64) / pixels.white
    if array.shape[-1] == 4 and (array[..., 3] != pixels.white).any():
        raise InputError("the image has transparent pixels", where, "flatten it onto a background")
    colours: Array = (array.astype(np.float64) / pixels.white)[..., :3] @ _RGB
    return colours
