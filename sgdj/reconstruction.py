"""Measured files in, reconstructions out, volume by volume."""

import csv
import io
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from sgdj.data.convention import check_convention
from sgdj.data.fft import center_crop, image_to_kspace, kspace_to_image
from sgdj.data.hdf5 import open_hdf5, read_mask, read_text, safe_dataset
from sgdj.data.images import read_stack
from sgdj.data.section import read_section
from sgdj.data.values import SMALLEST, check_values
from sgdj.draws import Draws
from sgdj.errors import InputError
from sgdj.metrics import fastmri_metrics
from sgdj.networks.base import Reconstructor
from sgdj.operators import Acquisition, CartesianAcquisition, CartesianFourier, Operator
from sgdj.progress import follow
from sgdj.run_directory import write_atomically


@dataclass
class Outcome:
    """What is worth showing of a reconstructed file.

    Parameters
    ----------
    start, reconstruction, reference
        Middle image, shape (H, W); no reference is None.
    scores
        fastMRI's volume metrics, if there is a reference.
    """

    start: np.ndarray
    reconstruction: np.ndarray
    reference: np.ndarray | None = None
    scores: dict[str, float] = field(default_factory=dict)


class Format(ABC):
    """How a kind of file is reconstructed.

    Parameters
    ----------
    network
        Trained reconstructor, in evaluation mode.
    acquisition
        The acquisition it was trained with.
    draws
        Source of masks where a file has none of its own.
    device
        Where to compute.
    tell
        Called with notes.
    """

    suffixes: tuple[str, ...] = ()
    max_gib: float | None = None  # `dataset.max_gib`: what a file may declare

    def __init__(
        self,
        network: Reconstructor,
        acquisition: Acquisition,
        draws: Draws,
        device: torch.device,
        tell: Callable[[str], None],
    ) -> None:
        self.network, self.acquisition, self.draws = network, acquisition, draws
        self.device, self.tell = device, tell

    @abstractmethod
    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Reconstruct a file into another one.

        Raises
        ------
        InputError
            If the file cannot be used.
        """

    def apply(self, y: torch.Tensor, operator: Operator) -> torch.Tensor:
        """x̂ of one measurement (1, C, H, W), on the CPU."""
        with torch.no_grad():
            return self.network(y.to(self.device), operator.to(self.device)).cpu()


class KSpaceFormat(Format):
    """Single-coil k-space in the fastMRI layout, with its own mask or a simulated one.

    The readout axis (rows) is fully sampled, so that its oversampling is removed before the network, which changes
    nothing else; columns keep their number, because lines are undersampled along them. The network sees the volume
    divided by the maximum of its zero-filled magnitude; the output has the file's scale again and the stored
    reconstruction's size.
    """

    suffixes = (".h5",)

    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Write ``reconstruction`` (S, h, w), float32, as fastMRI's ``evaluate`` expects it."""
        with open_hdf5(source) as file:
            kspace = safe_dataset(file, "kspace", "c", 3, self.max_gib)[()]
            mask = read_mask(file, kspace.shape[2]) if "mask" in file else None
            stored = "reconstruction_esc" in file
            reference = safe_dataset(file, "reconstruction_esc", "f", 3, self.max_gib)[()] if stored else None
            size = _output_size(file, kspace.shape[1:]) if reference is None else reference.shape[1:]
        where = str(source)
        if kspace.size == 0:
            raise InputError("the volume has no slices", where, "remove the file")
        check_values(kspace, "k-space", where)
        if reference is not None:
            check_values(reference, "the reference", where)
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
        return Outcome(start, output[middle], reference[middle], fastmri_metrics(output, reference))

    def _simulated(self, columns: int, name: str) -> torch.Tensor:
        if not isinstance(self.acquisition, CartesianAcquisition) or self.acquisition.axis != "columns":
            raise InputError("the file has no mask, and none can be simulated for rows", name, "add a mask (columns,)")
        self.tell(f"{name}: no mask of its own, undersampled with the network's ({self.acquisition.mask})")
        return self.acquisition.lines(columns, name, self.draws)


