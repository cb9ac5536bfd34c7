"""Define what a data set is to the rest of the program."""

from abc import ABC, abstractmethod
from typing import Literal

from torch.utils.data import Dataset

from sgdj.data.batch import Image
from sgdj.runtime.hashing import digest

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class ImageSet(Dataset[Image], ABC):
    """The images of one split, in a fixed order."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Image: ...

    @abstractmethod
    def shape(self, index: int) -> tuple[int, int]:
        """Return (H, W) of an image, without reading it."""

    def alike(self, index: int) -> tuple[int, ...]:
        """Return what images of one batch have in common: their shape, and the number of their coils if they differ."""
        return self.shape(index)


class Source(ABC):
    """A data set with its three splits; no volume is in two of them."""

    synthetic: bool = False
    fastmri_layout: bool = False

    def prepare(self) -> None:
        """Generate what is missing, or check the files; called once, before training.

        Raises
        ------
        InputError
            If the data cannot be used.
        """

    @abstractmethod
    def manifest(self) -> dict[str, object]:
        """Return what identifies the data, in plain types, without absolute paths; it is hashed into a run's identity.

        Generated data is identified by generator, version and parameters; files by name, size and content hash.
        """

    def content_hash(self) -> str:
        """Return SHA-256 of the data's content; call `prepare` first.

        Files are named by their content in the manifest already; data that is made from parameters is hashed here.
        """
        return digest(self.manifest())

    @abstractmethod
    def images(self, split: Split) -> ImageSet:
        """Return the images of a split; call `prepare` first.

        Parameters
        ----------
        split
            Split to read: "train", "val" or "test".

        Returns
        -------
        ImageSet
            Images of the split, in a fixed order.

        Raises
        ------
        InputError
            If the split is empty.
        """

    def notes(self) -> list[str]:
        """List what the user should know about the data: files passed over, slices excluded."""
        return []
