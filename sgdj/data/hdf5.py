"""Read HDF5 files of unknown origin safely."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sgdj.data.access import access_told
from sgdj.data.limits import check_size
from sgdj.errors import InputError, first_line
from sgdj.runtime.arrays import Array

if TYPE_CHECKING:  # it is slow to load, and imported where it is used
    import h5py

_LITTLE = 64 * 2**20  # bytes that may be declared, however little is stored
_MAX_RATIO = 100  # declared to stored bytes: no real data compresses so well, and reading allocates the declared ones
_MAX_TEXT = 16 * 2**20  # bytes of an ISMRMRD header; real ones have some ten thousand
_DEFLATE_RATIO = 1032  # the most that deflate compresses
_SPARE = 64  # bytes that filters may add to a chunk
_checked: set[tuple[str, str, int, int, int, int]] = set()  # data sets whose chunks were checked
#: What h5py raises when a file's inner structure is damaged.
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError)


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading.

    Parameters
    ----------
    path
        HDF5 file to open.

    Yields
    ------
    h5py.File
        The open file, closed at the end of the context.

    Raises
    ------
    InputError
        If it cannot be opened or is not an intact HDF5 file.
    """
    import h5py

    try:
        with access_told(path):
            file = h5py.File(path, "r")
    except (*_DAMAGE, MemoryError) as error:
        if "truncated" in str(error):
            raise InputError("the file is truncated", str(path), "copy or download it again") from error
        if "locked" in str(error) or "lock file" in str(error):
            raise InputError(
                "the file cannot be opened (another program has locked it)",
                str(path),
                "wait until it is closed there, or set HDF5_USE_FILE_LOCKING=FALSE",
            ) from error
        raise InputError(
            "the file is not an HDF5 file, or damaged", str(path), "compare it with its source, copy it again"
        ) from error
    with file, damage_told(str(path)):
        yield file


@contextmanager
def damage_told(where: str) -> Iterator[None]:
    """Turn h5py's exceptions on damaged content into an input error.

    Parameters
    ----------
    where
        Name of the file, for the message.

    Yields
    ------
    None
        Nothing; the content is read by the caller.

    Raises
    ------
    InputError
        If h5py meets damaged content inside the context.
    """
    try:
        yield
    except _DAMAGE as error:
        reason = first_line(error, 100)
        raise InputError(
            f"the file is damaged ({reason})", where, "compare it with its source, copy it again"
        ) from error


def _place(parent: h5py.File | h5py.Group, name: str) -> str:
    """Name a dataset for messages, by its file and its path in it."""
    return f"{parent.file.filename}:{parent.name.strip('/')}{'/' if parent.name != '/' else ''}{name}"


def own_dataset(file: h5py.File | h5py.Group, name: str) -> h5py.Dataset:
    """Return a dataset that the file itself holds, behind no link; its size is not yet checked."""
    import h5py

    where = _place(file, name)
    link = file.get(name, getlink=True)
    if link is None:
        raise InputError(
            "the dataset is missing", where, f"the file holds {', '.join(sorted(map(str, file))) or 'nothing'}"
        )
    if not isinstance(link, h5py.HardLink):
        raise InputError("the dataset is a link to another place", where, "store the data in the file itself")
    node = file.get(name)
    if not isinstance(node, h5py.Dataset):
        raise InputError("this is not a dataset", where, "store an array under this name")
    if node.external or node.is_virtual:
        raise InputError("the dataset keeps its data outside the file", where, "store the data in the file itself")
    return node


def own_group(file: h5py.File, name: str) -> h5py.Group:
    """Return a group at the root of a file, behind no link to another place."""
    import h5py

    where = f"{file.filename}:{name}"
    node = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(node, h5py.Group):
        raise InputError(
            "the group is missing", where, f"the file holds {', '.join(sorted(map(str, file))) or 'nothing'}"
        )
    return node


def count_axes(file: h5py.File, name: str) -> int:
    """Return the number of axes of a dataset at the root of a file, which must hold it itself."""
    return int(own_dataset(file, name).ndim)


