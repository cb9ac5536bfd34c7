"""The house: imports only point down."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "sgdj"
GROUND = ("draws", "metrics", "theory", "operators")
#: Rooms from the ground up; none knows the ones after it.
FLOORS = [*GROUND, "data", "networks", "attacks", "strategies", "training", "evaluation", "reporting", "job", "cli"]


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_name(path): path for path in PACKAGE.rglob("*.py")}


def _imports(module: str) -> set[str]:
    """Modules of the package that a module names, wherever it does."""
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


@pytest.mark.parametrize("room", FLOORS)
def test_rooms_know_only_those_below(room):
    above = set(FLOORS) - set(GROUND if room in GROUND else FLOORS[: FLOORS.index(room) + 1])
    inside = [module for module in MODULES if module.split(".")[1:2] == [room]]
    known = {(module, name) for module in inside for name in _imports(module) if name.split(".")[1] in above}
    assert inside
    assert not known
