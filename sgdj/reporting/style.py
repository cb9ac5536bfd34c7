"""How every figure looks, and how it is written."""

from pathlib import Path

from matplotlib.figure import Figure

#: Colour-blind safe (Okabe & Ito, 2008).
COLOURS = {"first": "#0072B2", "second": "#D55E00", "third": "#009E73", "fourth": "#CC79A7"}


def save(figure: Figure, path: Path) -> None:
    """Write a figure with fixed metadata, so that equal figures are equal files."""
    metadata = {"Software": None} if path.suffix == ".png" else {"CreationDate": None, "Producer": None}
    figure.savefig(path, dpi=150, metadata=metadata)