def _check_filters(node: h5py.Dataset, where: str) -> None:
    """Refuse a compression that this HDF5 library lacks: the data is good, but cannot be read here."""
    from h5py import h5z

    plan = node.id.get_create_plist()
    for i in range(plan.get_nfilters()):
        code, _, _, name = plan.get_filter(i)
        if not h5z.filter_avail(code):
            said = name.decode(errors="replace").split()[0] if name else f"number {code}"
            raise InputError(
                f"the dataset is compressed with the filter {said}, which is not available here",
                where,
                "write it with gzip (h5repack -f GZIP=4), or name a folder with the filter in HDF5_PLUGIN_PATH",
            )


def _check_storage(node: h5py.Dataset, where: str, max_gib: float | None) -> None:
    """Refuse a dataset that would take more memory than allowed, as a whole or by one chunk."""
    declared, stored = node.size * node.dtype.itemsize, node.id.get_storage_size()
    check_size(declared, "the dataset", where, max_gib)
    if declared > max(_LITTLE, _MAX_RATIO * stored):
        raise InputError(
            f"the dataset declares {declared / 2**30:.3g} GiB and stores {stored} bytes",
            where,
            "write all of its values, or store it at the size that it has",
        )
    if node.chunks is not None:
        chunk = prod(node.chunks) * node.dtype.itemsize
        check_size(chunk, f"one chunk {node.chunks} of the dataset", where, max_gib)
        if chunk > max(_LITTLE, 2 * declared):
            raise InputError(
                f"one chunk {node.chunks} declares {chunk / 2**30:.3g} GiB, and the whole dataset has {declared} bytes",
                where,
                "write it with chunks no larger than the data (h5repack -l CHUNK=…)",
            )


