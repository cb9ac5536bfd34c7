"""Read single-coil volumes in the fastMRI layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from sgdj.config.types import NonEmpty, NonNegative, Positive, Seed, Side, Volumes
from sgdj.data.apart import check_apart, content
from sgdj.data.batch import Image
from sgdj.data.convention import check_convention
from sgdj.data.fft import center_crop, kspace_to_image
from sgdj.data.hdf5 import damage_told, open_hdf5, read_mask, safe_dataset
from sgdj.data.layouts import SINGLE_COIL, Layout
from sgdj.data.partition import partition_volumes
from sgdj.data.source import ImageSet, Source, Split
from sgdj.data.values import SMALLEST, check_values
from sgdj.errors import InputError, SettingError
from sgdj.operators.acquisition import Acquired
from sgdj.runtime.arrays import Array
from sgdj.runtime.draws import Draws
from sgdj.runtime.hashing import file_digests

#: Grid of images: that of the stored reference, or that of k-space.
Grid = Literal["reference", "kspace"]
_CHECK_AHEAD = 8 * 2**30  # bytes of slices that are read before anything runs; the rest is checked when it is used


@dataclass(frozen=True)
class Volume:
    """Findings about a volume file."""

    path: Path
    slices: int
    shape: tuple[int, int]
    peak: float
    """Maximum of the reference over the whole volume, its unit."""
    images: frozenset[str]
    """Hashes of the reference's slices, without those that are constant."""
    coils: int = 1
    mask: torch.Tensor | None = None
    """Sampled columns (W,) or points (H, W), boolean, of a file with a mask, where images have the grid of k-space."""


def scan_volume(
    path: Path,
    crop: int | None,
    max_gib: float | None = None,
    layout: Layout = SINGLE_COIL,
    grid: Grid = "reference",
) -> Volume:
    """Look into a volume: its shapes and types, the reference, and whether k-space gives that reference.

    Parameters
    ----------
    path
        Volume file in the fastMRI layout.
    crop
        Side of the central square that will be used, in pixels; None for the stored size.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    layout
        Names of its parts, of single-coil or multi-coil files.
    grid
        Grid of the images that will be used; see `FastMRISource`.

    Returns
    -------
    Volume
        Shapes, the reference's maximum, and the hashes of its images.

    Raises
    ------
    InputError
        If the file cannot be used for training.
    """
    with open_hdf5(path) as file:
        kspace = safe_dataset(file, "kspace", "c", layout.axes, max_gib)
        if kspace.shape[0] == 0 or min(kspace.shape) == 0:
            raise InputError(f"the volume has no slices (shape {kspace.shape})", str(path), "store one at least")
        if layout.reference not in file:
            raise InputError(
                f"the file has no reference image ({layout.reference}), as in the fastMRI test split",
                str(path),
                "use volumes of the train or val split",
            )
        target = safe_dataset(file, layout.reference, "f", 3, max_gib)
        height, width = kspace.shape[-2:]
        if target.shape[0] != kspace.shape[0] or target.shape[1] > height or target.shape[2] > width:
            raise InputError(
                f"{layout.reference} has shape {target.shape} and kspace {kspace.shape}",
                str(path),
                "the reference must be a centre crop of the k-space's image",
            )
        shape = (target.shape[1], target.shape[2])
        if crop is not None and crop > min(shape):
            raise InputError(
                f"the crop {crop} exceeds the stored image {shape}", str(path), f"set dataset.crop={min(shape)} or null"
            )
        reference = target[()]
        check_values(reference, "the reference", f"{path}:{layout.reference}")
        peak = float(reference.max())
        if peak < SMALLEST:
            raise InputError(
                "the reference is zero everywhere", f"{path}:{layout.reference}", "store the image that k-space gives"
            )
        if peak == float(reference.min()):
            raise InputError(
                "the reference is constant", f"{path}:{layout.reference}", "store the image that k-space gives"
            )
        middle = len(reference) // 2
        if not np.any(reference[middle]):
            middle = int(reference.max((1, 2)).argmax())
        compare(kspace[middle], reference[middle], path, middle, layout)
        images = content(reference.astype(np.float32, copy=False))
        coils = 1 if layout is SINGLE_COIL else kspace.shape[1]
        size = (height, width) if grid == "kspace" else shape if crop is None else (crop, crop)
        mask = None
        if grid == "kspace" and "mask" in file:
            mask = torch.from_numpy(read_mask(file, (height, width)))
        return Volume(path, kspace.shape[0], size, peak, images, coils, mask)


def compare(kspace: Array, reference: Array, path: Path, s: int, layout: Layout) -> None:
    """Refuse a slice whose k-space is not finite, or does not give the reference that is stored beside it."""
    where = f"{path}:kspace"
    check_values(kspace, f"slice {s}", where)
    check_convention(kspace, reference, f"{where}, slice {s}", layout.reference)


