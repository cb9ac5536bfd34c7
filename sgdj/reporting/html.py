"""Write one HTML file that needs nothing else: no script, no network, images within it, every text escaped."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from sgdj.runtime.text import printable

#: What a file of this module begins with, by which one that may be replaced is known.
MARK = b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="generator" content="sgdj">\n'
_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST = 32 << 20  # bytes of an image that is shown

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #59636e; --line: #d1d9e0; --band: #f4f6f8;
  --mark: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --back: #14181d; --text: #e6eaee; --soft: #9aa5b1; --line: #363e47;
  --band: #1d232a; --mark: #6cb8ea; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 80rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
p, li { max-width: 60rem; }
.soft, figcaption, caption { color: var(--soft); font-size: .9rem; }
caption { text-align: left; padding-bottom: .25rem; }
.wide { overflow-x: auto; }
.wide:focus-visible, summary:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .25rem .75rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
td + td, th + th { border-left: 0; }
tbody tr:nth-child(odd) { background: var(--band); }
thead th { white-space: nowrap; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); }
pre { white-space: pre-wrap; background: var(--band); padding: .5rem .75rem; border-radius: .25rem; }
summary { cursor: pointer; padding: .25rem 0; font-weight: 600; }
.settings td { overflow-wrap: anywhere; min-width: 8rem; }
"""


@dataclass(frozen=True)
class Part:
    """One section of a page.

    Parameters
    ----------
    title
        Heading of the section.
    body
        HTML of the section, made by the functions of this module.
    folded
        Whether the section is closed until somebody opens it.
    """

    title: str
    body: Sequence[str] = field(default_factory=list)
    folded: bool = False


def text(content: object) -> str:
    """Escape text from outside: no markup, no invisible character."""
    return escape(printable(content), quote=True)


def paragraph(content: object, soft: bool = False) -> str:
    """Write a paragraph; a soft one is small and grey."""
    kind = ' class="soft"' if soft else ""
    return f"<p{kind}>{text(content)}</p>"


def listed(items: Iterable[object]) -> str:
    """Write a list of texts."""
    return f"<ul>{''.join(f'<li>{text(item)}</li>' for item in items)}</ul>"


def code(content: object) -> str:
    """Write a command, or other text that is copied as it is."""
    return f"<pre><code>{text(content)}</code></pre>"


def table(header: Sequence[object], rows: Iterable[Sequence[object]], caption: str = "", kind: str = "") -> str:
    """Write a table, which scrolls within the page if it is wider; a keyboard reaches it.

    Parameters
    ----------
    header
        Titles of the columns.
    rows
        Cells of every row.
    caption
        Text above the table.
    kind
        Class of the table in the style sheet.

    Returns
    -------
    str
        HTML of the table.
    """
    head = "".join(f'<th scope="col">{text(title)}</th>' for title in header)
    lines = "".join(f"<tr>{''.join(f'<td>{text(value)}</td>' for value in row)}</tr>\n" for row in rows)
    above = f"<caption>{text(caption)}</caption>" if caption else ""
    label = text(caption or ", ".join(map(str, header)))
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{label}"><table class="{text(kind)}">{above}'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{lines}</tbody></table></div>"
    )


def picture(path: Path, caption: str) -> str:
    """Write a PNG image into the page; one that is missing, a link, too large or no PNG is named instead.

    Parameters
    ----------
    path
        File of the image.
    caption
        Text below it, which also stands for it.

    Returns
    -------
    str
        HTML of the figure.
    """
    try:
        usable = path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST
        content = path.read_bytes() if usable else b""
    except OSError:
        content = b""
    if not content.startswith(_PNG):
        return paragraph(f"{caption}: the image cannot be shown ({path.name})", soft=True)
    data = base64.b64encode(content).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{text(caption)}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def page(title: str, lead: Sequence[str], parts: Iterable[Part]) -> bytes:
    """Write a whole page.

    Parameters
    ----------
    title
        Title of the page.
    lead
        HTML between the title and the first section.
    parts
        Sections of the page, in order.

    Returns
    -------
    bytes
        Content of the file, in UTF-8.
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    body = []
    for part in parts:
        inner = "\n".join(part.body)
        heading = f"<h2>{text(part.title)}</h2>"
        if part.folded:
            body.append(f"<details><summary>{text(part.title)}</summary>\n{inner}\n</details>")
        else:
            body.append(f"<section>{heading}\n{inner}\n</section>")
    shown = "\n".join(
        [
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title>",
            f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
            f"<h1>{text(title)}</h1>",
            *lead,
            *body,
            "</main>\n</body>\n</html>\n",
        ]
    )
    return MARK + shown.encode()
