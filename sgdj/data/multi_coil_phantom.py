"""Draw synthetic knee-like MR volumes as several coils see them."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sgdj.config.types import Count, NonEmpty, NonNegative, Positive, Samples, Seed
from sgdj.data.fastmri_layout import write_volume
from sgdj.data.fft import image_to_kspace
from sgdj.data.layouts import MULTI_COIL
from sgdj.data.multi_coil import MultiCoilSource
from sgdj.data.phantom import PhantomSource
from sgdj.operators.coil_maps import birdcage
from sgdj.runtime.arrays import Array


class MultiCoilPhantomSource(PhantomSource):
    """Phantoms of `PhantomSource`, seen by simulated coils: multi-coil files, read by the reader of real ones.

    Parameters
    ----------
    directory
        Folder under which generated data is kept.
    seed
        Seed `dataset.seed`: everything about the data is a function of it.
    size
        Image size n in pixels; see `PhantomSource`.
    slices
        Number of slices per volume.
    coils
        Number of coils, on a circle around the field of view; see `sgdj.operators.coil_maps.birdcage`.
    volumes
        Number of volumes per split; every volume is another anatomy.
    reference
        Kind of reference image, "complex" or "rss"; see `MultiCoilSource`.
    maps
        Where sensitivities come from, "low_resolution", "espirit" or "stored" (the simulated ones); see
        `MultiCoilSource`.
    calibration
        Side of the central square of k-space that sensitivities are estimated from, in samples.
    cache_gib
        Memory for slices that were read, in GiB.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    """

    generator = "multicoil_phantom"
    version = 1
    layout = MULTI_COIL

    def __init__(
        self,
        directory: NonEmpty,
        seed: Seed,
        size: Annotated[int, Field(ge=16)],
        slices: Count,
        coils: Count,
        volumes: Samples,
        reference: Literal["complex", "rss"],
        maps: Literal["low_resolution", "espirit", "stored"],
        calibration: Count,
        cache_gib: NonNegative,
        max_gib: Positive | None = None,
    ) -> None:
        super().__init__(directory, seed, size, slices, volumes, "complex", cache_gib, max_gib)
        self.coils, self.kind_of_reference, self.maps, self.calibration = coils, reference, maps, calibration

    def parameters(self) -> dict[str, object]:
        """Return size and number of slices, coils and volumes."""
        return super().parameters() | {"coils": self.coils}

    def manifest(self) -> dict[str, object]:
        """Return the parameters of the generator, which reference is read, and where sensitivities come from."""
        read: dict[str, object] = {"reference": self.kind_of_reference, "maps": self.maps}
        return super().manifest() | read | ({} if self.maps == "stored" else {"calibration": self.calibration})

    def write(self, path: Path, images: Array, patient_id: str) -> None:
        """Write one volume of complex images (S, H, W) as every coil sees it, with the sensitivities."""
        maps = birdcage(self.coils, (images.shape[1], images.shape[2])).numpy()
        write_volume(
            path,
            image_to_kspace(images[:, None] * maps),
            (self.size, self.size),
            acquisition="PHANTOM",
            patient_id=patient_id,
            maps=np.broadcast_to(maps, (len(images), *maps.shape)),
        )

    def open(self) -> MultiCoilSource:
        """Return the reader of the generated files."""
        return MultiCoilSource(
            root=str(self.folder),
            seed=self.seed,
            crop=None,
            slice_offsets=None,
            reference=self.kind_of_reference,
            maps=self.maps,
            calibration=self.calibration,
            partition="folder",
            volumes=self.volumes,
            cache_gib=self.cache_gib,
            max_gib=self.max_gib,
        )
