"""Read photographs and magnitude images from common files."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from sgdj.config.types import NonEmpty, Positive, Seed, Side, Volumes
from sgdj.data.access import access_told
from sgdj.data.apart import check_apart, content
from sgdj.data.batch import Image
from sgdj.data.gray import as_gray
from sgdj.data.numpy_files import read_npy
from sgdj.data.partition import partition_volumes
from sgdj.data.pictures import read_picture
from sgdj.data.smooth import smooth_phase
from sgdj.data.source import ImageSet, Source, Split
from sgdj.data.tiff import read_tiff
from sgdj.data.values import check_values
from sgdj.errors import InputError, first_line
from sgdj.runtime.arrays import Array
from sgdj.runtime.draws import Draws
from sgdj.runtime.hashing import file_digests

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".npy")


def _decode(path: Path, max_gib: float | None) -> Array:
    """Decode gray values by the format that the file's first bytes show, white being 1."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"\x93NUM":
        array = read_npy(path, max_gib)
        white = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1
        if array.dtype.kind == "c":
            raise InputError(f"the image has type {array.dtype}", str(path), "real numbers are expected")
        return array.astype(np.float64) / white
    if start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return as_gray(read_tiff(path, max_gib), str(path))
    return as_gray(read_picture(path, max_gib), str(path))


def read_stack(path: Path, max_gib: float | None = None) -> Array:
    """Read an image or a stack of images as gray values.

    Parameters
    ----------
    path
        PNG, TIFF, JPEG (gray or colour) or NPY without pickle; shape (H, W), (H, W, 3 or 4) or (S, H, W).
    max_gib
        Largest size that the file may declare, in GiB, counted in double precision; None for a quarter of the machine's
        memory.

    Returns
    -------
    np.ndarray
        Gray values, shape (S, H, W), float64; integer types are divided by their maximum.

    Raises
    ------
    InputError
        If the file cannot be read, declares too much, or holds no finite real images.
    """
    where = str(path)
    try:
        with access_told(path), warnings.catch_warnings(), np.errstate(invalid="ignore"):
            warnings.simplefilter("ignore")  # a damaged file is reported once, by the error
            array = _decode(path, max_gib)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # every image library fails in its own way
        reason = first_line(error, 80)
        raise InputError(
            f"the image cannot be read ({reason})", where, "open it elsewhere and save it again"
        ) from error
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 0 in array.shape:
        raise InputError(f"the image has shape {array.shape}", where, "one image or a stack (S, H, W) is expected")
    check_values(array, "the image", where)
    return array


class StackImages(ImageSet):
    """Images of several stacks, of whatever sizes.

    Parameters
    ----------
    stacks
        Arrays (S, H, W), real or complex, by volume.
    """

    def __init__(self, stacks: Mapping[str, Array]) -> None:
        self.items = [
            (f"{Path(volume).stem}/{i:03d}", volume, torch.from_numpy(np.ascontiguousarray(image)))
            for volume, stack in stacks.items()
            for i, image in enumerate(stack)
        ]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Image:
        sample, volume, x = self.items[index]
        return Image(x[None], sample, volume)

    def shape(self, index: int) -> tuple[int, int]:
        """Return (H, W) of an image."""
        x = self.items[index][2]
        return x.shape[0], x.shape[1]


