"""Name outputs and panels, a different name for every input."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sgdj.reconstruction.record import PANELS, Entry
from sgdj.runtime.text import file_name, folded


@dataclass(frozen=True)
class Item:
    """One file to reconstruct.

    Parameters
    ----------
    source
        Measured file to read.
    name
        Path relative to the folder that was given, or the file's name; with forward slashes.
    output, panel
        Paths of result and figure, relative to the output folder.
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
    """Yield names for a file's output: its stem, its whole name, then numbered ones."""
    stem = PurePosixPath(name).stem
    for kept in (stem, name):
        yield str(folder / file_name(kept, suffix))
    number = 2
    while True:
        yield str(folder / file_name(f"{stem}-{number}", suffix))
        number += 1


def name_outputs(files: Sequence[tuple[Path, str, str]], recorded: dict[str, Entry]) -> list[Item]:
    """Give each file an output and a panel of its own, even where a file system takes several names for one.

    An output is named after its input's stem. Of several inputs that would share a name, the one that has it already
    keeps it (an earlier call's, else the one whose name needs no change, else the first); the others' outputs are named
    after the input's whole name, such as ``a.png.tiff`` for ``a.png`` beside ``a.tiff``.

    Parameters
    ----------
    files
        Each file with its relative name, and the suffix that its output has.
    recorded
        Outputs of earlier calls, by path relative to the output folder.

    Returns
    -------
    list of Item
        One item per file, in the order given.
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
