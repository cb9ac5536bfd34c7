"""Define how every figure looks, and how it is written."""

import warnings
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from sgdj.runtime.text import file_name
from sgdj.runtime.text import label as plain
from sgdj.runtime.writing import write_atomically

#: Colour-blind safe (Okabe & Ito, 2008).
COLOURS = {"first": "#0072B2", "second": "#D55E00", "third": "#009E73", "fourth": "#CC79A7"}
#: The same colour and marker for a strategy in every figure.
STRATEGIES = {
    "mse": ("#000000", "o", "MSE"),
    "adversarial": ("#D55E00", "s", "adversarial training"),
    "input_jitter": ("#009E73", "^", "input jittering"),
    "jitter": ("#0072B2", "D", "SGD jittering"),
}
#: Colours of strategies that are not listed above.
_OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#F0E442")


def look(strategy: str) -> tuple[str, str, str]:
    """Return colour, marker and label of a strategy; one that is not listed keeps its own name."""
    other = _OTHERS[sum(strategy.encode()) % len(_OTHERS)]
    return STRATEGIES.get(strategy, (other, "v", plain(strategy)))


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
