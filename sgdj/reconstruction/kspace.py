"""Reconstruct single-coil k-space files."""

from pathlib import Path

import h5py
import numpy as np
import torch

from sgdj.data.convention import check_convention
from sgdj.data.fft import center_crop, image_to_kspace, kspace_to_image
from sgdj.data.hdf5 import open_hdf5, read_mask, read_text, safe_dataset
from sgdj.data.values import SMALLEST, check_values
from sgdj.errors import InputError
from sgdj.metrics.image import FASTMRI_WINDOW, fastmri_metrics
from sgdj.operators import CartesianAcquisition, CartesianFourier
from sgdj.reconstruction.base import Format, Outcome
from sgdj.runtime.arrays import Array


class KSpaceFormat(Format):
    """Reconstruct single-coil k-space in the fastMRI layout, with its own mask or a simulated one.

    The readout axis (rows) is fully sampled, so that its oversampling is removed before the network, which changes
    nothing else; columns keep their number, because lines are undersampled along them. The network sees the volume
    divided by the maximum of its zero-filled magnitude; the output has the file's scale again and the stored
    reconstruction's size.
    """

    suffixes = (".h5",)
    scores = True

    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Write ``reconstruction`` (S, h, w), float32, as fastMRI's ``evaluate`` expects it."""
        with open_hdf5(source) as file:
            kspace = safe_dataset(file, "kspace", "c", 3, self.max_gib)[()]
            mask = read_mask(file, kspace.shape[2]) if "mask" in file else None
            stored = "reconstruction_esc" in file
            reference = safe_dataset(file, "reconstruction_esc", "f", 3, self.max_gib)[()] if stored else None
            size = _output_size(file, kspace.shape[1:])
        where = str(source)
        if kspace.size == 0:
            raise InputError("the volume has no slices", where, "remove the file")
        check_values(kspace, "k-space", where)
        if reference is not None:
            check_values(reference, "the reference", where)
            reference = self._fitting(reference, kspace.shape, source.name)
        if reference is not None:
            size = (reference.shape[1], reference.shape[2])
        columns = kspace.shape[2]
        if mask is None and reference is not None and _fits(reference.shape, kspace.shape):
            check_convention(kspace[len(kspace) // 2], reference[len(kspace) // 2], f"{where}:kspace")
        lines = self._simulated(columns, source.name) if mask is None else torch.from_numpy(mask)
        operator = CartesianFourier(lines)
        sampled = np.where(lines.numpy(), kspace, 0)
        rows = center_crop(kspace_to_image(sampled), (size[0], columns))
        y = torch.from_numpy(image_to_kspace(rows).astype(np.complex64))[:, None]
        scale = float(np.abs(center_crop(rows, size)).max())
        if scale < SMALLEST:
            raise InputError("k-space is zero on the sampled lines", where, "remove the file")
        slices = [self.apply(y[s : s + 1] / scale, operator)[0, 0].abs().numpy() for s in range(len(y))]
        output = center_crop(scale * np.stack(slices), size).astype(np.float32)
        with h5py.File(target, "w") as file:
            file.create_dataset("reconstruction", data=output, chunks=(1, *size), fletcher32=True)
        middle = len(output) // 2
        start = np.abs(center_crop(rows[middle], size))
        if reference is None:
            return Outcome(start, output[middle])
        scores = self._scores(output, reference, source.name)
        return Outcome(start, output[middle], reference[middle], scores)

    def _fitting(self, reference: Array, shape: tuple[int, ...], name: str) -> Array | None:
        """Return the part of a stored reference that k-space of `shape` can show; None if it cannot be used."""
        if len(reference) != shape[0] or 0 in reference.shape:
            self.tell(f"{name}: its reference {reference.shape} does not fit k-space {shape}; it is left aside")
            return None
        size = min(reference.shape[1], shape[1]), min(reference.shape[2], shape[2])
        if size != reference.shape[1:]:
            wide = f"{reference.shape[1]} x {reference.shape[2]} is larger than k-space, {shape[1]} x {shape[2]}"
            self.tell(f"{name}: its reference of {wide}; both are compared on the central {size[0]} x {size[1]}")
        return center_crop(reference, size)

    def _scores(self, output: Array, reference: Array, name: str) -> dict[str, float]:
        """Compute fastMRI's volume metrics, where they are defined."""
        if min(output.shape[1:]) < FASTMRI_WINDOW or not reference.max() > 0:
            self.tell(f"{name}: no scores, since its reference is zero or below {FASTMRI_WINDOW} pixels")
            return {}
        return fastmri_metrics(output, reference)

    def _simulated(self, columns: int, name: str) -> torch.Tensor:
        if not isinstance(self.acquisition, CartesianAcquisition) or self.acquisition.axis != "columns":
            raise InputError("the file has no mask, and none can be simulated for rows", name, "add a mask (columns,)")
        which = self.acquisition.mask if self.acquisition.mask_lines is None else "given"
        self.tell(f"{name}: no mask of its own, undersampled with the network's ({which})")
        return self.acquisition.lines(columns, name, self.draws)


def _fits(inner: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    """Check whether a volume has as many slices as another, none of them larger."""
    return inner[0] == outer[0] and inner[1] <= outer[1] and inner[2] <= outer[2]


def _output_size(file: h5py.File, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the reconstruction matrix of the ISMRMRD header, else the smaller side of k-space squared."""
    from xml.etree import ElementTree

    side = min(shape)
    if "ismrmrd_header" not in file:
        return side, side
    try:
        text = read_text(file, "ismrmrd_header")
        if "<!DOCTYPE" in text:  # entities can grow without bounds
            return side, side
        header = ElementTree.fromstring(text)
        space = {"m": "http://www.ismrm.org/ISMRMRD"}
        path = "m:encoding/m:reconSpace/m:matrixSize/m:"
        rows, columns = (int(str(header.findtext(path + axis, namespaces=space))) for axis in ("x", "y"))
    except (ValueError, ElementTree.ParseError):
        return side, side
    return (min(rows, shape[0]), min(columns, shape[1])) if min(rows, columns) > 0 else (side, side)
