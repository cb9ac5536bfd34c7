"""Read what conf/ ships: the classes that options name, and the settings that they list; without importing torch."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sgdj.config.search_path import CONF

#: Groups whose options name a class, and the class that it must derive from. Nodes inside of them are held to the
#: annotation of the parameter that takes them.
BASES = {
    "operator": "sgdj.operators.Acquisition",
    "dataset": "sgdj.data.Source",
    "architecture": "sgdj.networks.Reconstructor",
    "architecture.learned": "sgdj.networks.LearnedPart",
    "strategy": "sgdj.strategies.Strategy",
    "defence": "sgdj.defences.Defence",
    "attack": "sgdj.attacks.Attack",
    "shift": "sgdj.shifts.Shift",
}
#: Key of an architecture's option that lists what tasks and scales say of other architectures, and it does not take.
WITHOUT = "without"
_BY_NAME = ("shift",)  # groups of which several options may be chosen


def nodes(config: Any, key: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield dotted key and content of every mapping with a `_target_`, outer ones first."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield key, config
        for name, value in config.items():
            yield from nodes(value, f"{key}.{name}" if key else str(name))


def outermost(config: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the nodes that lie in no other one."""
    outer = ""
    for key, node in nodes(config):
        if not outer or not key.startswith(f"{outer}."):
            outer = key
            yield key, node


def group_of(key: str) -> str | None:
    """Return the group that a node under a dotted key was chosen from, if there is one; shifts are nodes by name."""
    outer = key.rpartition(".")[0]
    return key if key in BASES else outer if outer in _BY_NAME else None


@cache
def _files() -> dict[Path, Any]:
    """Content of every file of conf/ that names a class."""
    texts = {path: path.read_text() for path in sorted(CONF.rglob("*.yaml"))}
    return {path: yaml.safe_load(text) for path, text in texts.items() if "_target_" in text}


@cache
def shipped() -> dict[str, frozenset[str]]:
    """Return the settings of every class that a file of conf/ names, by import path."""
    settings: dict[str, frozenset[str]] = {}
    for content in _files().values():
        for _, node in nodes(content):
            listed = frozenset(node) - {"_target_", WITHOUT}
            settings[node["_target_"]] = settings.get(node["_target_"], frozenset()) | listed
    lacking = {n["_target_"]: n[WITHOUT] for content in _files().values() for _, n in nodes(content) if WITHOUT in n}
    for group in BASES:
        outer, _, name = group.rpartition(".")
        for target in choices(outer) if outer else ():  # what a group of its own fills in
            settings[target] |= {name} - set(lacking.get(target, ()))
    return settings


@cache
def choices(group: str) -> tuple[str, ...]:
    """Return the import paths of the classes among a group's options."""
    loaded = [yaml.safe_load(path.read_text()) for path in sorted((CONF / group.replace(".", "/")).glob("*.yaml"))]
    return tuple(dict.fromkeys(node["_target_"] for node in loaded if "_target_" in (node or {})))


@cache
def option_groups() -> dict[str, dict[str, str]]:
    """The group of every option that names a class, by the class's import path and the option's name."""
    groups: dict[str, dict[str, str]] = {}
    for path, content in _files().items():
        if "_target_" in content:
            groups.setdefault(content["_target_"], {})[path.stem] = path.parent.relative_to(CONF).as_posix()
    return groups


def is_plugin(target: Any, plugins: Any) -> bool:
    """Check whether an import path lies in one of the packages that the command line opened."""
    return isinstance(target, str) and isinstance(plugins, list) and target.split(".")[0] in plugins