class FastMRIImages(ImageSet):
    """Slices of single-coil volumes, as images of shape (1, h, w), complex64.

    Parameters
    ----------
    volumes
        Volumes that `scan_volume` accepted.
    slices
        Pairs (volume index, slice index), one per image.
    reference
        Kind of reference image, "complex" or "magnitude"; see `FastMRISource`.
    cache_gib
        Memory for slices that were read, in GiB.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    """

    def __init__(
        self,
        volumes: Sequence[Volume],
        slices: Sequence[tuple[int, int]],
        reference: str,
        cache_gib: float,
        max_gib: float | None = None,
    ) -> None:
        self.volumes, self.slices, self.reference = list(volumes), list(slices), reference
        self.max_gib = max_gib
        self._room = cache_gib * 2**30
        self._cache: dict[int, tuple[torch.Tensor, Acquired | None]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Leave out the cache: a worker that is spawned reads what it needs, one that is forked shares it."""
        return self.__dict__ | {"_cache": {}}

    def __len__(self) -> int:
        return len(self.slices)

    def shape(self, index: int) -> tuple[int, int]:
        """Return (h, w) after the crop."""
        return self.volumes[self.slices[index][0]].shape

    def __getitem__(self, index: int) -> Image:
        v, s = self.slices[index]
        volume = self.volumes[v]
        found = self._cache.get(index)
        if found is None:
            found = self._read(volume, s)
            size = found[0].nbytes + (0 if found[1] is None else found[1].nbytes)
            if size <= self._room:
                self._room -= size
                self._cache[index] = found
        x, acquired = found
        return Image(x, f"{volume.path.stem}/{s:03d}", volume.path.name, acquired)

    def _read(self, volume: Volume, s: int) -> tuple[torch.Tensor, Acquired | None]:
        where = f"{volume.path}, slice {s}"
        with open_hdf5(volume.path) as file, damage_told(where):
            reference = safe_dataset(file, "reconstruction_esc", "f", 3, self.max_gib)[s]
            kspace = safe_dataset(file, "kspace", "c", 3, self.max_gib)[s] if self.reference == "complex" else None
        if kspace is None:
            check_values(reference, f"slice {s}", f"{volume.path}:reconstruction_esc")
            image = center_crop(reference, volume.shape)
        else:
            compare(kspace, reference, volume.path, s, SINGLE_COIL)
            image = center_crop(kspace_to_image(kspace), volume.shape)
        x = torch.from_numpy((image / volume.peak).astype(np.complex64))[None]
        return x, None if volume.mask is None else Acquired(mask=volume.mask)


class FastMRISource(Source):
    """A folder of single-coil ``.h5`` files in the fastMRI layout, of any size.

    Images are divided by their volume's reference maximum, so that a volume's maximum magnitude is 1.

    Parameters
    ----------
    root
        Folder with ``singlecoil_train`` and ``singlecoil_val``, or a flat folder. The real test split has no
        references: held-out volumes of ``singlecoil_val`` stand in for it.
    seed
        Seed `dataset.seed`, which determines the split.
    crop
        Side of the central square that is used, in image space, in pixels; None for the stored size.
    slice_offsets
        Slices around the middle one (the authors: -4, -2, 0, 2, 4); None for all. Those that lie outside a short volume
        are left out.
    reference
        "complex": crop of the inverse FFT of k-space; "magnitude": the stored ``reconstruction_esc``, as in the paper.
    partition
        "folder" by the sub-folders; "volume" splits a flat folder at random; "none" makes all volumes the test split;
        "auto": "folder" where the sub-folders exist, else "volume".
    volumes
        Number of volumes per split; None for all there are.
    cache_gib
        Memory for slices that were read, in GiB.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    grid
        "reference": images have the stored reference's size; "kspace": they have all columns and rows of k-space, so
        that the ``mask`` of each file can be used (`operator.masks=stored`).

    Raises
    ------
    SettingError
        If images on the grid of k-space are to be cropped, or compared with a stored reference.
    """

    fastmri_layout = True
    layout = SINGLE_COIL

    def __init__(
        self,
        root: NonEmpty,
        seed: Seed,
        crop: Side | None,
        slice_offsets: list[int] | None,
        reference: Literal["complex", "magnitude"],
        partition: Literal["auto", "folder", "volume", "none"],
        volumes: Volumes,
        cache_gib: NonNegative,
        max_gib: Positive | None = None,
        grid: Grid = "reference",
    ) -> None:
        if grid == "kspace" and crop is not None:
            raise SettingError("crop", "images on the grid of k-space are not cropped", "set {key}.crop=null")
        if grid == "kspace" and reference != "complex":
            raise SettingError("reference", "the stored reference has a grid of its own", "set {key}.reference=complex")
        self.grid = grid
        self.root, self.seed, self.crop = Path(root), seed, crop
        self.slice_offsets = None if slice_offsets is None else list(slice_offsets)
        self.reference, self.partition, self.cache_gib, self.max_gib = reference, partition, cache_gib, max_gib
        self.volumes = dict(volumes)
        self._notes: list[str] = []

    def _list(self, folder: Path) -> list[Path]:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        strays = [path.name for path in files if path.suffix.lower() != ".h5" and path.name != "manifest.json"]
        if strays:
            self._notes.append(f"{folder}: passed over {', '.join(strays[:5])}{' …' if len(strays) > 5 else ''}")
        found = [path for path in files if path.suffix.lower() == ".h5"]
        if not found:
            kind = "single-coil" if self.layout is SINGLE_COIL else "multi-coil"
            raise InputError("no .h5 file", f"dataset.root={folder}", f"give a folder of fastMRI {kind} files")
        return found

    def prepare(self) -> None:
        """Split the volumes and look into every file.

        Raises
        ------
        InputError
            If a folder, file or split cannot be used.
        """
        if not self.root.is_dir():
            raise InputError("no such folder", f"dataset.root={self.root}", "give a folder of fastMRI files")
        folders = [self.root / name for name in self.layout.folders]
        by_folder = self.partition == "folder" or (self.partition == "auto" and all(f.is_dir() for f in folders))
        if by_folder:
            for folder in folders:
                if not folder.is_dir():
                    raise InputError("no such folder", f"dataset.root: {folder}", "or use dataset.partition=volume")
            groups = {"train": self._list(folders[0]), "held_out": self._list(folders[1])}
        else:
            groups = {"all": self._list(self.root)}
        rng = Draws(self.seed).generator("split")
        chosen = partition_volumes(groups, self.volumes, rng, self.partition == "none", str(self.root))
        self.scanned = {
            split: [scan_volume(path, self.crop, self.max_gib, self.layout, self.grid) for path in paths]
            for split, paths in chosen.items()
        }
        self._check_masks()
        check_apart(
            {split: {v.path.name: v.images for v in volumes} for split, volumes in self.scanned.items()}, str(self.root)
        )
        self._slices = {split: self._select(volumes) for split, volumes in self.scanned.items()}
        self._images = {split: self._image_set(self.scanned[split], slices) for split, slices in self._slices.items()}
        self._check_slices()
        paths = [volume.path for volumes in self.scanned.values() for volume in volumes]
        self._digests = file_digests(paths, "hashing the volumes")  # last: it takes longest, and finds no fault

    def _image_set(self, volumes: Sequence[Volume], slices: Sequence[tuple[int, int]]) -> FastMRIImages:
        return FastMRIImages(volumes, slices, self.reference, self.cache_gib, self.max_gib)

    def _check_masks(self) -> None:
        """Refuse volumes with masks beside volumes without."""
        paths = {v.mask is None: v.path for volumes in self.scanned.values() for v in volumes}
        if len(paths) > 1:
            raise InputError(
                f"{paths[False].name} holds a mask, and {paths[True].name} none",
                f"dataset.root={self.root}",
                "store a mask in every file, or in none",
            )

    def _check_slices(self) -> None:
        """Read the slices, so that a damaged one is reported before a training and not in the middle of it.

        They stay in the cache, as far as its size allows.
        """
        room = _CHECK_AHEAD
        for split, images in self._images.items():
            for index in range(len(images)):
                if room <= 0:
                    left = len(images) - index
                    self._notes.append(f"{left} slices of the {split} split will be checked when they are first read")
                    break
                room -= images[index].x.numel() * 8

    def _select(self, volumes: Sequence[Volume]) -> list[tuple[int, int]]:
        selected = []
        for v, volume in enumerate(volumes):
            middle = volume.slices // 2
            wanted = (
                range(volume.slices) if self.slice_offsets is None else sorted(middle + o for o in self.slice_offsets)
            )
            with open_hdf5(volume.path) as file:
                inside = [s for s in wanted if 0 <= s < volume.slices]
                target = safe_dataset(file, self.layout.reference, "f", 3, self.max_gib)
                empty = [s for s in inside if not np.any(target[s])]
            if empty:
                self._notes.append(f"{volume.path.name}: excluded {len(empty)} all-zero slices {empty}")
            selected += [(v, s) for s in inside if s not in empty]
        return selected

    def manifest(self) -> dict[str, object]:
        """List files with size and content hash, and the settings that choose from them."""
        if not hasattr(self, "scanned"):
            self.prepare()
        files = {}
        for split, volumes in self.scanned.items():
            for volume in volumes:
                files[f"{split}/{volume.path.name}"] = [volume.path.stat().st_size, self._digests[volume.path]]
        return {
            "source": "fastmri",
            "files": files,
            "crop": self.crop,
            "slice_offsets": self.slice_offsets,
            "reference": self.reference,
            **({"grid": self.grid} if self.grid != "reference" else {}),
        }

    def images(self, split: Split) -> ImageSet:
        """Return the slices of a split.

        Parameters
        ----------
        split
            Split to read: "train", "val" or "test".

        Returns
        -------
        ImageSet
            Slices as images of shape (1, h, w), complex64.

        Raises
        ------
        InputError
            If the split holds no slice.
        """
        if not self._slices[split]:
            raise InputError(
                f"the {split} split is empty", f"dataset.root={self.root}", "add volumes, or change dataset.partition"
            )
        return self._images[split]

    def notes(self) -> list[str]:
        """List files passed over and slices excluded."""
        return list(self._notes)
