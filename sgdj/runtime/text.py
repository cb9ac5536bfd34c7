"""Make text from outside (names of files, attributes, settings) safe for the place where it is shown or stored.

Each function leaves an ordinary name as it is. Apply one of them where text leaves the program, and only there: names
that the program works with stay as they were given.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import overload

#: A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = tuple("=+-@\t\r＝＋－＠")
_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "{}$&#_%"},
}  # fmt: skip


def printable(text: object) -> str:
    r"""Return text on one line that a terminal cannot take for a command.

    Characters that are not visible are written as their escapes: control characters such as ESC (``\x1b``), marks that
    reverse the direction of writing (``\u202e``), and bytes of a name that is not UTF-8 (``\udcff``).
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@overload
def cell(value: str) -> str: ...
@overload
def cell(value: object) -> object: ...
def cell(value: object) -> object:
    r"""Return a value for a CSV file; `from_cell` gives the text back.

    A text that a spreadsheet would run as a formula gets an apostrophe before it; one with invisible characters or
    backslashes is written with escapes (``\x1b``; a backslash is doubled). Numbers stay as they are, as text too.
    """
    if not isinstance(value, str):
        return value
    if "\\" in value or not value.isprintable():
        escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in value.replace("\\", r"\\"))
        value = "".join(escaped)
    if value.lstrip("'").startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def from_cell(text: str) -> str:
    """Invert `cell`: return the original text."""
    if text.startswith("'") and text.lstrip("'").startswith(_FORMULA):
        text = text[1:]
    if "\\" not in text:
        return text

    def character(found: re.Match[str]) -> str:
        code = found[1]
        return code if code == "\\" else {"n": "\n", "r": "\r", "t": "\t"}.get(code) or chr(int(code[1:], 16))

    return re.sub(r"\\(\\|[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", character, text)


class Markup(str):
    """Text that is Markdown already; `markdown` leaves it unchanged."""

    __slots__ = ()


def markdown(text: object) -> Markup:
    """Escape text for a Markdown document, also within a table: no markup, link, image or HTML."""
    if isinstance(text, Markup):
        return text
    shown = re.sub(r"&(?=#?\w+;)", "&amp;", printable(text))
    shown = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", shown)
    return Markup(re.sub(r"[\\`*|]|\](?=[(\[:])", r"\\\g<0>", shown))


def markdown_code(text: object) -> Markup:
    """Return a code span of Markdown, also within a table."""
    code = printable(text).replace("|", r"\|")
    ticks = max((len(run) for run in re.findall("`+", code)), default=0)
    return Markup(f"`{code}`" if not ticks else f"{'`' * (ticks + 1)} {code} {'`' * (ticks + 1)}")


def bold(text: object) -> Markup:
    """Set text in bold type of a Markdown document."""
    return Markup(f"**{markdown(text)}**")


def markdown_table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Make a table of a Markdown document, without a line end behind it.

    Parameters
    ----------
    header
        Titles of the columns.
    rows
        Cells of every line, as many as there are columns; text that is no `Markup` is escaped.

    Returns
    -------
    str
        Lines of the table, joined.

    Raises
    ------
    ValueError
        If a line has another number of cells.
    """
    head = "".join(f" {markdown(title)} |" if title else " |" for title in header)
    lines = [f"|{head}", "|" + "---|" * len(header)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"{len(row)} cells in a table of {len(header)} columns")
        lines.append(f"| {' | '.join(map(markdown, row))} |")
    return "\n".join(lines)


def plus_minus(mean: float, spread: float | None, digits: int) -> str:
    """Write a mean and its spread, rounded; the mean alone where there is no spread."""
    return f"{mean:.{digits}f}" if spread is None else f"{mean:.{digits}f} ± {spread:.{digits}f}"


def latex(text: object) -> str:
    """Escape text for a LaTeX document."""
    return "".join(_LATEX.get(c, c) for c in printable(text))


def label(text: object, longest: int = 100) -> str:
    """Escape text for a figure, so that matplotlib finds no formula; the middle of a long one is left out."""
    shown = printable(text)
    if len(shown) > longest:
        shown = f"{shown[: longest // 2]}…{shown[-(longest // 2) + 1 :]}"
    return shown.replace("$", r"\$")


def file_name(stem: str, suffix: str = "", longest: int = 255) -> str:
    """Return a name for a new file: separators become dashes; too long a name is cut, and stays unique by a hash.

    Parameters
    ----------
    stem
        Text that the file is named after; bytes that are not UTF-8 stay as they are.
    suffix
        Text that is put after it, whole.
    longest
        Largest number of bytes that a file system takes.

    Returns
    -------
    str
        Name of at most `longest` bytes.
    """
    stem = stem.replace("/", "-").replace("\0", "-")
    room = longest - len(suffix.encode(errors="surrogateescape"))
    whole = stem.encode(errors="surrogateescape")
    if len(whole) <= room:
        return stem + suffix
    mark = f"-{hashlib.sha256(whole).hexdigest()[:8]}"
    kept = whole[: room - len(mark)]
    while kept and whole[len(kept)] & 0xC0 == 0x80:  # not in the middle of a character
        kept = kept[:-1]
    return kept.decode(errors="surrogateescape") + mark + suffix


def folded(name: str) -> str:
    """Return what names have in common that a file system may take for one: letters of either case, composed or not."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