def _check_chunks(node: h5py.Dataset, where: str) -> None:
    """Refuse chunks that hold more than they declare: HDF5 decompresses them to their end, whatever that takes.

    Every chunk is decompressed up to its declared size, once per process and file.
    """
    from h5py import h5z

    plan = node.id.get_create_plist()
    codes = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    if node.chunks is None or not codes:
        return
    status = Path(node.file.filename).stat()
    identity = (node.file.filename, node.name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if identity in _checked:
        return
    declared = prod(node.chunks) * node.dtype.itemsize + _SPARE
    told = InputError("a chunk holds more than it declares", where, "write it anew (h5repack)")
    deflate = codes.index(h5z.FILTER_DEFLATE) if h5z.FILTER_DEFLATE in codes else None
    if deflate is not None and set(codes[deflate + 1 :]) - {h5z.FILTER_FLETCHER32}:
        raise InputError("the dataset is compressed more than once", where, "write it with gzip alone (h5repack)")
    chunks: list[h5py.h5d.StoreInfo] = []
    node.id.chunk_iter(chunks.append)
    for chunk in chunks:
        if chunk.size > 2 * declared:
            raise told
        skipped = deflate is None or chunk.filter_mask >> deflate & 1
        if skipped or chunk.size * _DEFLATE_RATIO <= max(_LITTLE, declared):
            continue
        raw = node.id.read_direct_chunk(chunk.chunk_offset)[1]
        with suppress(zlib.error):  # HDF5 reports the damage when the chunk is read
            if len(zlib.decompressobj().decompress(raw, declared + 1)) > declared:
                raise told
    _checked.add(identity)


def check_stored(node: h5py.Dataset, where: str, max_gib: float | None) -> None:
    """Refuse a dataset that declares more than is allowed or stored, in all or in a chunk, or cannot be unpacked."""
    _check_storage(node, where, max_gib)
    _check_filters(node, where)
    _check_chunks(node, where)


def safe_dataset(file: h5py.File, name: str, kind: str, ndim: int | None, max_gib: float | None = None) -> h5py.Dataset:
    """Return a dataset that holds its own data, of the right kind and a credible size.

    Parameters
    ----------
    file
        Open file to look into.
    name
        Name at the root of the file.
    kind
        NumPy kind: "c" complex, "f" floating, "b" boolean or number (a mask), "n" number of any kind or pair of them.
    ndim
        Expected rank; None for any.
    max_gib
        Largest size that the file may declare, in GiB; None for a quarter of the machine's memory.

    Returns
    -------
    h5py.Dataset
        Dataset of the file, not yet read.

    Raises
    ------
    InputError
        If it is missing, lies behind a link, in another file or is virtual, has another type or rank, is compressed
        with an unknown filter, or declares too much, as a whole or in one chunk.
    """
    where = f"{file.filename}:{name}"
    node = own_dataset(file, name)
    if node.dtype.kind not in {"b": "biuf", "n": "biufcV"}.get(kind, kind):
        wanted = {"c": "complex", "f": "floating-point", "b": "boolean or number", "n": "number"}[kind]
        raise InputError(f"the dataset has type {node.dtype}", where, f"{wanted} values are expected")
    if ndim is not None and node.ndim != ndim:
        other = {3: " (single-coil data)", 4: " (multi-coil data)"}.get(ndim, "")
        raise InputError(f"the dataset has shape {node.shape}", where, f"{ndim} axes are expected{other}")
    check_stored(node, where, max_gib)
    return node


def read_text(file: h5py.File | h5py.Group, name: str, max_gib: float | None = None) -> str:
    """Read a text of a file, such as ``ismrmrd_header``.

    Parameters
    ----------
    file
        Open file or group to look into.
    name
        Name in it.
    max_gib
        Largest size that the text may declare, in GiB; None for 16 MiB, since no header has more.

    Returns
    -------
    str
        Text as it is stored.

    Raises
    ------
    InputError
        If it is missing, lies elsewhere, is no text, or declares more than any header has.
    """
    from h5py import check_string_dtype

    where = _place(file, name)
    node = own_dataset(file, name)
    if node.size != 1 or (node.dtype.kind != "S" and check_string_dtype(node.dtype) is None):
        raise InputError(f"the text has shape {node.shape} and type {node.dtype}", where, "store one string")
    chunk = prod(node.chunks) * node.dtype.itemsize if node.chunks is not None else 0
    declared = max(node.dtype.itemsize, chunk)
    check_size(declared, "the text", where, _MAX_TEXT / 2**30 if max_gib is None else max_gib)
    _check_filters(node, where)
    _check_chunks(node, where)
    value = node[()] if node.shape == () else node[(0,) * node.ndim]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def as_mask(values: Array, shape: tuple[int, int], where: str) -> Array:
    """Check a sampling mask, and bring it to its shortest form.

    Parameters
    ----------
    values
        Zeros and ones, of shape (W,) or (H, W), with axes of length 1 anywhere, such as fastMRI's (1, 1, W, 1).
    shape
        Size (H, W) of k-space.
    where
        File and dataset, for the message.

    Returns
    -------
    np.ndarray
        Boolean mask with at least one True: the columns that were measured, shape (W,), or the points, shape (H, W).

    Raises
    ------
    InputError
        If it fits neither, has values besides 0 and 1 (NaN, for example), or samples nothing.
    """
    height, width = shape
    if values.shape == shape or (min(shape) > 1 and np.squeeze(values).shape == shape):
        mask = values.reshape(shape)
    elif values.size == width and width in (1, *values.shape):
        mask = values.reshape(1, width)
    else:
        what = f"the mask has shape {values.shape}, k-space {height} rows and {width} columns"
        raise InputError(what, where, "store one value for each column, or for each point")
    bad = int((~np.isin(mask, (0, 1))).sum())
    if bad:
        raise InputError(f"the mask holds {bad} values that are neither 0 nor 1", where, "store 0 and 1")
    if not mask.any():
        raise InputError(f"the mask has shape {values.shape}, 0 lines", where, "mark the columns that were measured")
    return (mask[0] if (mask == mask[:1]).all() else mask).astype(bool)


def read_mask(file: h5py.File, shape: tuple[int, int], name: str = "mask") -> Array:
    """Read the sampling mask of a file: which columns or points of k-space were measured.

    Parameters
    ----------
    file
        Open file to look into.
    shape
        Size (H, W) of its k-space.
    name
        Name of the dataset at the root of the file.

    Returns
    -------
    np.ndarray
        Boolean mask, shape (W,) or (H, W); see `as_mask`.

    Raises
    ------
    InputError
        If it is no mask of k-space.
    """
    return as_mask(safe_dataset(file, name, "b", None)[()], shape, f"{file.filename}:{name}")
