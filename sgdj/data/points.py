"""Draw points on a spiral, the nonlinear toy problem in the plane."""

from pathlib import Path
from typing import Literal

import numpy as np

from sgdj.config.types import NonEmpty, Positive, Samples, Seed
from sgdj.data.arrays import ArrayImages
from sgdj.data.generate import write_array
from sgdj.data.generated import GeneratedSource
from sgdj.data.numpy_files import read_npy
from sgdj.data.source import SPLITS, ImageSet, Split
from sgdj.runtime.arrays import Array
from sgdj.runtime.draws import Draws


def spiral(t: Array) -> Array:
    """Compute the points of the curve at t in [0, 1]; shape (..., 2), within the unit circle."""
    angle, radius = 3 * np.pi * t, 0.25 + 0.75 * t
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


class PointSource(GeneratedSource):
    """Points on one and a half turns of a spiral, uniform in its parameter, as images of shape (1, 2, 1).

    Each point is a volume of its own.

    Parameters
    ----------
    directory
        Folder under which generated data is kept.
    seed
        Seed `dataset.seed`: everything about the data is a function of it.
    size
        Number of entries of a point, which is 2.
    samples
        Number of points per split.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    """

    generator = "points"

    def __init__(
        self, directory: NonEmpty, seed: Seed, size: Literal[2], samples: Samples, max_gib: Positive | None = None
    ) -> None:
        super().__init__(directory, seed)
        self.max_gib = max_gib
        if size != 2:
            raise ValueError(f"points lie in the plane, size is 2, got {size}")
        self.samples = dict(samples)

    def parameters(self) -> dict[str, object]:
        """Return the number of points."""
        return {"samples": self.samples}

    def build(self, folder: Path) -> None:
        """Write one array per split."""
        for split in SPLITS:
            t = Draws(self.seed).generator("data", split).uniform(size=self.samples[split])
            write_array(folder / f"{split}.npy", spiral(t).astype(np.float32))

    def images(self, split: Split) -> ImageSet:
        """Return the points of a split."""
        x = read_npy(self.folder / f"{split}.npy", self.max_gib)
        names = [f"{split}{i:05d}" for i in range(len(x))]
        return ArrayImages(x[:, :, None], names, names)
