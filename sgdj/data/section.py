"""Read a seismic section of velocity, impedance or reflectivity."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgdj.data.arrays import ArrayImages
from sgdj.data.hashing import file_digests
from sgdj.data.layered import reflectivity
from sgdj.data.source import ImageSet, Source, Split
from sgdj.data.values import check_values
from sgdj.errors import InputError

_NAMES = ("model", "velocity", "vp", "impedance", "reflectivity", "data")
SUFFIXES = (".npy", ".npz", ".sgy", ".segy")


def read_segy(path: Path) -> np.ndarray:
    """Traces of a post-stack SEG-Y file as the columns of an array (depth, traces), in file order.

    Raises
    ------
    InputError
        If segyio cannot read the file.
    """
    import segyio

    try:
        with segyio.open(path, ignore_geometry=True) as file:
            return np.asarray(file.trace.raw[:], dtype=np.float64).T
    except Exception as error:  # segyio raises whatever its C layer meets
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise InputError(f"the SEG-Y file cannot be read ({reason})", str(path), "replace the file") from error


def read_section(path: Path, key: str | None) -> np.ndarray:
    """Read a 2-D array (depth, traces) from SEG-Y, or from ``.npy`` or ``.npz`` without pickle.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no finite real 2-D array under that key.
    """
    where = f"dataset.path={path}"
    if not path.is_file():
        raise InputError("no such file", where, f"give a {', '.join(SUFFIXES)} file")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"unknown format {path.suffix or '(none)'}", where, f"give a {', '.join(SUFFIXES)} file")
    if path.suffix.lower() in (".sgy", ".segy"):
        return _checked(read_segy(path), where)
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            array = loaded if isinstance(loaded, np.ndarray) else _named(loaded, key, where)
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's parser of headers each fail in their own way
        mend = "save plain arrays without pickle" if "pickle" in str(error).lower() else "replace the file"
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise InputError(f"the file cannot be read ({reason})", where, mend) from error
    return _checked(array, where)


def _named(arrays: Any, key: str | None, where: str) -> np.ndarray:
    """The array under a key, or under a known name."""
    names = arrays.files
    name = key or next((n for n in _NAMES if n in names), None)
    if name not in names:
        what = f"no array {key!r}" if key else "no array with a known name"
        raise InputError(what, where, f"choose one of {', '.join(names)} with dataset.key")
    return np.asarray(arrays[name])


def _checked(array: np.ndarray, where: str) -> np.ndarray:
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
        `dataset.seed`; the cut into panels does not depend on it.
    quantity
        "velocity" (with constant density), "impedance" or "reflectivity".
    key
        Name of the array in an ``.npz`` file; None takes the first known name.
    panel
        Height and width of a panel in samples and traces.
    stride
        Traces between training panels; validation and test panels do not overlap.
    fractions
        Share of the traces for train, val and test.
    gap
        Traces left out between two blocks.
    """

    def __init__(
        self,
        path: str,
        seed: int,
        quantity: str,
        key: str | None,
        panel: Sequence[int],
        stride: int,
        fractions: dict[str, float],
        gap: int,
    ) -> None:
        self.path, self.seed, self.quantity, self.key = Path(path), seed, quantity, key
        self.height, self.width = panel
        self.stride, self.fractions, self.gap = stride, dict(fractions), gap

    def prepare(self) -> None:
        """Read the section and cut it.

        Raises
        ------
        InputError
            If the file cannot be used or is too small for one panel per block.
        """
        section = read_section(self.path, self.key)
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
                f"the section has {depth} samples in depth", where, f"set dataset.panel below {self.height}"
            )
        self._panels: dict[str, tuple[list[np.ndarray], list[str]]] = {}
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

    def manifest(self) -> dict[str, Any]:
        """Name and hash of the file, and how it is cut."""
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
        """The panels of a split."""
        panels, names = self._panels[split]
        return ArrayImages(np.stack(panels), names, [self.path.stem] * len(names))
