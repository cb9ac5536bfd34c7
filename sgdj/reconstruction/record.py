"""Define the content of ``reconstruction.json``, and which names of outputs it may hold."""

import os
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

RECORD, SCORES, PANELS = "reconstruction.json", "scores.csv", "panels"
_LONGEST = 255  # bytes of a name, as `file_name` has it


@dataclass
class Entry:
    """Record of one output.

    Parameters
    ----------
    input
        Path of its input, relative to the folder that was given.
    input_sha256, sha256
        Hashes of the content of input and output.
    panel, panel_sha256
        Path of the figure relative to the output folder, and its hash; empty if there is none.
    scores
        Metrics by name, if the input holds a reference.
    """

    input: str
    input_sha256: str
    sha256: str
    panel: str = ""
    panel_sha256: str = ""
    scores: dict[str, float] = field(default_factory=dict)


@dataclass
class Record:
    """Content of ``reconstruction.json``.

    Parameters
    ----------
    checkpoint
        SHA-256 of the checkpoint's file.
    settings
        Other settings that decide the result, by dotted key.
    outputs
        Entries by path relative to the output folder.
    format
        Version of this layout.
    """

    checkpoint: str
    settings: dict[str, object]
    outputs: dict[str, Entry] = field(default_factory=dict)
    format: Literal[1] = 1


def check_names(output: str, entry: Entry) -> None:
    """Refuse names in a record that `name_outputs` does not give, because anybody may have written the record.

    Parameters
    ----------
    output
        Path of the output, relative to the output folder.
    entry
        Its entry in the record.

    Raises
    ------
    ValueError
        If a name is refused, with the name.
    """
    source = PurePosixPath(entry.input)
    for name, folder in (
        (output, source.parent),
        (entry.panel or str(PurePosixPath(PANELS, source)), PurePosixPath(PANELS, source.parent)),
    ):
        path = PurePosixPath(name)
        outside = path.is_absolute() or ".." in path.parts or "\0" in name
        placed = path.name and path == folder / path.name and str(path) == name
        hidden = path.name.startswith(".") and not source.name.startswith(".")
        long = any(len(os.fsencode(part)) > _LONGEST for part in path.parts)
        if outside or hidden or long or not placed or name in (RECORD, SCORES):
            raise ValueError(name)
