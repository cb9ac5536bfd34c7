"""Keep the same images out of two splits."""

import hashlib
from collections.abc import Mapping

import numpy as np

from sgdj.errors import InputError
from sgdj.runtime.arrays import Array


def content(stack: Array) -> frozenset[str]:
    """Hash the images of a volume by their decoded values.

    Parameters
    ----------
    stack
        Real images, shape (S, H, W).

    Returns
    -------
    frozenset of str
        One hash per image; constant images, which many volumes share, are left out.
    """
    return frozenset(
        hashlib.sha256(f"{image.shape}{image.dtype.str}".encode() + np.ascontiguousarray(image).data).hexdigest()
        for image in stack
        if image.min() != image.max()
    )


def check_apart(splits: Mapping[str, Mapping[str, frozenset[str]]], where: str) -> None:
    """Refuse data in which an image is in two splits; equal names of different content are allowed.

    Parameters
    ----------
    splits
        Content of every volume, by split and name of the volume.
    where
        Name of the data set, for the message.

    Raises
    ------
    InputError
        If an image is in two splits, with both files and splits.
    """
    seen: dict[str, tuple[str, str]] = {}
    for split, volumes in splits.items():
        for name, images in volumes.items():
            for image in images:
                other, twin = seen.setdefault(image, (split, name))
                if other != split:
                    same = "" if twin == name else f" (there as {twin})"
                    raise InputError(
                        f"the same image is in {split} and in {other}: {name} is in {split} and in {other}{same}",
                        where,
                        "keep it in one of them",
                    )
