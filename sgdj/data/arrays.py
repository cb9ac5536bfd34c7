"""Hold images in memory."""

import numpy as np
import torch

from sgdj.data.batch import Image
from sgdj.data.source import ImageSet
from sgdj.runtime.arrays import Array


class ArrayImages(ImageSet):
    """Real images from one array.

    Parameters
    ----------
    array
        Images, shape (N, H, W).
    samples
        Id of each image, length N.
    volumes
        Id of the volume of each image, length N.
    """

    def __init__(self, array: Array, samples: list[str], volumes: list[str]) -> None:
        self.tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        self.samples, self.volumes = samples, volumes

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Image:
        return Image(self.tensor[index][None], self.samples[index], self.volumes[index])

    def shape(self, index: int) -> tuple[int, int]:
        """Return (H, W), the same for all images."""
        return self.tensor.shape[1], self.tensor.shape[2]
