"""Read files in the fastMRI layout in three ways: this package's, DeepInverse's and fastMRI's own."""

from abc import ABC, abstractmethod
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from scripts.benchmarks import deepinverse


def write(folder: Path, volumes: int, shape: tuple[int, int, int]) -> None:
    """Write volumes of noise, of shape (slices, height, width), with a square reference."""
    from sgdj.data.fastmri_layout import write_volume

    rng = np.random.default_rng(0)
    for i in range(volumes):
        kspace = rng.normal(size=shape) + 1j * rng.normal(size=shape)
        side = min(shape[1:])
        write_volume(folder / f"{i}.h5", kspace, (side, side), acquisition="A", patient_id=str(i))


class Reader(ABC):
    """Way to read a folder.

    Parameters
    ----------
    folder
        Holds the volumes.
    crop
        Size of the images.
    """

    def __init__(self, folder: Path, crop: tuple[int, int]) -> None:
        self.folder, self.crop = folder, crop

    @abstractmethod
    def open(self) -> Self:
        """Look into the folder, and check what this reader checks."""

    @abstractmethod
    def images(self) -> list[Tensor]:
        """Yield every slice as a complex image of shape (1, h, w)."""

    def read(self) -> None:
        """Read every slice."""
        self.images()


class OursReader(Reader):
    """`FastMRISource`, which reads and checks every slice when it opens, hashes the files and keeps what it read."""

    def open(self) -> Self:
        """Read, check and hash every file."""
        from sgdj.data.fastmri import FastMRISource

        everything = dict.fromkeys(("train", "val", "test"))
        source = FastMRISource(str(self.folder), 0, None, None, "complex", "none", everything, 8.0)
        source.prepare()
        self._set = source.images("test")
        self.peaks = [volume.peak for volume in source.scanned["test"]]
        return self

    def images(self) -> list[Tensor]:
        """Yield every slice from memory."""
        return [self._set[i].x for i in range(len(self._set))]


class DeepInverseReader(Reader):
    """`deepinv.datasets.FastMRISliceDataset`, and the adjoint of its `MRI` with a crop."""

    def open(self) -> Self:
        """Look at the shapes in every file."""
        library = deepinverse.load()
        with redirect_stderr(StringIO()):  # its progress bar
            self._set = library.datasets.FastMRISliceDataset(self.folder, use_dict_output=True)
        self._physics: Any = library.physics.MRI(img_size=self._set[0]["y"].shape)
        self._crop = library.physics.MRI(img_size=self.crop).crop
        return self

    def images(self) -> list[Tensor]:
        """Yield every slice from the files."""
        found = []
        for i in range(len(self._set)):
            image = self._crop(self._physics.A_adjoint(self._set[i]["y"][None]))[0]
            found.append(torch.complex(image[:1], image[1:]))
        return found


class FastMRIReader(Reader):
    """`fastmri.data.SliceDataset` with fastMRI's transforms, as its users write them."""

    def open(self) -> Self:
        """Look at the headers of every file."""
        import fastmri
        from fastmri.data import SliceDataset, transforms

        def transform(kspace: np.ndarray, *_: Any) -> Tensor:
            image = fastmri.ifft2c(transforms.to_tensor(kspace))
            return torch.view_as_complex(transforms.complex_center_crop(image, self.crop).contiguous())[None]

        self._set = SliceDataset(root=self.folder, challenge="singlecoil", transform=transform)
        return self

    def images(self) -> list[Tensor]:
        """Yield every slice from the files."""
        return [self._set[i] for i in range(len(self._set))]


def everybody(folder: Path, crop: tuple[int, int]) -> dict[str, Reader]:
    """Return the readers that are installed, by name."""
    found: dict[str, Reader] = {"ours": OursReader(folder, crop), "fastmri": FastMRIReader(folder, crop)}
    return found | ({"deepinverse": DeepInverseReader(folder, crop)} if deepinverse.is_installed() else {})
