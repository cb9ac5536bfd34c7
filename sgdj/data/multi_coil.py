"""Read multi-coil volumes in the fastMRI layout, with their coil sensitivities."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from sgdj.config.types import Count, NonEmpty, NonNegative, Positive, Seed, Side, Volumes
from sgdj.data.coils import Method, check_method, combine, estimate_maps
from sgdj.data.fastmri import FastMRIImages, FastMRISource, Grid, Volume, compare
from sgdj.data.fft import center_crop, kspace_to_image
from sgdj.data.hdf5 import damage_told, open_hdf5, safe_dataset
from sgdj.data.layouts import MULTI_COIL
from sgdj.data.values import check_values
from sgdj.errors import InputError, SettingError
from sgdj.operators.acquisition import Acquired
from sgdj.runtime.arrays import Array

#: Name of sensitivities that a file holds, complex, in the shape of its k-space.
STORED = "sensitivity_maps"
_ROUNDING = 1e-3


def check_maps(maps: Array, where: str) -> None:
    r"""Refuse sensitivities that would amplify: values that are not finite, or :math:`\sum_c |s_c|^2 > 1`.

    Parameters
    ----------
    maps
        Sensitivities of one slice, shape (C, H, W).
    where
        File and slice, for the message.

    Raises
    ------
    InputError
        If they are such.
    """
    check_values(maps, "the coil sensitivities", where)
    largest = float((np.abs(maps).astype(np.float64) ** 2).sum(0).max())
    if largest > 1 + _ROUNDING:
        raise InputError(
            f"the coil sensitivities have a sum of squares of up to {largest:.3g}",
            where,
            "divide them by their root sum of squares, so that it is 1 inside the object",
        )


class MultiCoilImages(FastMRIImages):
    """Slices of multi-coil volumes, as coil-combined images (1, h, w), complex64, with the coils' sensitivities.

    Parameters
    ----------
    volumes
        Volumes that `scan_volume` accepted.
    slices
        Pairs (volume index, slice index), one per image.
    reference
        Kind of reference image, "complex" or "rss"; see `MultiCoilSource`.
    cache_gib
        Memory for slices that were read, in GiB.
    maps
        Where sensitivities come from; see `MultiCoilSource`.
    calibration
        Side of the calibration region; see `MultiCoilSource`.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    """

    def __init__(
        self,
        volumes: Sequence[Volume],
        slices: Sequence[tuple[int, int]],
        reference: str,
        cache_gib: float,
        maps: Method | Literal["stored"],
        calibration: int,
        max_gib: float | None = None,
    ) -> None:
        super().__init__(volumes, slices, reference, cache_gib, max_gib)
        self.maps, self.calibration = maps, calibration

    def alike(self, index: int) -> tuple[int, ...]:
        """Return (h, w) and the number of coils."""
        volume = self.volumes[self.slices[index][0]]
        return *volume.shape, volume.coils

    def _read(self, volume: Volume, s: int) -> tuple[torch.Tensor, Acquired | None]:
        where = f"{volume.path}, slice {s}"
        with open_hdf5(volume.path) as file, damage_told(where):
            target = safe_dataset(file, MULTI_COIL.reference, "f", 3, self.max_gib)[s]
            kspace = safe_dataset(file, "kspace", "c", MULTI_COIL.axes, self.max_gib)[s]
            stored = None
            if self.maps == "stored":
                node = safe_dataset(file, STORED, "c", MULTI_COIL.axes, self.max_gib)
                if node.shape[1:] != kspace.shape or len(node) != volume.slices:
                    raise InputError(
                        f"the coil sensitivities have shape {node.shape}, k-space {(volume.slices, *kspace.shape)}",
                        f"{volume.path}:{STORED}",
                        "store them in the shape of k-space",
                    )
                stored = node[s]
        compare(kspace, target, volume.path, s, MULTI_COIL)
        if stored is None:
            assert self.maps != "stored"  # it was read
            height, width = kspace.shape[-2:]
            region = min(self.calibration, height), min(self.calibration, width)
            stored = estimate_maps(kspace, self.maps, region)
        else:
            check_maps(stored, f"{volume.path}:{STORED}, slice {s}")
        maps = center_crop(stored, volume.shape)
        if self.reference == "rss":
            image = center_crop(target, volume.shape)
        else:
            image = combine(center_crop(kspace_to_image(kspace), volume.shape), maps)
        x = torch.from_numpy((image / volume.peak).astype(np.complex64))[None]
        return x, Acquired(maps=torch.from_numpy(np.ascontiguousarray(maps, dtype=np.complex64)), mask=volume.mask)


class MultiCoilSource(FastMRISource):
    """A folder of multi-coil ``.h5`` files in the fastMRI layout, of any size and number of coils.

    An image is the combination of the coils by their sensitivities, divided by the maximum of the volume's
    ``reconstruction_rss``; it is measured anew by every coil, with `operator=multicoil`.

    Parameters
    ----------
    root
        Folder with ``multicoil_train`` and ``multicoil_val``, or a flat folder.
    seed
        Seed `dataset.seed`, which determines the split.
    crop
        Side of the central square that is used, in image space, in pixels; None for the stored size.
    slice_offsets
        Slices around the middle one; None for all.
    reference
        "complex": the coils of the fully sampled k-space, combined by their sensitivities; "rss": the stored
        ``reconstruction_rss``.
    maps
        "low_resolution": the coils' low-resolution images over their root sum of squares; "espirit": by ESPIRiT, with
        the package sigpy; "stored": those that the file holds as ``sensitivity_maps`` (S, C, H, W).
    calibration
        Side of the central square of k-space that sensitivities are estimated from, in samples.
    partition
        "folder", "volume", "none" or "auto"; see `FastMRISource`.
    volumes
        Number of volumes per split; None for all there are.
    cache_gib
        Memory for slices that were read, in GiB.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    grid
        Grid of the images, "reference" or "kspace"; see `FastMRISource`.

    Raises
    ------
    SettingError
        If images on the grid of k-space are to be cropped, or compared with a stored reference.
    """

    layout = MULTI_COIL

    def __init__(
        self,
        root: NonEmpty,
        seed: Seed,
        crop: Side | None,
        slice_offsets: list[int] | None,
        reference: Literal["complex", "rss"],
        maps: Literal["low_resolution", "espirit", "stored"],
        calibration: Count,
        partition: Literal["auto", "folder", "volume", "none"],
        volumes: Volumes,
        cache_gib: NonNegative,
        max_gib: Positive | None = None,
        grid: Grid = "reference",
    ) -> None:
        super().__init__(root, seed, crop, slice_offsets, "complex", partition, volumes, cache_gib, max_gib, grid)
        if grid == "kspace" and reference != "complex":
            raise SettingError("reference", "the stored reference has a grid of its own", "set {key}.reference=complex")
        self.kind_of_reference, self.maps, self.calibration = reference, maps, calibration

    def prepare(self) -> None:
        """Split the volumes and look into every file.

        Raises
        ------
        InputError
            If a folder, file or split cannot be used, or a package is missing.
        """
        check_method(self.maps, "dataset.maps=espirit")
        super().prepare()

    def manifest(self) -> dict[str, object]:
        """List files with size and content hash, and the settings that choose from them."""
        own = {"source": "multicoil", "reference": self.kind_of_reference, "maps": self.maps}
        return super().manifest() | own | ({} if self.maps == "stored" else {"calibration": self.calibration})

    def _image_set(self, volumes: Sequence[Volume], slices: Sequence[tuple[int, int]]) -> FastMRIImages:
        reference, maps = self.kind_of_reference, self.maps
        return MultiCoilImages(volumes, slices, reference, self.cache_gib, maps, self.calibration, self.max_gib)
