"""Deconvolve seismic sections."""

import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from sgdj.data.numpy_files import read_header
from sgdj.data.section import read_section
from sgdj.errors import InputError
from sgdj.reconstruction.base import Format, Outcome
from sgdj.reconstruction.segy_output import write_segy

_MEASURED = ("data", "traces")  # names of the measured array in an archive


class SectionFormat(Format):
    """Turn measured traces into reflectivity, in the data's scale; SEG-Y headers are kept."""

    suffixes = (".sgy", ".segy", ".npz")

    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Write the file's own format; an ``.npz`` gets the array ``reconstruction``, integer SEG-Y becomes floats."""
        archive = source.suffix.lower() == ".npz"
        y = read_section(source, self._key(source) if archive else None, self.max_gib)
        output = self.apply_scaled(torch.from_numpy(y)[None, None], source)[0, 0].numpy()
        if archive:
            with target.open("wb") as file:
                np.savez(file, reconstruction=output)
            return Outcome(y, output)
        former = write_segy(source, target, output)
        if former:
            self.tell(f"{source.name}: {former} cannot hold the result; its output has 32-bit IEEE floats")
        return Outcome(y, output)

    def _key(self, source: Path) -> str | None:
        """Return the name of the measured section in an archive, ``data`` if there are several.

        None leaves the choice to the reader.
        """
        try:
            names, sections = _arrays(source)
        except (OSError, zipfile.BadZipFile):
            return None  # the reader reports what is wrong
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


def _arrays(source: Path) -> tuple[list[str], list[str]]:
    """List the names of all arrays of an archive, and of the real two-dimensional ones, from their headers alone."""
    names, sections = [], []
    with zipfile.ZipFile(source) as archive:
        for member in archive.namelist():
            names.append(member.removesuffix(".npy"))
            with suppress(Exception), archive.open(member) as file:  # the reader reports the damage
                shape, kind = read_header(file, str(source))
                if len(shape) == 2 and kind.kind in "fiu":
                    sections.append(names[-1])
    return names, sections
