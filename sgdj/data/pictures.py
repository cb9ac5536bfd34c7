"""Decode PNG, JPEG and the TIFF files that Pillow reads without loss."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sgdj.data.gray import Pixels
from sgdj.data.limits import check_size
from sgdj.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "MPO", "BMP", "WEBP")
_GRAY = {"1": 1, "L": 255, "I;16": 65535, "I;16B": 65535, "I;16L": 65535, "I": 2**31 - 1, "F": 1}
_COLOUR = ("RGB", "RGBA", "P", "LA", "PA")
_KINDS = {"CMYK": "CMYK colours", "LAB": "L*a*b* colours", "YCbCr": "YCbCr colours", "HSV": "HSV colours"}


@contextmanager
def _opened(path: Path, formats: tuple[str, ...]) -> Iterator["Image.Image"]:
    """Open a picture and read its header; Pillow's own limit gives way to `dataset.max_gib`."""
    from PIL import Image

    former, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with path.open("rb") as file, Image.open(file, formats=formats) as image:
            yield image
    finally:
        Image.MAX_IMAGE_PIXELS = former


def _frame(image: "Image.Image", where: str) -> Pixels:
    from PIL import ImageOps

    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in _GRAY and "transparency" not in image.info:
        return Pixels(np.asarray(image), _GRAY[image.mode], False)
    if image.mode not in (*_COLOUR, *_GRAY):
        raise InputError(
            f"the image has {_KINDS.get(image.mode, f'the mode {image.mode}')}, which have no one gray value",
            where,
            "save it as gray values or RGB",
        )
    clear = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA")
    return Pixels(np.asarray(image.convert("RGBA" if clear else "RGB")), 255, True)


def read_picture(path: Path, max_gib: float | None, formats: tuple[str, ...] = _FORMATS) -> Pixels:
    """Decode a picture the way it is shown: palette, transparency and orientation are followed.

    Parameters
    ----------
    path
        Picture file to read.
    max_gib
        Largest size that the file may declare, in GiB; None for a quarter of the machine's memory.
    formats
        Pillow's names of the formats that are tried.

    Returns
    -------
    Pixels
        Decoded pixels, shape (H, W), (H, W, 3) or (H, W, 4).

    Raises
    ------
    InputError
        If it declares too much, is animated, or has colours of another kind.
    """
    where = str(path)
    with _opened(path, formats) as image:
        count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO adds previews of the same picture
        width, height = image.size
        size = count * width * height * len(image.getbands()) * 8
        check_size(size, f"the image of {height} x {width} pixels", where, max_gib)
        if count > 1 and image.format != "TIFF":
            raise InputError(f"the image is an animation of {count} frames", where, "save the frames as a TIFF stack")
        frames = []
        for number in range(count):
            if number:
                image.seek(number)
                check_size(image.width * image.height * 8, f"page {number}", where, max_gib)
            frames.append(_frame(image, where))
    if len(frames) == 1:
        return frames[0]
    if len({(f.array.shape, f.white, f.colour) for f in frames}) > 1:
        raise InputError(f"the file holds {count} images of different sizes or kinds", where, "save each by itself")
    return Pixels(np.stack([f.array for f in frames]), frames[0].white, frames[0].colour)
