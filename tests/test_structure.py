"""Every room has its place in one order, and imports only point down."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sgdj"
#: From the ground up: a room may use those before it, and itself.
ORDER = (
    "errors", "metrics", "theory", "runtime", "config", "jobs", "operators", "data", "networks", "references",
    "defences", "runs", "shifts", "attacks", "reconstruction", "audit", "certificates", "strategies", "evaluation",
    "training", "reporting", "modes", "study", "__main__",
)  # fmt: skip


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_name(path): path for path in PACKAGE.rglob("*.py")}


def _room(module: str) -> str:
    return module.split(".")[1]


def _imports(module: str) -> set[str]:
    """Return the modules of the package that a module imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in inner}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name in MODULES and name != "sgdj"}


def test_no_module_needs_itself():
    order = TopologicalSorter({module: _imports(module) for module in MODULES})
    assert len(list(order.static_order())) >= len(MODULES) > 100


def test_every_module_has_a_room_in_the_order():
    assert {_room(module) for module in MODULES if module != "sgdj"} == set(ORDER)
    assert len(list(PACKAGE.glob("*.py"))) <= 6


@pytest.mark.parametrize("room", ORDER)
def test_rooms_know_only_those_below(room):
    below = ORDER[: ORDER.index(room) + 1]
    inside = [module for module in MODULES if module != "sgdj" and _room(module) == room]
    known = {(module, name) for module in inside for name in _imports(module) if _room(name) not in below}
    assert inside
    assert not known


def test_settings_travel_as_they_were_checked():
    """Plain dictionaries of settings end at config/ and jobs/, and weights are read into a network in one place."""
    beyond = {
        module: path.read_text()
        for module, path in MODULES.items()
        if not module.startswith(("sgdj.config", "sgdj.jobs"))
    }
    scripts = {str(path): path.read_text() for path in (ROOT / "scripts").rglob("*.py")}
    assert [name for name, text in (beyond | scripts).items() if re.search(r"""\bconfig\[["']""", text)] == []
    assert [name for name, text in beyond.items() if "load_weights(" in text] == ["sgdj.runs.network"]


def test_the_package_does_not_know_its_instruments():
    named = {
        alias.name if isinstance(node, ast.Import) else node.module
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not {name for name in named if name and name.split(".")[0] in ("scripts", "tests")}
