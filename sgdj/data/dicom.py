"""Read DICOM images, series by series."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sgdj.data.access import access_told
from sgdj.data.slices import Reading, Slices, check_declared, check_package
from sgdj.errors import InputError, first_line
from sgdj.runtime.arrays import Array

if TYPE_CHECKING:
    from pydicom import FileDataset

SUFFIXES = (".dcm", ".dicom", ".ima")
_LITTLE = 2**26  # bytes, for which there is memory
_DEFLATED = "1.2.840.10008.1.2.1.99"  # the whole file is compressed: how large it becomes is known too late


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        with access_told(path):
            yield
    except MemoryError as error:
        if path.stat().st_size > _LITTLE:
            raise
        what = "an element declares more than the file holds"  # its length is believed
        raise InputError(what, str(path), "compare it with its source, copy it again") from error
    except InputError:
        raise
    except Exception as error:  # a damaged file, or a decoder that is missing, fails in many ways
        reason = first_line(error, 100)
        raise InputError(
            f"the image cannot be read ({reason})", str(path), "save it uncompressed, or copy it again"
        ) from error


def _header(path: Path) -> "FileDataset":
    check_package("pydicom", "DICOM", str(path))
    import pydicom
    from pydicom.filereader import read_file_meta_info

    with _told(path):
        if str(read_file_meta_info(path).get("TransferSyntaxUID", "")) == _DEFLATED:
            raise InputError("the file is compressed as a whole (deflated)", str(path), "save it uncompressed")
        return pydicom.dcmread(path, stop_before_pixels=True)


def _frames(path: Path, max_gib: float | None) -> Array:
    """Return the gray values of one file, shape (S, H, W), with its rescaling applied; white is large."""
    where = str(path)
    header = _header(path)
    import pydicom
    from pydicom.pixels import apply_modality_lut

    with _told(path):
        size = (int(header.get("NumberOfFrames") or 1), int(header.Rows), int(header.Columns))
        samples, shown = int(header.get("SamplesPerPixel", 1)), str(header.get("PhotometricInterpretation", ""))
    if samples != 1 or shown not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"the image has {shown or 'unknown'} colours", where, "save gray values (MONOCHROME2)")
    check_declared((*size, 2), 8, where, max_gib)
    with _told(path):
        dataset = pydicom.dcmread(path)
        stored = dataset.pixel_array
        array = np.asarray(apply_modality_lut(stored, dataset), dtype=np.float64).reshape(size)
        if shown == "MONOCHROME1":
            array = array.max() + array.min() - array
    return array


def _position(header: "FileDataset") -> float:
    """Return the place of a slice along the normal of its plane, in mm, or its number in the series."""
    place, directions = header.get("ImagePositionPatient"), header.get("ImageOrientationPatient")
    if place is None or directions is None:
        return float(header.get("InstanceNumber") or 0)
    rows, columns = np.array(directions[:3], float), np.array(directions[3:], float)
    return float(np.dot(np.cross(rows, columns), np.array(place, float)))


def series(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Group files by their series, since the slices of one patient are one volume.

    Parameters
    ----------
    paths
        DICOM files to group.

    Returns
    -------
    dict
        Files of each series by its unique identifier; a file that cannot be read is a group of its own name.
    """
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        try:
            groups[str(_header(path).get("SeriesInstanceUID") or path.name)].append(path)
        except InputError:  # it is told when it is read
            groups[path.name].append(path)
    return dict(groups)


def read_dicom(paths: Sequence[Path], reading: Reading) -> Slices:
    """Read the images of a series, or of one file with several frames.

    Parameters
    ----------
    paths
        Files of one series, in any order.
    reading
        Limits of the files.

    Returns
    -------
    Slices
        Gray values with the files' rescaling applied, ordered along the normal of the slices.

    Raises
    ------
    InputError
        If a file cannot be read, shows colours, or has another size than the others.
    """
    ordered = sorted(paths, key=lambda path: (_position(_header(path)), path.name)) if len(paths) > 1 else list(paths)
    stacks = [_frames(path, reading.max_gib) for path in ordered]
    sizes = {stack.shape[1:] for stack in stacks}
    if len(sizes) > 1:
        shown = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise InputError(f"the slices of the series differ in size ({shown})", str(paths[0]), "keep one size of them")
    check_declared((sum(map(len, stacks)), *stacks[0].shape[1:]), 16, str(paths[0]), reading.max_gib)
    return Slices(np.concatenate(stacks), False, f"{len(paths)} files, along the normal of the slices")
