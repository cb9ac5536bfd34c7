"""Restore noisy images."""

from pathlib import Path

import numpy as np
import torch

from sgdj.data.images import read_stack
from sgdj.reconstruction.base import Format, Outcome


class ImageFormat(Format):
    """Restore noisy images or stacks, and write them as float32 TIFF or NPY.

    Floating-point images keep their scale; of integers, the type's maximum becomes 1.
    """

    suffixes = (".tif", ".tiff", ".npy", ".png", ".jpg", ".jpeg")

    def result_suffix(self, source: Path) -> str:
        """Return the file's own suffix for TIFF and NPY, else that of TIFF."""
        return source.suffix if source.suffix.lower() in (".tif", ".tiff", ".npy") else ".tiff"

    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Write the restored images, shape (S, H, W), or (H, W) if there is one image."""
        y = torch.from_numpy(read_stack(source, self.max_gib))[:, None]
        output = torch.cat([self.apply_scaled(image[None], source) for image in y])[:, 0].numpy()
        output = output[0] if len(output) == 1 else output
        kind = source.suffix.lower()
        if kind not in (".tif", ".tiff", ".npy"):
            self.tell_once(
                "PNG and JPEG cannot hold the results: they are TIFF files of 32-bit floats, with 1 for white"
            )
        elif _holds_integers(source):
            self.tell_once("results of integer images are 32-bit floats, with 1 for the largest value of the type")
        if kind == ".npy":
            with target.open("wb") as file:
                np.save(file, output)
        else:
            from tifffile import imwrite

            imwrite(target, output, photometric="minisblack")
        middle = len(y) // 2
        return Outcome(y[middle, 0].numpy(), output if output.ndim == 2 else output[middle])


def _holds_integers(source: Path) -> bool:
    """Check whether a TIFF or NPY file, which was read before, holds integers."""
    from tifffile import TiffFile

    if source.suffix.lower() == ".npy":
        return np.load(source, mmap_mode="r", allow_pickle=False).dtype.kind in "iu"
    with TiffFile(source) as file:
        kind = file.pages.first.dtype
    return kind is not None and kind.kind in "iu"
