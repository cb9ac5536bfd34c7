"""Refuse images that are too small for the metrics."""

from sgdj.data.source import ImageSet
from sgdj.errors import InputError
from sgdj.metrics.image import SSIM_WINDOW


def check_sizes(images: ImageSet) -> None:
    """Refuse images smaller than the window of SSIM; signals of one column have no SSIM, and pass.

    Parameters
    ----------
    images
        Images of one split.

    Raises
    ------
    InputError
        If a side of an image is shorter than the window.
    """
    for i in range(len(images)):
        height, width = images.shape(i)
        if width > 1 and min(height, width) < SSIM_WINDOW:
            raise InputError(
                f"image {images[i].sample} of {height} x {width} pixels is smaller than the SSIM window",
                "dataset",
                f"give images of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels",
            )