def _fits(inner: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    """Whether a volume has as many slices as another, none of them larger."""
    return inner[0] == outer[0] and inner[1] <= outer[1] and inner[2] <= outer[2]


def _output_size(file: h5py.File, shape: tuple[int, ...]) -> tuple[int, int]:
    """Reconstruction matrix from the ISMRMRD header, else the smaller side of k-space squared."""
    from xml.etree import ElementTree

    side = min(shape)
    if "ismrmrd_header" not in file:
        return side, side
    try:
        header = ElementTree.fromstring(read_text(file, "ismrmrd_header"))
        space = {"m": "http://www.ismrm.org/ISMRMRD"}
        path = "m:encoding/m:reconSpace/m:matrixSize/m:"
        rows, columns = (int(str(header.findtext(path + axis, namespaces=space))) for axis in ("x", "y"))
    except (ValueError, ElementTree.ParseError):
        return side, side
    return min(rows, shape[0]), min(columns, shape[1])


class SectionFormat(Format):
    """Seismic data: the measured traces in, reflectivity out, in the data's scale; SEG-Y headers are kept."""

    suffixes = (".sgy", ".segy", ".npz")

    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Write the file's own format; an ``.npz`` gets the array ``reconstruction``."""
        y = read_section(source, None, self.max_gib)
        output = _scaled(self, torch.from_numpy(y)[None, None], source)[0, 0].numpy()
        if source.suffix.lower() == ".npz":
            with target.open("wb") as file:
                np.savez(file, reconstruction=output)
            return Outcome(y, output)
        import segyio

        shutil.copyfile(source, target)
        with segyio.open(target, "r+", ignore_geometry=True) as file:
            file.trace.raw[:] = np.ascontiguousarray(output.T, dtype=np.float32)
        return Outcome(y, output)


class ImageFormat(Format):
    """Noisy images or stacks in, restored ones out, in the file's scale, as float32 TIFF or NPY."""

    suffixes = (".tif", ".tiff", ".npy", ".png")

    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Write (S, H, W), or (H, W) if there is one image."""
        y = torch.from_numpy(read_stack(source, self.max_gib))[:, None]
        output = torch.cat([_scaled(self, image[None], source) for image in y])[:, 0].numpy()
        output = output[0] if len(output) == 1 else output
        if source.suffix == ".npy":
            with target.open("wb") as file:
                np.save(file, output)
        else:
            from tifffile import imwrite

            imwrite(target, output, photometric="minisblack")
        middle = len(y) // 2
        return Outcome(y[middle, 0].numpy(), output if output.ndim == 2 else output[middle])


def _scaled(form: Format, y: torch.Tensor, source: Path) -> torch.Tensor:
    scale = float(y.abs().max())
    if scale == 0:
        raise InputError("the data is zero everywhere", str(source), "remove the file")
    shape = (y.shape[-2], y.shape[-1])
    operator = form.acquisition.operator(shape, [source.name], form.draws)
    return form.apply((y / scale).float(), operator) * scale


FORMATS: dict[str, tuple[type[Format], ...]] = {
    "mri": (KSpaceFormat,),
    "seismic": (SectionFormat, ImageFormat),
    "denoising": (ImageFormat,),
}


def _target_name(path: Path) -> str:
    return f"{path.stem}.tiff" if path.suffix == ".png" else path.name


def reconstruct(
    formats: list[Format],
    source: Path,
    output: Path,
    tell: Callable[[str], None],
    picture: Callable[[str, Outcome], None] | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Reconstruct a file, or every fitting file of a folder.

    Files that have an output already are passed over, so that an interrupted call can be repeated; each output
    appears in one step.

    Parameters
    ----------
    formats
        What can be read, the preferred one first.
    source, output
        File or folder, and the folder for the results.
    tell
        Called with notes.
    picture
        Called with the name and the outcome of each file.

    Returns
    -------
    scores
        One row per file with a reference; also written to ``scores.csv``.
    skipped
        Files that could not be used.

    Raises
    ------
    InputError
        If there is nothing to reconstruct, the one file given cannot be used, or the output folder cannot be written.
    """
    by_suffix = {suffix: form for form in reversed(formats) for suffix in form.suffixes}
    found = [source] if source.is_file() else sorted(source.iterdir()) if source.is_dir() else []
    files = [p for p in found if p.is_file() and p.suffix.lower() in by_suffix]
    if not files:
        raise InputError("nothing to reconstruct", f"input={source}", f"give {', '.join(sorted(by_suffix))} files")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder cannot be written ({error.strerror})", f"output={output}", "choose another"
        ) from error
    rows, skipped = [], []
    for path in follow(files, len(files), "reconstructing"):
        target = output / _target_name(path)
        if target.resolve() == path.resolve():
            raise InputError("the output would replace the input", f"output={output}", "choose another folder")
        if target.exists():
            tell(f"{path.name}: reconstructed before")
            continue
        partial = target.with_name(f".{target.stem}.partial{target.suffix}")
        try:
            outcome = by_suffix[path.suffix.lower()].reconstruct(path, partial)
        except InputError as error:
            partial.unlink(missing_ok=True)
            if source.is_file():
                raise
            tell(f"skipped {path.name}: {error}")
            skipped.append(path.name)
            continue
        if picture is not None:
            picture(path.stem, outcome)
        if outcome.scores:
            rows.append({"file": path.name, **outcome.scores})
            _put_scores(output / "scores.csv", rows[-1])
        os.replace(partial, target)
    return rows, skipped


def _put_scores(path: Path, row: dict[str, Any]) -> None:
    """Add a file's row, or replace the one it has."""
    known: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="") as file:
            known = [entry for entry in csv.DictReader(file) if entry["file"] != row["file"]]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerows([*known, row])
    write_atomically(path, text.getvalue().encode())
