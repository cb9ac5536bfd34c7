"""Docstrings say enough: what `make lint` checks beside ruff's rules and pydoclint's."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from docstring_parser import DocstringStyle, parse

ROOT = Path(__file__).resolve().parent.parent
#: Fewest words of a summary line, and of the description of a parameter, an attribute or a returned value.
FEWEST = 3
#: What docstring_parser calls the items of Parameters and Attributes.
KINDS = ("param", "attribute")
FILES = (
    ROOT / "run.py",
    *(path for room in ("sgdj", "scripts", "tests") for path in (ROOT / room).rglob("*.py")),
)
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _words(text: str | None) -> int:
    return sum(any(letter.isalnum() for letter in word) for word in (text or "").split())


def _documented(source: str) -> Iterator[tuple[Documented, str]]:
    """Yield every node with a docstring, and that docstring without indentation."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield node, text


def too_short(source: str) -> Iterator[str]:
    """Yield what is described in fewer than three words, with its line."""
    for node, text in _documented(source):
        where = f"line {node.body[0].lineno}"
        summary = " ".join(text.partition("\n\n")[0].split())
        if _words(summary) < FEWEST:
            yield f"{where}: summary {summary!r}"
        for item in parse(text, style=DocstringStyle.NUMPYDOC).meta:
            if _words(item.description) < FEWEST:
                yield f"{where}: {' '.join(item.args)}: {item.description!r}"


def undocumented_fields(source: str) -> Iterator[str]:
    """Yield public fields of data classes that the class's list of parameters leaves out; pydoclint reads none."""
    for node, text in _documented(source):
        if not isinstance(node, ast.ClassDef) or "dataclass" not in "".join(map(ast.unparse, node.decorator_list)):
            continue
        items = parse(text, style=DocstringStyle.NUMPYDOC).meta
        listed = {name.strip(" *") for item in items if item.args[0] in KINDS for name in item.args[1].split(",")}
        fields = [
            line.target.id
            for line in node.body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
            if "ClassVar" not in ast.unparse(line.annotation) and not line.target.id.startswith("_")
        ]
        for name in fields:
            if listed and name not in listed:
                yield f"line {node.lineno}: {node.name}.{name}"


def test_descriptions_have_three_words():
    found = {str(path.relative_to(ROOT)): list(too_short(path.read_text())) for path in FILES}
    assert len(found) > 10
    assert not {path: lines for path, lines in found.items() if lines}


def test_data_classes_document_their_fields():
    found = {str(path.relative_to(ROOT)): list(undocumented_fields(path.read_text())) for path in FILES}
    assert not {path: lines for path, lines in found.items() if lines}


SUMMARY = "Reconstruct a measurement.\n\n"


@pytest.mark.parametrize(
    ("docstring", "told"),
    [
        (f"{SUMMARY}Parameters\n----------\ny\n    Measurement, shape (B, C, H, W).", []),
        (f"{SUMMARY}Parameters\n----------\ny\n    Whose.", ["line 1: param y: 'Whose.'"]),
        (f"{SUMMARY}Attributes\n----------\ny\n    Itself.", ["line 1: attribute y: 'Itself.'"]),
        (f"{SUMMARY}Returns\n-------\nTensor\n    The image.", ["line 1: returns: 'The image.'"]),
        ("X itself.", ["line 1: summary 'X itself.'"]),
    ],
)
def test_riddles_are_found(docstring, told):
    assert list(too_short(f"'''{docstring}'''")) == told


def test_missing_fields_are_found():
    docstring = "A point.\n\n    Parameters\n    ----------\n    x\n        Abscissa in metres.\n    "
    source = f"@dataclass\nclass Point:\n    '''{docstring}'''\n    x: int\n    y: int\n    _z: int"
    assert list(undocumented_fields(source)) == ["line 2: Point.y"]
