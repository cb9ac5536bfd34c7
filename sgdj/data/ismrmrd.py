"""Read Cartesian raw data in the ISMRMRD format, sorted into k-space."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from sgdj.data.access import access_told
from sgdj.data.hdf5 import check_stored, damage_told, open_hdf5, own_dataset, own_group, read_text
from sgdj.data.slices import Reading, Slices, check_declared
from sgdj.errors import InputError
from sgdj.runtime.arrays import Array

if TYPE_CHECKING:
    import h5py

GROUP = "dataset"  # the name that the converters of vendors' files use
_SPACE = {"m": "http://www.ismrm.org/ISMRMRD"}
_REVERSED = 22
#: Numbers of the flags of what is no line of the image: noise, calibration alone, navigation, and the like.
_OTHER = (19, 20, 23, 24, 25, 26, 27, 28, 29, 30, 31)
_SEPARATE = ("slice", "contrast", "phase", "repetition", "set")  # counters of what are slices of their own
_MOST = 2**22  # acquisitions


@dataclass(frozen=True)
class _Encoding:
    matrix: tuple[int, int, int]
    """Number of samples of the readout, of lines and of partitions."""
    centers: tuple[int, int]
    """Line and partition of zero frequency."""


def holds_raw_data(path: Path) -> bool:
    """Check whether an HDF5 file holds acquisitions of this format."""
    import h5py

    with open_hdf5(path) as file:
        if not isinstance(file.get(GROUP, getlink=True), h5py.HardLink):
            return False
        group = file[GROUP]
        links = (group.get(name, getlink=True) for name in ("data", "xml")) if isinstance(group, h5py.Group) else ()
        found = [isinstance(link, h5py.HardLink) for link in links]
        return bool(found) and all(found)


def _number(header: ElementTree.Element, path: str, where: str, default: int | None = None) -> int:
    text = header.findtext("/".join(f"m:{part}" for part in path.split("/")), namespaces=_SPACE)
    try:
        return int(str(text))
    except ValueError as error:
        if default is not None:
            return default
        raise InputError(f"the header does not state {path}", where, "convert the raw data again") from error


def _encoding(text: str, where: str) -> _Encoding:
    """Read what the header says of the encoding."""
    try:
        if "<!DOCTYPE" in text:  # entities can grow without bounds
            raise InputError("the header is not plain XML", where, "convert the raw data again")
        header = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError("the header is not valid XML", where, "convert the raw data again") from error
    trajectory = str(header.findtext("m:encoding/m:trajectory", "cartesian", namespaces=_SPACE)).lower()
    if trajectory != "cartesian":
        raise InputError(f"the trajectory is {trajectory}", where, "Cartesian data are read")
    size = [_number(header, f"encoding/encodedSpace/matrixSize/{axis}", where) for axis in "xyz"]
    if min(size) < 1 or max(size) > 2**16:
        raise InputError(f"the header declares a matrix of {size}", where, "convert the raw data again")
    limits = "encoding/encodingLimits/kspace_encoding_step_"
    centers = [_number(header, f"{limits}{i}/center", where, size[i] // 2) for i in (1, 2)]
    return _Encoding((size[0], size[1], size[2]), (centers[0], centers[1]))


def _heads(node: "h5py.Dataset", where: str, max_gib: float | None) -> Array:
    """Return the headers of the acquisitions that are lines of the image."""
    names = node.dtype.names or ()
    if node.ndim != 1 or not {"head", "data"} <= set(names):
        raise InputError(f"the acquisitions have type {node.dtype}", where, "convert the raw data again")
    check_stored(node, where, max_gib)
    if not 0 < len(node) <= _MOST:
        raise InputError(f"the file declares {len(node)} acquisitions", where, "convert the raw data again")
    return node.fields("head")[()]


def read_ismrmrd(path: Path, reading: Reading) -> Slices:
    """Sort the acquisitions of a raw file into k-space.

    Readouts are rows and phase encoding steps columns, zero frequency in the middle. Averages are averaged; partitions
    are transformed to slices, if all are there; contrasts, phases, repetitions and sets are slices of their own. Noise,
    calibration and navigator lines are passed over.

    Parameters
    ----------
    path
        HDF5 file with the group ``dataset`` of an XML header and acquisitions.
    reading
        Limits of the file.

    Returns
    -------
    Slices
        k-space, complex64, shape (S, C, H, W), or (S, H, W) of one coil, and which columns were acquired.

    Raises
    ------
    InputError
        If it is no Cartesian raw file, or the acquisitions do not fit its header.
    """
    where = str(path)
    with access_told(path):
        file_size = path.stat().st_size
    with open_hdf5(path) as file, damage_told(where):
        group = own_group(file, GROUP)
        encoding = _encoding(read_text(group, "xml"), where)
        node = own_dataset(group, "data")
        heads = _heads(node, f"{where}:{GROUP}/data", reading.max_gib)
        flags = heads["flags"].astype(np.uint64)
        other = sum(1 << (number - 1) for number in _OTHER)
        lines = np.flatnonzero((flags & np.uint64(other)) == 0)
        if len(lines) == 0:
            raise InputError("no acquisition is a line of the image", where, "convert the raw data again")
        chosen = heads[lines]
        coils, samples = (np.unique(chosen[name]) for name in ("active_channels", "number_of_samples"))
        if len(coils) > 1 or len(samples) > 1 or min(coils[0], samples[0]) < 1:
            what = f"the acquisitions have {coils.tolist()} coils and {samples.tolist()} samples"
            raise InputError(what, where, "give raw data with readouts of one kind")
        return _sorted(node, lines, chosen, encoding, where, reading, file_size)


def _sorted(
    node: "h5py.Dataset",
    lines: Array,
    heads: Array,
    encoding: _Encoding,
    where: str,
    reading: Reading,
    file_size: int,
) -> Slices:
    readout, columns, partitions = encoding.matrix
    coils, samples = int(heads["active_channels"][0]), int(heads["number_of_samples"][0])
    counters = np.stack([heads["idx"][name].astype(np.int64) for name in _SEPARATE], axis=1)
    kinds, volume = np.unique(counters, axis=0, return_inverse=True)
    column = heads["idx"]["kspace_encode_step_1"].astype(np.int64) - encoding.centers[0] + columns // 2
    partition = heads["idx"]["kspace_encode_step_2"].astype(np.int64)
    partition = partition - encoding.centers[1] + partitions // 2 if partitions > 1 else partition
    begin = readout // 2 - heads["center_sample"].astype(np.int64)
    outside = (column < 0) | (column >= columns) | (partition < 0) | (partition >= partitions)
    outside |= (begin < 0) | (begin + samples > readout)
    if outside.any():
        raise InputError(f"{int(outside.sum())} acquisitions lie outside the encoded matrix", where, "convert it again")
    shape = (len(kinds), partitions, coils, readout, columns)
    check_declared(shape, 16, where, reading.max_gib)
    if len(lines) * coils * samples * 8 > 100 * file_size:
        raise InputError("the acquisitions declare more than the file holds", where, "convert the raw data again")
    kspace = np.zeros(shape, np.complex64)
    counts = np.zeros((len(kinds), partitions, columns), np.int64)
    values = node.fields("data")
    for i, line in enumerate(lines):
        found = np.asarray(values[int(line)], np.float32).view(np.complex64)
        if found.size != coils * samples:
            raise InputError(f"acquisition {line} has {found.size} values", where, f"{coils * samples} are declared")
        found = found.reshape(coils, samples)
        found = found[:, ::-1] if int(heads["flags"][i]) >> (_REVERSED - 1) & 1 else found
        place = int(volume[i]), int(partition[i]), int(column[i])
        kspace[place[0], place[1], :, begin[i] : begin[i] + samples, place[2]] += found
        counts[place] += 1
    kspace /= np.maximum(counts, 1)[:, :, None, None, :]
    return _as_slices(kspace, counts > 0, where)


def _as_slices(kspace: Array, acquired: Array, where: str) -> Slices:
    """Turn partitions (axis 1 of (V, P, C, H, W)) into slices, and keep which columns were acquired."""
    partitions = kspace.shape[1]
    if partitions > 1:
        if not acquired.any(2).all():
            raise InputError("some partitions were not acquired", where, "two-dimensional undersampling is read in 2-D")
        if (acquired != acquired[:, :1]).any():
            raise InputError("the partitions sample different columns", where, "2-D or full partitions are read")
        shifted = np.fft.ifft(np.fft.ifftshift(kspace, axes=1), axis=1, norm="ortho")
        kspace = np.fft.fftshift(shifted, axes=1).astype(np.complex64)
    sampled = acquired.reshape(-1, acquired.shape[-1])
    if (sampled != sampled[:1]).any():
        raise InputError("the slices sample different columns", where, "give raw data with one mask")
    kspace = kspace.reshape(-1, *kspace.shape[2:])
    kspace = kspace if kspace.shape[1] > 1 else kspace[:, 0]
    how = f"{sampled[0].sum()} of {sampled.shape[1]} columns acquired"
    return Slices(kspace, True, how, None if sampled.all() else sampled[0])
