"""Read a seismic section of velocity, impedance or reflectivity."""

import math
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sgdj.config.types import Count, Fractions, NonEmpty, NonNegativeInt, Positive, Seed, Side
from sgdj.data.arrays import ArrayImages
from sgdj.data.layered import reflectivity
from sgdj.data.numpy_files import read_npy, read_npz
from sgdj.data.segy import read_segy
from sgdj.data.source import ImageSet, Source, Split
from sgdj.data.values import check_values
from sgdj.errors import InputError, SettingError
from sgdj.runtime.arrays import Array
from sgdj.runtime.hashing import file_digests

_NAMES = ("model", "velocity", "vp", "impedance", "reflectivity", "data")
SUFFIXES = (".npy", ".npz", ".sgy", ".segy")


def read_section(path: Path, key: str | None, max_gib: float | None = None) -> Array:
    """Read a 2-D array (depth, traces) from SEG-Y, or from ``.npy`` or ``.npz`` without pickle.

    Parameters
    ----------
    path
        File that holds the section.
    key
        Name of the array in an ``.npz`` file; None takes the first known name.
    max_gib
        Largest size that the file may declare, in GiB, counted in double precision; None for a quarter of the machine's
        memory.

    Returns
    -------
    np.ndarray
        Section, shape (depth, traces), float64.

    Raises
    ------
    InputError
        If the file cannot be read, declares too much, or holds no finite real 2-D array under that key.
    """
    where, suffix = f"dataset.path={path}", path.suffix.lower()
    if not path.is_file():
        raise InputError("no such file", where, f"give a {', '.join(SUFFIXES)} file")
    if suffix not in SUFFIXES:
        raise InputError(f"unknown format {path.suffix or '(none)'}", where, f"give a {', '.join(SUFFIXES)} file")
    if suffix in (".sgy", ".segy"):
        return _checked(read_segy(path, max_gib), where)
    array = read_npy(path, max_gib, where) if suffix == ".npy" else read_npz(path, key, _NAMES, max_gib, where)
    return _checked(array, where)


def _checked(array: Array, where: str) -> Array:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InputError(
            f"the array has shape {array.shape} and type {array.dtype}",
            where,
            "a real array (depth, traces) is expected",
        )
    check_values(array, "the section", where)
    return array.astype(np.float64)


class SectionSource(Source):
    """One section, cut into fixed panels.

    Train, validation and test panels come from lateral blocks of the section with a gap between them; the section is
    one volume in every statistic.

    Parameters
    ----------
    path
        SEG-Y file, or ``.npz`` or ``.npy`` file with an array (depth, traces).
    seed
        Seed `dataset.seed`; the cut into panels does not depend on it.
    quantity
        "velocity" (with constant density), "impedance" or "reflectivity".
    key
        Name of the array in an ``.npz`` file; None takes the first known name.
    panel
        Height and width of a panel in samples and traces.
    stride
        Number of traces between training panels; validation and test panels do not overlap.
    fractions
        Share of the traces for train, val and test; they add up to 1.
    gap
        Number of traces left out between two blocks.
    max_gib
        Largest size that the file may declare, in GiB; None for a quarter of the machine's memory.

    Raises
    ------
    SettingError
        If the fractions do not add up to 1.
    """

    def __init__(
        self,
        path: NonEmpty,
        seed: Seed,
        quantity: Literal["velocity", "impedance", "reflectivity"],
        key: NonEmpty | None,
        panel: Annotated[list[Side], Field(min_length=2, max_length=2)],
        stride: Count,
        fractions: Fractions,
        gap: NonNegativeInt,
        max_gib: Positive | None = None,
    ) -> None:
        if not math.isclose(sum(fractions.values()), 1, abs_tol=1e-6):
            raise SettingError("fractions", "the fractions do not add up to 1", "change them")
        self.path, self.seed, self.quantity, self.key = Path(path), seed, quantity, key
        self.height, self.width = panel
        self.stride, self.fractions, self.gap, self.max_gib = stride, dict(fractions), gap, max_gib

    def prepare(self) -> None:
        """Read the section and cut it.

        Raises
        ------
        InputError
            If the file cannot be used or is too small for one panel per block.
        """
        section = read_section(self.path, self.key, self.max_gib)
        where = f"dataset.path={self.path}"
        if self.quantity != "reflectivity":
            if (section <= 0).any():
                raise InputError(
                    f"{self.quantity} must be positive everywhere", where, "or set dataset.quantity=reflectivity"
                )
            section = reflectivity(section)
        depth, traces = section.shape
        if depth < self.height:
            raise InputError(
                f"the section has {depth} samples in depth", where, f"set dataset.panel=[{depth},{self.width}] at most"
            )
        self._panels: dict[str, tuple[list[Array], list[str]]] = {}
        usable = traces - 2 * self.gap
        total = sum(self.fractions.values())
        left = 0
        for split, fraction in self.fractions.items():
            block = int(usable * fraction / total)
            if block < self.width:
                raise InputError(
                    f"the {split} block has {block} traces and a panel {self.width}",
                    where,
                    "lower dataset.panel or dataset.gap, or change dataset.fractions",
                )
            across = self.stride if split == "train" else self.width
            down = self.height // 2 if split == "train" else self.height
            panels, names = [], []
            for x in range(left, left + block - self.width + 1, across):
                for z in range(0, depth - self.height + 1, down):
                    panel = section[z : z + self.height, x : x + self.width]
                    if np.any(panel):
                        panels.append(panel)
                        names.append(f"{self.path.stem}/x{x:05d}z{z:05d}")
            if not panels:
                raise InputError(f"the {split} block has no reflector", where, "change dataset.fractions")
            self._panels[split] = (panels, names)
            left += block + self.gap

    def manifest(self) -> dict[str, object]:
        """Return name and hash of the file, and how it is cut."""
        if not self.path.is_file():
            raise InputError("no such file", f"dataset.path={self.path}", "give a .npz or .npy file")
        found = file_digests([self.path], "hashing the section")
        return {
            "source": "section",
            "file": [self.path.name, self.path.stat().st_size, found[self.path]],
            "quantity": self.quantity,
            "key": self.key,
            "panel": [self.height, self.width],
            "stride": self.stride,
            "fractions": self.fractions,
            "gap": self.gap,
        }

    def images(self, split: Split) -> ImageSet:
        """Return the panels of a split."""
        panels, names = self._panels[split]
        return ArrayImages(np.stack(panels), names, [self.path.stem] * len(names))
