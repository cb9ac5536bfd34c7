"""Leave out the drawing of figures, half of the time of a small run: their code runs, and a picture has one pixel.

That is how tests start, in this process and in those of `tests.program`, but for those marked ``figures``.
"""

import base64
import os
from typing import Any, BinaryIO

import pytest
from matplotlib.figure import Figure

#: Picture of one pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEANl9ngAAAAABJRU5ErkJggg=="
)
#: Environment variable that stands where figures are drawn.
DRAWN = "TESTS_DRAW"
_SAVE = Figure.savefig


def _leave_out(figure: Figure, file: BinaryIO, **settings: Any) -> None:
    file.write(PICTURE)


def leave_out_drawing() -> None:
    """Write a picture of one pixel in place of every figure, in this process, unless the environment says otherwise."""
    Figure.savefig = _SAVE if DRAWN in os.environ else _leave_out


def draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw figures for one test, in the programs that it starts, too."""
    monkeypatch.setenv(DRAWN, "1")
    monkeypatch.setattr(Figure, "savefig", _SAVE)
