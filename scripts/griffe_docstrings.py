"""Extension of griffe, which reads docstrings for the reference: says what it shows wrongly in words that it knows."""

import re
from typing import Any

import griffe


def readable(text: str) -> str:
    """Give each of several parameters that share a line one of its own, with its own type, and formulas no role.

    Parameters
    ----------
    text
        Docstring in NumPy style.

    Returns
    -------
    str
        Docstring that says the same.
    """

    def apart(found: re.Match[str]) -> str:
        lines = found[3].rstrip("\n")
        return "".join(f"{found[1]}{name}\n{lines}\n" for name in found[2].split(", "))

    text = re.sub(r"^( *)(\w+(?:, \w+)+)\n((?:\1 +\S.*\n?|\n(?=\1 ))+)", apart, text, flags=re.MULTILINE)
    return text.replace(":math:`", "`")


class Readable(griffe.Extension):
    """Make every docstring `readable` before it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Replace the docstring of an object, if it has one."""
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)
