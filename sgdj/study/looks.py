"""Choose colour, marker and label of a strategy: the same in every figure of the study."""

from zlib import crc32

from sgdj.reporting.curves import Point
from sgdj.runtime.text import label
from sgdj.study.paper import LOOKS

#: Of strategies that the paper does not have.
_COLOURS = ("#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_MARKERS = "v<>PXhp*"


def look(strategy: str) -> tuple[str, str, str]:
    """Return colour, marker and label; those of a strategy that the paper does not have follow from its name."""
    colour, marker = divmod(crc32(strategy.encode()) % (len(_COLOURS) * len(_MARKERS)), len(_MARKERS))
    return LOOKS.get(strategy, (_COLOURS[colour], _MARKERS[marker], label(strategy)))


def by_strategy(point: Point) -> tuple[str, str, str, str]:
    """Choose a colour for each strategy; random noise is dashed, and has no label of its own."""
    colour, marker, name = look(point.reconstructor)
    return ("--", marker, colour, "") if point.curve == "gaussian" else ("-", marker, colour, name)