def crop_center(stack: Array, crop: int | None, where: str) -> Array:
    """Cut out central squares of side `crop`.

    Parameters
    ----------
    stack
        Images, shape (S, H, W).
    crop
        Side of the square in pixels; None leaves the stack as it is.
    where
        Name of the file, for the message.

    Returns
    -------
    np.ndarray
        Images, shape (S, crop, crop).

    Raises
    ------
    InputError
        If the images are smaller than the square.
    """
    if crop is None:
        return stack
    if crop > min(stack.shape[1:]):
        raise InputError(
            f"the images have size {stack.shape[1:]}", where, f"set dataset.crop={min(stack.shape[1:])} or null"
        )
    top, left = ((n - crop) // 2 for n in stack.shape[1:])
    return stack[:, top : top + crop, left : left + crop]


def check_contrast(stack: Array, where: str) -> None:
    """Refuse images that are all constant: there is nothing to reconstruct, and metrics have no data range.

    Parameters
    ----------
    stack
        Images, shape (S, H, W).
    where
        Name of the file, for the message.

    Raises
    ------
    InputError
        If all images are constant, with their value.
    """
    if not stack.any():
        raise InputError("the image is zero everywhere", where, "leave it out, or save the image that you mean")
    if (stack.min((1, 2)) == stack.max((1, 2))).all():
        raise InputError("the image is constant", where, "leave it out, or save the image that you mean")


class ImageSource(Source):
    """A folder of images, or one stack; every file is a volume.

    Images are divided by their file's maximum.

    Parameters
    ----------
    path
        Image file, or folder whose image files are read.
    seed
        Seed `dataset.seed`, which determines the split and the phase.
    kind
        "real" for denoising; "magnitude" gives each image a smooth random phase, for MRI.
    crop
        Side of the central square, in pixels; None for the whole image.
    partition
        "volume" splits the files at random; "none" makes all of them the test split.
    volumes
        Number of files per split; None for all there are.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    """

    def __init__(
        self,
        path: NonEmpty,
        seed: Seed,
        kind: Literal["real", "magnitude"],
        crop: Side | None,
        partition: Literal["volume", "none"],
        volumes: Volumes,
        max_gib: Positive | None = None,
    ) -> None:
        self.path, self.seed, self.kind, self.crop = Path(path), seed, kind, crop
        self.partition, self.volumes, self.max_gib = partition, dict(volumes), max_gib
        self._notes: list[str] = []

    def _files(self) -> list[Path]:
        if self.path.is_file():
            return [self.path]
        if not self.path.is_dir():
            raise InputError("no such file or folder", f"dataset.path={self.path}", "give images")
        files = sorted(p for p in self.path.iterdir() if p.is_file() and not p.name.startswith("."))
        found = [p for p in files if p.suffix.lower() in SUFFIXES]
        strays = [p.name for p in files if p not in found]
        if strays:
            self._notes.append(f"{self.path}: passed over {', '.join(strays[:5])}{' …' if len(strays) > 5 else ''}")
        if not found:
            raise InputError("no image", f"dataset.path={self.path}", f"give {', '.join(SUFFIXES)} files")
        return found

    def _stack(self, path: Path) -> Array:
        stack = crop_center(read_stack(path, self.max_gib), self.crop, f"dataset.path: {path}")
        if self.kind == "magnitude" and stack.min() < 0:
            raise InputError("a magnitude cannot be negative", str(path), "set dataset.kind=real")
        check_contrast(stack, str(path))
        return stack / float(np.abs(stack).max())

    def _with_phase(self, stack: Array, name: str) -> Array:
        if self.kind == "real":
            return stack.astype(np.float32)
        draws = Draws(self.seed)
        shape = (stack.shape[1], stack.shape[2])
        phases = [smooth_phase(shape, draws.generator("data", name, i)) for i in range(len(stack))]
        return (stack * np.exp(1j * np.stack(phases))).astype(np.complex64)

    def prepare(self) -> None:
        """Split the files and read them.

        Raises
        ------
        InputError
            If a file or split cannot be used.
        """
        self._chosen = partition_volumes(
            {"all": self._files()},
            self.volumes,
            Draws(self.seed).generator("split"),
            self.partition == "none",
            f"dataset.path={self.path}",
        )
        self._sets = {}
        contents: dict[str, dict[str, frozenset[str]]] = {}
        for split, paths in self._chosen.items():
            stacks: dict[str, Array] = {}
            contents[split] = {}
            for path in paths:
                stack = self._stack(path)
                flat = int((stack.min((1, 2)) == stack.max((1, 2))).sum())
                if flat:
                    self._notes.append(f"{path.name}: {flat} of {len(stack)} images are constant")
                contents[split][path.name] = content(stack.astype(np.float32))
                stacks[path.name] = self._with_phase(stack, path.name)
            self._sets[split] = StackImages(stacks)
        check_apart(contents, f"dataset.path={self.path}")

    def manifest(self) -> dict[str, object]:
        """List files with size and content hash, and the settings that choose from them."""
        if not hasattr(self, "_chosen"):
            self.prepare()
        found = file_digests([p for paths in self._chosen.values() for p in paths], "hashing the images")
        files = {
            f"{split}/{p.name}": [p.stat().st_size, found[p]] for split, paths in self._chosen.items() for p in paths
        }
        return {"source": "images", "files": files, "kind": self.kind, "crop": self.crop}

    def images(self, split: Split) -> ImageSet:
        """Return the images of a split.

        Parameters
        ----------
        split
            Split to read: "train", "val" or "test".

        Returns
        -------
        ImageSet
            Images of shape (1, H, W), real, or complex if `kind` is "magnitude".

        Raises
        ------
        InputError
            If the split is empty.
        """
        if not len(self._sets[split]):
            raise InputError(f"the {split} split is empty", f"dataset.path={self.path}", "add files")
        return self._sets[split]

    def notes(self) -> list[str]:
        """List files passed over."""
        return list(self._notes)
