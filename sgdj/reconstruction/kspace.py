"""Reconstruct k-space files of one or of several coils."""

from pathlib import Path

import h5py
import numpy as np
import torch

from sgdj.data.coils import calibration_region, low_resolution_maps
from sgdj.data.convention import check_convention, magnitude
from sgdj.data.fft import center_crop, image_to_kspace, kspace_to_image
from sgdj.data.hdf5 import count_axes, open_hdf5, read_mask, read_text, safe_dataset
from sgdj.data.layouts import MULTI_COIL, SINGLE_COIL
from sgdj.data.multi_coil import STORED, check_maps
from sgdj.data.values import SMALLEST, check_values
from sgdj.errors import InputError
from sgdj.metrics.image import FASTMRI_WINDOW, fastmri_metrics
from sgdj.operators import (
    CartesianAcquisition,
    CartesianFourier,
    MultiCoil,
    MultiCoilAcquisition,
    Operator,
    PointFourier,
)
from sgdj.reconstruction.base import Format, Outcome
from sgdj.runtime.arrays import Array

_CALIBRATION = 24  # largest side of the central k-space that sensitivities are estimated from, in samples
_FEWEST_LINES = 4  # that give sensitivities a shape at all


class KSpaceFormat(Format):
    """Reconstruct k-space in the fastMRI layouts, of one or of several coils, with its own mask or a simulated one.

    The readout axis (rows) is fully sampled, so that its oversampling is removed before the network, which changes
    nothing else; columns keep their number, because lines are undersampled along them, and so do rows where points
    are. The network sees the volume
    divided by the maximum of its zero-filled magnitude; the output has the file's scale again and the stored
    reconstruction's size. Several coils are combined by the file's sensitivities (``sensitivity_maps``), or by those
    that the sampled centre of its k-space gives.
    """

    suffixes = (".h5",)
    scores = True

    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Write ``reconstruction`` (S, h, w), float32, as fastMRI's ``evaluate`` expects it."""
        with open_hdf5(source) as file:
            layout = MULTI_COIL if count_axes(file, "kspace") == MULTI_COIL.axes else SINGLE_COIL
            kspace = safe_dataset(file, "kspace", "c", layout.axes, self.max_gib)[()]
            mask = read_mask(file, kspace.shape[-2:]) if "mask" in file else None
            stored = layout.reference in file
            reference = safe_dataset(file, layout.reference, "f", 3, self.max_gib)[()] if stored else None
            maps = _stored_maps(file, kspace.shape, self.max_gib) if layout is MULTI_COIL else None
            size = _output_size(file, kspace.shape[-2:])
        where = str(source)
        if kspace.size == 0:
            raise InputError("the volume has no slices", where, "remove the file")
        check_values(kspace, "k-space", where)
        volume = (len(kspace), *kspace.shape[-2:])
        if reference is not None:
            check_values(reference, "the reference", where)
            reference = self._fitting(reference, volume, source.name)
        if reference is not None:
            size = (reference.shape[1], reference.shape[2])
        if mask is None and reference is not None and _fits(reference.shape, volume):
            middle = len(kspace) // 2
            check_convention(kspace[middle], reference[middle], f"{where}:kspace", layout.reference)
        mask = self._simulated(kspace.shape[-2:], source.name) if mask is None else mask
        operator = CartesianFourier(torch.from_numpy(mask)) if mask.ndim == 1 else PointFourier(torch.from_numpy(mask))
        sampled = np.where(mask, kspace, 0)
        height = size[0] if mask.ndim == 1 else kspace.shape[-2]
        rows = center_crop(kspace_to_image(sampled), (height, kspace.shape[-1]))
        y = torch.from_numpy(image_to_kspace(rows).astype(np.complex64))
        scale = max(float(magnitude(center_crop(slice_, size)).max()) for slice_ in rows)
        if scale < SMALLEST:
            raise InputError("k-space is zero where it is sampled", where, "remove the file")
        operators: list[Operator] = [operator] * len(y)
        if layout is MULTI_COIL:
            operators = self._with_coils(operator, sampled, mask, maps, height, source.name)
        y = y if layout is MULTI_COIL else y[:, None]
        slices = [self.apply(y[s : s + 1] / scale, operators[s])[0, 0].abs().numpy() for s in range(len(y))]
        output = center_crop(scale * np.stack(slices), size).astype(np.float32)
        with h5py.File(target, "w") as file:
            file.create_dataset("reconstruction", data=output, chunks=(1, *size), fletcher32=True)
        middle = len(output) // 2
        start = magnitude(center_crop(rows[middle], size))
        if reference is None:
            return Outcome(start, output[middle])
        scores = self._scores(output, reference, source.name)
        return Outcome(start, output[middle], reference[middle], scores)

    def _with_coils(
        self, operator: Operator, sampled: Array, mask: Array, maps: Array | None, rows: int, name: str
    ) -> list[Operator]:
        """Return the operator of each slice, with the file's sensitivities or those of the sampled centre."""
        if not isinstance(self.acquisition, MultiCoilAcquisition):
            self.tell_once("the network was trained with one coil; it is given the coils' combination")
        if maps is None:
            region = calibration_region(mask, sampled.shape[-2])
            if min(region) < _FEWEST_LINES:
                few = f"the sampled centre has {region[0]} x {region[1]} samples"
                raise InputError(
                    f"{few}, too few to estimate coil sensitivities from",
                    name,
                    f"store them in the file as {STORED}, of the shape of k-space",
                )
            region = min(_CALIBRATION, region[0]), min(_CALIBRATION, region[1])
            shown = f"{region[0]} x {region[1]} central samples"
            self.tell(f"{name}: sensitivities of {sampled.shape[1]} coils from {shown}")
            maps = np.stack([low_resolution_maps(slice_, region) for slice_ in sampled])
        cropped = torch.from_numpy(center_crop(maps, (rows, maps.shape[-1])).astype(np.complex64))
        return [MultiCoil(operator, one) for one in cropped]

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

    def _simulated(self, shape: tuple[int, int], name: str) -> Array:
        acquisition = self.acquisition
        if not isinstance(acquisition, CartesianAcquisition) or not (
            acquisition.by_points or acquisition.axis == "columns"
        ):
            raise InputError("the file has no mask, and none can be simulated for rows", name, "add a mask (columns,)")
        given = acquisition.mask_lines is not None or acquisition.mask_points is not None
        which = "given" if given else acquisition.mask
        self.tell(f"{name}: no mask of its own, undersampled with the network's ({which})")
        points, lines = acquisition.points, acquisition.lines
        drawn = points(shape, name, self.draws) if acquisition.by_points else lines(shape[1], name, self.draws)
        return drawn.numpy()


def _stored_maps(file: h5py.File, shape: tuple[int, ...], max_gib: float | None) -> Array | None:
    """Return the sensitivities that a file holds, shape (S, C, H, W); None if it holds none."""
    if STORED not in file:
        return None
    where = f"{file.filename}:{STORED}"
    maps: Array = safe_dataset(file, STORED, "c", MULTI_COIL.axes, max_gib)[()]
    if maps.shape != shape:
        raise InputError(
            f"the coil sensitivities have shape {maps.shape}, k-space {shape}", where, "store them in its shape"
        )
    for number, one in enumerate(maps):
        check_maps(one, f"{where}, slice {number}")
    return maps


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
