"""Gather the pages of the documentation's site: README, docs/, results/, and a reference of every public name.

python -m scripts.pages build/pages      # then mkdocs build --strict, as `make docs` does
"""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.common import Parser, status
from sgdj import _PUBLIC
from sgdj.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
_REFERENCE = Path("docs", "reference")
#: Where a reader of the reference looks for a public name; the rest of its module's name.
_TITLES = {
    "operators": "Operators", "networks": "Networks", "strategies": "Strategies", "attacks": "Attacks",
    "audit": "Audit and certificates", "certificates": "Audit and certificates", "config": "Settings",
    "data": "Data", "runtime": "Random numbers", "evaluation": "Evaluation and metrics",
    "metrics": "Evaluation and metrics", "runs": "Trained networks",
}  # fmt: skip


def reference() -> dict[str, str]:
    """Write the pages of the reference.

    Returns
    -------
    dict
        Text by file name; every public name has a heading, and a directive for mkdocstrings.
    """
    rooms: dict[str, list[str]] = {}
    for module, names in _PUBLIC.items():
        title = _TITLES[module.split(".")[1]]
        rooms.setdefault(title, []).extend(f"## `sgdj.{name}`\n\n::: {module}.{name}\n" for name in names)
    pages = {re.sub(r"\W+", "-", title.lower()) + ".md": (title, entries) for title, entries in sorted(rooms.items())}
    index = "\n".join(f"- [{title}]({name})" for name, (title, _) in pages.items())
    texts = {name: "\n".join([f"# {title}\n", *entries]) for name, (title, entries) in pages.items()}
    return {"index.md": f"# Reference\n\nEvery public name of the package, `import sgdj`.\n\n{index}\n", **texts}


def _sources() -> Iterator[Path]:
    """Yield the files that the site is made of, relative to the project."""
    yield from (Path(name) for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff"))
    for folder, kinds in (("docs", ("*.md", "*.css")), ("results", ("*.md", "*.png", "*.csv"))):
        yield from sorted(path.relative_to(ROOT) for kind in kinds for path in (ROOT / folder).rglob(kind))


def gather(target: Path) -> None:
    """Copy every page to a folder that is made anew, where it has the place that it has in the project.

    Parameters
    ----------
    target
        Folder of the pages; it is new, empty, or one that this function has filled before.

    Raises
    ------
    InputError
        If something else is there.
    """
    if target.is_symlink() or target.is_file() or (target.is_dir() and any(target.iterdir()) and not _made(target)):
        raise InputError("the folder is not empty, and holds no pages", str(target), "name another one")
    shutil.rmtree(target, ignore_errors=True)
    (target / _REFERENCE).mkdir(parents=True)  # first: by it the folder is known, if it is left half done, too
    for name, text in reference().items():
        (target / _REFERENCE / name).write_text(text)
    for source in _sources():
        (target / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, target / source)


def _made(folder: Path) -> bool:
    """Check whether a folder was filled here: the project itself has no reference."""
    index = folder / _REFERENCE / "index.md"
    return index.is_file() and index.read_bytes().startswith(reference()["index.md"][:20].encode())


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python -m scripts.pages", __doc__)
    made.add_argument("target", type=Path, metavar="FOLDER", help="folder for the pages; earlier ones are removed")
    return made


def main(arguments: list[str]) -> int:
    """Gather the pages."""
    gather(parser().parse_args(arguments).target)
    return 0


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
