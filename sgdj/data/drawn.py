"""Draw a part of the training images anew for every seed."""

from sgdj.data.batch import Image
from sgdj.data.source import ImageSet
from sgdj.errors import InputError
from sgdj.runtime.draws import Draws


class DrawnImages(ImageSet):
    """Some images of a set, in its order.

    Parameters
    ----------
    images
        Images that are drawn from.
    indices
        Places of those that are kept, rising.
    """

    def __init__(self, images: ImageSet, indices: list[int]) -> None:
        self.whole, self.indices = images, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Image:
        return self.whole[self.indices[index]]

    def shape(self, index: int) -> tuple[int, int]:
        """Return (H, W) of an image, without reading it."""
        return self.whole.shape(self.indices[index])

    def alike(self, index: int) -> tuple[int, ...]:
        """Return what images of one batch have in common."""
        return self.whole.alike(self.indices[index])


def drawn(images: ImageSet, count: int | None, seed: int) -> ImageSet:
    """Draw images without replacement; the same seed draws the same ones, whatever else differs.

    Parameters
    ----------
    images
        Images to draw from.
    count
        Number of images to draw; None for all of them.
    seed
        Seed of the training.

    Returns
    -------
    ImageSet
        Drawn images, in the order of the set.

    Raises
    ------
    InputError
        If there are fewer than `count`.
    """
    if count is None:
        return images
    if count > len(images):
        raise InputError(f"{count} exceeds the {len(images)} training images", "trainer.images", "lower it")
    chosen = Draws(seed).generator("split", "training images").permutation(len(images))[:count]
    return DrawnImages(images, sorted(chosen.tolist()))
