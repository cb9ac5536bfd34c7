"""Text from outside (names of files, attributes, settings) made safe for the place where it is shown or stored.

Each function leaves an ordinary name as it is. Apply one of them where text leaves the program, and only there: names
that the program works with stay as they were given.
"""

import hashlib
import re
import sys
import traceback
import unicodedata
from typing import TextIO, overload

#: A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = tuple("=+-@\t\r＝＋－＠")
_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "{}$&#_%"},
}  # fmt: skip


def printable(text: object) -> str:
    r"""Text on one line that a terminal cannot take for a command.

    Whatever is no visible character is written as its escape: control characters such as ESC (``\x1b``), marks that
    reverse the direction of writing (``\u202e``), and bytes of a name that is not UTF-8 (``\udcff``).
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def say(line: object, file: TextIO | None = None) -> None:
    """Print a line at once, to standard output or to `file`, with what is in it made `printable`."""
    print(printable(line), file=file or sys.stdout, flush=True)


def say_traceback(error: BaseException) -> None:
    """Print a traceback to standard error, `printable` line by line: a message may hold names."""
    for line in "".join(traceback.format_exception(error)).splitlines():
        say(line, sys.stderr)


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
    r"""A value for a CSV file; `from_cell` gives the text back.

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
    """The text that `cell` made this of."""
    if text.startswith("'") and text.lstrip("'").startswith(_FORMULA):
        text = text[1:]
    if "\\" not in text:
        return text

    def character(found: re.Match[str]) -> str:
        code = found[1]
        return code if code == "\\" else {"n": "\n", "r": "\r", "t": "\t"}.get(code) or chr(int(code[1:], 16))

    return re.sub(r"\\(\\|[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", character, text)


def markdown(text: object) -> str:
    """Plain text of a Markdown document, also within a table: no markup, link, image or HTML."""
    shown = re.sub(r"&(?=#?\w+;)", "&amp;", printable(text))
    shown = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", shown)
    return re.sub(r"[\\`*|]|\](?=[(\[:])", r"\\\g<0>", shown)


def markdown_code(text: object) -> str:
    """A code span of Markdown, also within a table."""
    code = printable(text).replace("|", r"\|")
    ticks = max((len(run) for run in re.findall("`+", code)), default=0)
    return f"`{code}`" if not ticks else f"{'`' * (ticks + 1)} {code} {'`' * (ticks + 1)}"


def latex(text: object) -> str:
    """Plain text of a LaTeX document."""
    return "".join(_LATEX.get(c, c) for c in printable(text))


def label(text: object, longest: int = 100) -> str:
    """Plain text of a figure, in which matplotlib finds no formula; the middle of a long one is left out."""
    shown = printable(text)
    if len(shown) > longest:
        shown = f"{shown[: longest // 2]}…{shown[-(longest // 2) + 1 :]}"
    return shown.replace("$", r"\$")


def file_name(stem: str, suffix: str = "", longest: int = 255) -> str:
    """A name for a new file: separators become dashes, and a name of too many bytes is shortened to one of its own.

    Parameters
    ----------
    stem
        What the file is named after; bytes that are not UTF-8 stay as they are.
    suffix
        Put after it, whole.
    longest
        Largest number of bytes that a file system takes.
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
    """What names have in common that a file system may take for one: letters of either case, composed or not."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
