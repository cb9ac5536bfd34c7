"""Read arrays of MATLAB files, of version 7.3 and of those before."""

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sgdj.data.access import access_told
from sgdj.data.hdf5 import damage_told, open_hdf5, safe_dataset
from sgdj.data.matlab_5 import list_variables, read_variable
from sgdj.data.slices import Reading, Slices, arranged, check_declared
from sgdj.errors import InputError
from sgdj.runtime.arrays import Array, Kind

if TYPE_CHECKING:
    import h5py

SUFFIXES = (".mat",)
_AXES = {2: "hw", 3: "hws", 4: "hwcs"}


def _chosen(shapes: dict[str, tuple[int, ...]], key: str | None, where: str) -> str:
    """Return the name of the array to read: the given one, or the only one that has two to four axes."""
    fitting = [name for name, shape in shapes.items() if 2 <= len(shape) <= 4 and prod(shape) > 1]
    if key is None and len(fitting) == 1:
        return fitting[0]
    if key in shapes:
        return str(key)
    listed = ", ".join(f"{name} {shapes[name]}" for name in list(shapes)[:8]) or "nothing that is an array"
    what = f"no array {key!r}" if key else f"{len(fitting)} arrays of two to four axes"
    raise InputError(what, where, f"name one with --key; the file holds {listed}")


def _version_5(path: Path, reading: Reading) -> Array:
    where = str(path)
    with access_told(path):
        found = list_variables(path)
        name = _chosen({name: variable.shape for name, variable in found.items()}, reading.key, where)
        check_declared(found[name].shape, 16, where, reading.max_gib)
        return read_variable(path, found[name])


def _version_73(path: Path, reading: Reading) -> Array:
    """Read an array of an HDF5 file; MATLAB stores axes in reverse, and complex numbers as pairs (real, imag)."""
    import h5py

    where = str(path)
    with open_hdf5(path) as file, damage_told(where):
        found = {name: file.get(name, getlink=True) for name in file if not name.startswith("#")}
        nodes = {name: file[name] for name, link in found.items() if isinstance(link, h5py.HardLink)}
        arrays = {name: node for name, node in nodes.items() if isinstance(node, h5py.Dataset) and _is_number(node)}
        name = _chosen({name: node.shape[::-1] for name, node in arrays.items()}, reading.key, where)
        node = safe_dataset(file, name, "n", None, reading.max_gib)
        check_declared(node.shape, 16, where, reading.max_gib)
        array: Array = node[()]
    if array.dtype.names:
        real, imaginary = (array[part] for part in ("real", "imag"))
        array = real.astype(np.result_type(real.dtype, np.complex64))
        array.imag = imaginary
    return array.T


def _is_number(node: "h5py.Dataset") -> bool:
    """Check whether a dataset is an array of real numbers, or of pairs (real, imag) of them."""
    kind: Kind = node.dtype
    pairs = kind.names == ("real", "imag") and kind["real"].kind == kind["imag"].kind == "f"
    return "MATLAB_empty" not in node.attrs and (kind.kind in "fiubc" or pairs)


def read_matlab(path: Path, reading: Reading) -> Slices:
    """Read one array of a MATLAB file.

    Parameters
    ----------
    path
        File of type ``.mat``.
    reading
        Name of the array, the order of its axes (rows, columns, coils, slices unless it is told), whether it is
        k-space, and the limits of the file.

    Returns
    -------
    Slices
        Array, real or complex, shape (S, H, W) or (S, C, H, W).

    Raises
    ------
    InputError
        If it cannot be read, or it is not clear which array is meant.
    """
    where = str(path)
    with access_told(path), path.open("rb") as file:
        start = file.read(10)
    array = (
        _version_73(path, reading) if start in (b"MATLAB 7.3", b"\x89HDF\r\n\x1a\n\0\0") else _version_5(path, reading)
    )
    slices, axes = arranged(array, reading, _AXES, where)
    return Slices(slices, reading.kspace, f"axes taken as {axes}")
