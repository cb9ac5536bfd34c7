"""Measured files in, reconstructions out, volume by volume."""

import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
import torch

from sgdj.data.convention import check_convention
from sgdj.data.fft import center_crop, image_to_kspace, kspace_to_image
from sgdj.data.hdf5 import open_hdf5, read_mask, read_text, safe_dataset
from sgdj.data.images import read_stack
from sgdj.data.numpy_files import read_header
from sgdj.data.section import read_section
from sgdj.data.values import SMALLEST, check_values
from sgdj.draws import Draws
from sgdj.errors import ExitCode, InputError, ResourceError, as_run_error, print_error
from sgdj.metrics.image import FASTMRI_WINDOW, fastmri_metrics
from sgdj.networks.base import Reconstructor
from sgdj.operators import Acquisition, CartesianAcquisition, CartesianFourier, Operator
from sgdj.reconstruction.output_folder import Item, OutputFolder, name_outputs
from sgdj.reconstruction.segy_output import write_segy
from sgdj.runtime.hashing import file_digest
from sgdj.runtime.progress import follow
from sgdj.text import say_traceback

_SHOWN = 5  # names in a note


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

    Attributes
    ----------
    suffixes
        Of the files that it reads, in lower case, with the dot.
    scores
        Whether a file may hold a reference.

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
    scores = False

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
        self._told: set[str] = set()

    def tell_once(self, note: str) -> None:
        """Tell what holds for many files with the first of them."""
        if note not in self._told:
            self._told.add(note)
            self.tell(note)

    def result_suffix(self, source: Path) -> str:
        """Suffix of the output, with the dot; the file's own if its format can hold the result."""
        return source.suffix

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

    def _fitting(self, reference: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray | None:
        """The part of a stored reference that k-space (slices, rows, columns) can show; None if it cannot be used."""
        if len(reference) != shape[0] or 0 in reference.shape:
            self.tell(f"{name}: its reference {reference.shape} does not fit k-space {shape}; it is left aside")
            return None
        size = min(reference.shape[1], shape[1]), min(reference.shape[2], shape[2])
        if size != reference.shape[1:]:
            wide = f"{reference.shape[1]} x {reference.shape[2]} is larger than k-space, {shape[1]} x {shape[2]}"
            self.tell(f"{name}: its reference of {wide}; both are compared on the central {size[0]} x {size[1]}")
        return center_crop(reference, size)

    def _scores(self, output: np.ndarray, reference: np.ndarray, name: str) -> dict[str, float]:
        """FastMRI's volume metrics, where they are defined."""
        if min(output.shape[1:]) < FASTMRI_WINDOW or not reference.max() > 0:
            self.tell(f"{name}: no scores, since its reference is zero or below {FASTMRI_WINDOW} pixels")
            return {}
        return fastmri_metrics(output, reference)

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


class SectionFormat(Format):
    """Seismic data: the measured traces in, reflectivity out, in the data's scale; SEG-Y headers are kept."""

    suffixes = (".sgy", ".segy", ".npz")

    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Write the file's own format; an ``.npz`` gets the array ``reconstruction``, integer SEG-Y becomes floats."""
        archive = source.suffix.lower() == ".npz"
        y = read_section(source, self._key(source) if archive else None, self.max_gib)
        output = _scaled(self, torch.from_numpy(y)[None, None], source)[0, 0].numpy()
        if archive:
            with target.open("wb") as file:
                np.savez(file, reconstruction=output)
            return Outcome(y, output)
        former = write_segy(source, target, output)
        if former:
            self.tell(f"{source.name}: {former} cannot hold the result; its output has 32-bit IEEE floats")
        return Outcome(y, output)

    def _key(self, source: Path) -> str | None:
        """Name of the measured section in an archive, ``data`` if there are several; None leaves it to the reader."""
        try:
            names, sections = _arrays(source)
        except (OSError, zipfile.BadZipFile):
            return None  # the reader tells
        chosen = sections[0] if len(sections) == 1 else next((n for n in _MEASURED if n in sections), None)
        if chosen is None and len(sections) > 1:
            raise InputError(
                f"which of the arrays {', '.join(sections)} was measured is not told",
                str(source),
                f"save it alone, or under the name {_MEASURED[0]}",
            )
        if chosen is None and len(names) > 1:
            raise InputError(
                f"none of the arrays {', '.join(names)} is a real section (depth, traces)",
                str(source),
                f"save it under the name {_MEASURED[0]}",
            )
        if len(names) > 1:
            self.tell(f"{source.name}: the array {chosen} of {', '.join(names)} is taken for the measurement")
        return chosen


_MEASURED = ("data", "traces")


def _arrays(source: Path) -> tuple[list[str], list[str]]:
    """Names of all arrays of an archive, and of the real two-dimensional ones, from their headers alone."""
    names, sections = [], []
    with zipfile.ZipFile(source) as archive:
        for member in archive.namelist():
            names.append(member.removesuffix(".npy"))
            with suppress(Exception), archive.open(member) as file:  # the reader tells what is damaged
                shape, kind = read_header(file, str(source))
                if len(shape) == 2 and kind.kind in "fiu":
                    sections.append(names[-1])
    return names, sections


class ImageFormat(Format):
    """Noisy images or stacks in, restored ones out, as float32 TIFF or NPY.

    Floating-point images keep their scale; of integers, the type's maximum becomes 1.
    """

    suffixes = (".tif", ".tiff", ".npy", ".png", ".jpg", ".jpeg")

    def result_suffix(self, source: Path) -> str:
        """Its own for TIFF and NPY, else that of TIFF."""
        return source.suffix if source.suffix.lower() in (".tif", ".tiff", ".npy") else ".tiff"

    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Write (S, H, W), or (H, W) if there is one image."""
        y = torch.from_numpy(read_stack(source, self.max_gib))[:, None]
        output = torch.cat([_scaled(self, image[None], source) for image in y])[:, 0].numpy()
        output = output[0] if len(output) == 1 else output
        kind = source.suffix.lower()
        if kind not in (".tif", ".tiff", ".npy"):
            self.tell_once(
                "PNG and JPEG cannot hold the results: they are TIFF files of 32-bit floats, with 1 for white"
            )
        elif _holds_integers(source):
            self.tell_once("results of integer images are 32-bit floats, with 1 for the largest value of the type")
        if kind == ".npy":
            with target.open("wb") as file:
                np.save(file, output)
        else:
            from tifffile import imwrite

            imwrite(target, output, photometric="minisblack")
        middle = len(y) // 2
        return Outcome(y[middle, 0].numpy(), output if output.ndim == 2 else output[middle])


def _holds_integers(source: Path) -> bool:
    """Whether a TIFF or NPY file, which was read before, holds integers."""
    from tifffile import TiffFile

    if source.suffix.lower() == ".npy":
        return np.load(source, mmap_mode="r", allow_pickle=False).dtype.kind in "iu"
    with TiffFile(source) as file:
        kind = file.pages.first.dtype
    return kind is not None and kind.kind in "iu"


def _scaled(form: Format, y: torch.Tensor, source: Path) -> torch.Tensor:
    scale = float(y.abs().max())
    if scale == 0:
        raise InputError("the data is zero everywhere", str(source), "remove the file")
    shape = (y.shape[-2], y.shape[-1])
    operator = form.acquisition.operator(shape, [source.name], form.draws)
    return form.apply((y / scale).float(), operator) * scale


#: By the name that a task gives them.
FORMATS: dict[str, type[Format]] = {"kspace": KSpaceFormat, "section": SectionFormat, "image": ImageFormat}


Picture = Callable[[Outcome, str, Path], None]


@dataclass
class Done:
    """What became of the files.

    Parameters
    ----------
    scores
        One row per file with a reference that was reconstructed now.
    skipped
        Files that could not be used.
    failed
        Files that a fault of this program or too little memory kept from being reconstructed, with its exit code.
    """

    scores: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, ExitCode] = field(default_factory=dict)


def _files(
    source: Path, output: Path, suffixes: Collection[str], tell: Callable[[str], None]
) -> list[tuple[Path, str]]:
    """Fitting files of a folder and its sub-folders with their relative names, or the file itself with its name."""
    if source.is_file():
        return [(source, source.name)] if source.suffix.lower() in suffixes else []
    found, linked, results = [], [], output.resolve()
    for folder, inner, names in os.walk(source):
        here = Path(folder)
        linked += [name for name in inner if (here / name).is_symlink()]
        inner[:] = sorted(n for n in inner if not n.startswith(".") and (here / n).resolve() != results)
        paths = (here / name for name in names if not name.startswith("."))
        found += [p for p in paths if p.suffix.lower() in suffixes and p.is_file()]
    if linked:
        tell(f"{source}: passed over {len(linked)} links to folders, {', '.join(sorted(linked)[:_SHOWN])}")
    return sorted(((path, path.relative_to(source).as_posix()) for path in found), key=lambda pair: pair[1])


def reconstruct(
    formats: list[Format],
    source: Path,
    folder: OutputFolder,
    tell: Callable[[str], None],
    picture: Picture | None = None,
) -> Done:
    """Reconstruct a file, or every fitting file of a folder and its sub-folders, each into an output of its own.

    What is there already, of the same input and the same network, is passed over, so that an interrupted call can be
    repeated; each output appears in one step.

    Parameters
    ----------
    formats
        What can be read, the preferred one first.
    source
        File or folder.
    folder
        For the results.
    tell
        Called with notes.
    picture
        Called with the outcome and the name of each file, and where to draw them.

    Raises
    ------
    InputError
        If there is nothing to reconstruct, the one file given cannot be used, or the output folder cannot be written.
    InputErrors
        If something there would be replaced.
    """
    by_suffix = {suffix: form for form in reversed(formats) for suffix in form.suffixes}
    files = _files(source, folder.path, by_suffix, tell)
    if not files:
        raise InputError("nothing to reconstruct", f"input={source}", f"give {', '.join(sorted(by_suffix))} files")
    if source.is_dir() and source.resolve() == folder.path.resolve():
        raise InputError("the outputs would lie among the inputs", f"output={folder.path}", "choose another folder")
    done = Done()
    with folder.held():
        named = [(path, name, by_suffix[path.suffix.lower()].result_suffix(path)) for path, name in files]
        items = name_outputs(named, folder.read())
        inputs = {path.resolve() for path, _ in files}
        if any((folder.path / item.output).resolve() in inputs for item in items):
            raise InputError("the output would replace the input", f"output={folder.path}", "choose another folder")
        todo, before = folder.plan(items, picture is not None, any(form.scores for form in formats))
        removed = folder.begin()
        if removed:
            tell(f"removed {removed} reconstructions of another network")
        for item in before:
            tell(f"{item.name}: reconstructed before")
        for item in todo:
            if PurePosixPath(item.output).stem != PurePosixPath(item.name).stem:
                tell(f"{item.name}: its output is {item.output}, since another has the plain name")
        for item in follow(todo, len(todo), "reconstructing"):
            try:
                outcome = _one(by_suffix[item.source.suffix.lower()], item, folder, picture)
            except InputError as error:
                if source.is_file():
                    raise
                tell(f"skipped {item.name}: {error}")
                done.skipped.append(item.name)
            except Exception as error:
                code = _of_this_file(error)
                if code is None or source.is_file():
                    error.add_note(f"while {item.source} was reconstructed")
                    raise
                _tell_failure(error, item, code)
                done.failed[item.name] = code
            else:
                if outcome.scores:
                    done.scores.append({"file": item.name, **outcome.scores})
    return done


def _one(form: Format, item: Item, folder: OutputFolder, picture: Picture | None) -> Outcome:
    """Reconstruct one file; nothing of it remains unless all succeeds."""
    try:
        digest = file_digest(item.source)
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", str(item.source), "allow reading it") from error
    with folder.private() as place:
        made, panel = place / f"made{PurePosixPath(item.output).suffix}", place / "panel.png"
        outcome = form.reconstruct(item.source, made)
        if picture is not None:
            picture(outcome, item.name, panel)
        folder.put(item, digest, made, panel if picture is not None else None, outcome.scores)
    return outcome


def _of_this_file(error: Exception) -> ExitCode | None:
    """Exit code of a failure after which the other files may well succeed; None for one that stops everything."""
    known = as_run_error(error)
    if known is None:
        return None if isinstance(error, OSError) else ExitCode.FAULT  # the machine, not this file
    return ExitCode.RESOURCES if "out of memory" in str(known) else None


def _tell_failure(error: Exception, item: Item, code: ExitCode) -> None:
    if code is ExitCode.RESOURCES:
        print_error(ResourceError(f"out of memory, {item.source}: it is left out; give it more memory"))
        return
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        say_traceback(error)
    what = f"a fault of this program ({type(error).__name__}: {error})"
    print_error(InputError(what, str(item.source), "please report it; the file is left out"))
