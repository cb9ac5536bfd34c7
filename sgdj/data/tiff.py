"""Read TIFF files as the images they show, or say why not."""

import logging
import zlib
from math import prod
from pathlib import Path
from struct import unpack
from typing import TYPE_CHECKING

import numpy as np

from sgdj.data.gray import Pixels
from sgdj.data.limits import check_size
from sgdj.data.pictures import read_picture
from sgdj.errors import InputError
from sgdj.runtime.arrays import Array

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

_NONE, _DEFLATE = 1, (8, 32946)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_JPEG = (6, 7)
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_SAVE = "save it as uncompressed or deflate TIFF, or as PNG"


def _turned(array: Array, orientation: int, rows: int) -> Array:
    """Turn pages as the orientation tag says; `rows` is the axis of the rows, columns follow."""
    axes = (rows, rows + 1)
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, *axes)
    upside_down, mirrored = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    flips = tuple(axis for axis, flip in zip(axes, (upside_down, mirrored), strict=True) if flip)
    return np.flip(array, flips)


def _check_chain(tif: "TiffFile", where: str) -> None:
    """Refuse pages that refer back to an earlier one: tifffile would count them without end."""
    form, file = tif.tiff, tif.filehandle
    file.seek(8 if form.is_bigtiff else 4)
    seen: set[int] = set()
    while len(content := file.read(form.offsetsize)) == form.offsetsize:
        (offset,) = unpack(form.offsetformat, content)
        if offset == 0 or offset >= file.size:
            return
        if offset in seen:
            raise InputError("the file is damaged (its pages refer back to one another)", where, "copy it again")
        seen.add(offset)
        file.seek(offset)
        if len(content := file.read(form.tagnosize)) < form.tagnosize:
            return
        file.seek(offset + form.tagnosize + unpack(form.tagnoformat, content)[0] * form.tagsize)


def _pages(tif: "TiffFile", where: str) -> "TiffPageSeries":
    """Return the one series of equal pages that the file shows."""
    shown = [s for s in tif.series if not int(s.keyframe.subfiletype) & (_REDUCED | _MASK)]
    if any(int(s.keyframe.subfiletype) & _MASK for s in tif.series):
        raise InputError("the file holds a transparency mask", where, "flatten the image onto a background")
    if not shown:
        raise InputError("the file shows only a reduced copy of its image", where, f"open the image and {_SAVE}")
    if len(shown) > 1:
        sizes = ", ".join(" x ".join(map(str, s.shape)) for s in shown[:4])
        raise InputError(
            f"the file holds {len(shown)} images of different sizes or kinds ({sizes})",
            where,
            "save those that you mean as one stack, or each by itself",
        )
    return shown[0]


def _check_segments(tif: "TiffFile", series: "TiffPageSeries", expected: int, where: str) -> None:
    """Refuse strips or tiles that hold more than they declare, decompressing no more than that of each."""
    for page in (page for page in series.pages if page is not None):
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            tif.filehandle.seek(offset)
            data = tif.filehandle.read(count)
            if len(zlib.decompressobj().decompress(data, expected + 1)) > expected:
                raise InputError(f"a strip or tile holds more than its {expected} bytes", where, _SAVE)


def _by_pillow(page: "TiffPage") -> bool:
    """Check whether Pillow decodes this page without loss: 8 bits a sample, or 16-bit or float gray."""
    bits, samples = page.bitspersample, page.samplesperpixel
    sampleformat = int(page.sampleformat or 1)
    if page.photometric == _PALETTE:
        return bits in (1, 2, 4, 8) and samples == 1
    if page.photometric == _YCBCR:
        return page.compression in _JPEG and bits == 8
    if page.photometric == _RGB:
        return bits == 8 and sampleformat == 1 and samples in (3, 4)
    if samples != 1:
        return False
    return (bits in (1, 8) and sampleformat == 1) or (
        page.photometric == _BLACK_IS_ZERO and (bits, sampleformat) in ((16, 1), (32, 3))
    )


