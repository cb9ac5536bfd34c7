"""Names of outputs and panels, one of its own for every input."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sgdj.reconstruction.record import PANELS, Entry
from sgdj.text import file_name, folded


@dataclass(frozen=True)
class Item:
    """One file to reconstruct.

    Parameters
    ----------
    source
        The file.
    name
        Its path relative to the folder that was given, or its name; with forward slashes.
    output, panel
        Where result and figure belong, relative to the output folder.
    """

    source: Path
    name: str
    output: str
    panel: str


def _free(names: Iterator[str], taken: set[str]) -> str:
    name = next(name for name in names if folded(name) not in taken)
    taken.add(folded(name))
    return name


def _candidates(folder: PurePosixPath, name: str, suffix: str) -> Iterator[str]:
    """Names for what becomes of a file: its stem, its whole name, then numbered ones."""
    stem = PurePosixPath(name).stem
    for kept in (stem, name):
        yield str(folder / file_name(kept, suffix))
    number = 2
    while True:
        yield str(folder / file_name(f"{stem}-{number}", suffix))
        number += 1


def name_outputs(files: Sequence[tuple[Path, str, str]], recorded: dict[str, Entry]) -> list[Item]:
    """Give each file an output and a panel of its own, also where a file system takes several names for one.

    An output is named after its input's stem. Of several inputs that would share a name, the one that has it already
    keeps it (an earlier call's, else the one whose name needs no change, else the first); the others' outputs are named
    after the input's whole name, such as ``a.png.tiff`` for ``a.png`` beside ``a.tiff``.

    Parameters
    ----------
    files
        File, its relative name, and the suffix that its output has.
    recorded
        Outputs of earlier calls.
    """
    known = {entry.input: name for name, entry in recorded.items()}
    panels = {entry.input: entry.panel for entry in recorded.values() if entry.panel}
    taken, drawn = {folded(name) for name in recorded}, {folded(name) for name in panels.values()}
    items = {}
    for source, name, suffix in sorted(files, key=lambda file: (not file[1].endswith(file[2]), file[1])):
        path = PurePosixPath(name)
        output = known.get(name) or _free(_candidates(path.parent, path.name, suffix), taken)
        place = PANELS / path.parent
        panel = panels.get(name) or _free(_candidates(place, path.name, ".png"), drawn)
        items[name] = Item(source, name, output, panel)
    return [items[name] for _, name, _ in files]
