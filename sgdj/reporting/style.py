"""Define how every figure looks, and how it is written."""

import warnings
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from sgdj.runtime.text import file_name
from sgdj.runtime.writing import write_atomically

#: Colour-blind safe (Okabe & Ito, 2008).
COLOURS = {"first": "#0072B2", "second": "#D55E00", "third": "#009E73", "fourth": "#CC79A7"}


def save(figure: Figure, path: Path) -> None:
    """Write a figure with fixed metadata, so that equal figures are equal files."""
    dated = {"CreationDate": None, "Producer": None, "Creator": None}
    metadata = {"Software": None} if path.suffix == ".png" else dated
    kind = path.suffix.removeprefix(".")
    content = BytesIO()  # written to the file in one step, which follows no link
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")  # a name may hold such letters
        figure.savefig(content, dpi=150, metadata=metadata, format=kind)
    write_atomically(path, content.getvalue())


def save_both(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as PNG and PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".pdf"):
        save(figure, folder / file_name(name, suffix))