def _check_kind(page: "TiffPage", where: str) -> None:
    """Refuse pages whose samples have no gray value."""
    name = getattr(page.photometric, "name", str(page.photometric))
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR):
        raise InputError(f"the image has {name} colours", where, "save it as gray values or RGB")
    if isinstance(page.bitspersample, tuple):
        raise InputError(f"the channels have {page.bitspersample} bits", where, "save them with 8 or 16 bits each")
    if page.dtype is None or page.dtype.kind not in "fiub":
        raise InputError(f"the image has type {page.dtype}", where, "save real numbers")
    if page.photometric == _WHITE_IS_ZERO and page.dtype.kind not in "ub":
        raise InputError(f"the image has type {page.dtype} and white is zero", where, "save it with black at zero")
    colours = 3 if page.photometric in (_RGB, _YCBCR) else 1
    extra = page.samplesperpixel - colours
    alpha = [int(kind) in (1, 2) for kind in page.extrasamples]
    if extra and not (colours == 3 and extra == 1 and (not alpha or all(alpha))):
        raise InputError(
            f"the image has {page.samplesperpixel} channels, {extra} besides its {name}",
            where,
            "save the channel that you mean by itself",
        )


def _white(page: "TiffPage") -> float:
    """Return the value of white: 1 for floats, else the largest that the bits of a sample hold."""
    assert page.dtype is not None  # see _check_kind
    if page.dtype.kind in "fb":
        return 1
    return float(2 ** (page.bitspersample - (page.dtype.kind == "i")) - 1)


def read_tiff(path: Path, max_gib: float | None) -> Pixels:
    """Decode the images of a TIFF file.

    Palettes, white at zero, planes of colours, packed bits and the orientation tag are followed; reduced copies are
    passed over. tifffile decodes what is uncompressed or deflated, and Pillow other compressions where it loses
    nothing.

    Parameters
    ----------
    path
        TIFF file to read.
    max_gib
        Largest size that the file may declare, in GiB; None for a quarter of the machine's memory.

    Returns
    -------
    Pixels
        Decoded pages, shape (S, H, W), or with a last axis of colours.

    Raises
    ------
    InputError
        If it declares too much, or shows something that has no gray values, or is compressed in a way that neither
        library reads.
    """
    from tifffile import TiffFile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    where = str(path)
    with TiffFile(path, is_ome=False, is_mmstack=False, is_ndtiff=False) as tif:  # their metadata may name other files
        _check_chain(tif, where)
        series = _pages(tif, where)
        page = series.keyframe
        check_size(prod(series.shape) * 8, f"the image {series.shape}", where, max_gib)
        segment = prod(page.chunks) if page.is_tiled else prod(page.chunks[1:]) * min(page.chunks[0], page.imagelength)
        check_size(segment * 8, f"one strip or tile {page.chunks}", where, max_gib)
        _check_kind(page, where)
        orientations = {int(p.tags.valueof(274, 1) or 1) for p in series.pages if p is not None and hasattr(p, "tags")}
        if len(orientations) > 1:
            raise InputError("the pages are turned in different ways", where, "save them upright")
        plain = page.compression in (_NONE, *_DEFLATE) and page.photometric not in (_PALETTE, _YCBCR)
        if plain:
            if page.compression in _DEFLATE and page.dtype is not None:
                _check_segments(tif, series, segment * page.dtype.itemsize, where)
            array, axes = series.asarray(level=0), series.axes
        elif not _by_pillow(page):
            how, kind = (getattr(value, "name", value) for value in (page.compression, page.photometric))
            raise InputError(
                f"TIFF of {page.bitspersample} bits, {kind}, compressed by {how}, cannot be read here",
                where,
                _SAVE,
            )
        pages = len(series.pages)
        white = _white(page)
    if not plain:
        made = read_picture(path, max_gib, ("TIFF",))
        if (len(made.array) if made.array.ndim - made.colour == 3 else 1) != pages:
            raise InputError("the file holds reduced copies beside its image", where, _SAVE)
        return made
    colour = page.photometric == _RGB
    if colour and axes.endswith("SYX"):
        array = np.moveaxis(array, -3, -1)
    if page.photometric == _WHITE_IS_ZERO:
        array = ~array if array.dtype == bool else array.dtype.type(white) - array
    return Pixels(_turned(array, max(orientations, default=1), array.ndim - 2 - colour), white, colour)
