"""How every figure looks, and how it is written."""

from pathlib import Path

from matplotlib.figure import Figure

#: Colour-blind safe (Okabe & Ito, 2008).
COLOURS = {"first": "#0072B2", "second": "#D55E00", "third": "#009E73", "fourth": "#CC79A7"}
#: The same colour and marker for a strategy in every figure.
STRATEGIES = {
    "mse": ("#000000", "o", "MSE"),
    "adversarial": ("#D55E00", "s", "adversarial training"),
    "input_jitter": ("#009E73", "^", "input jittering"),
    "jitter": ("#0072B2", "D", "SGD jittering"),
}


def save(figure: Figure, path: Path) -> None:
    """Write a figure with fixed metadata, so that equal figures are equal files."""
    dated = {"CreationDate": None, "Producer": None, "Creator": None}
    metadata = {"Software": None} if path.suffix == ".png" else dated
    figure.savefig(path, dpi=150, metadata=metadata)


def save_both(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as PNG and PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".pdf"):
        save(figure, folder / f"{name}{suffix}")
