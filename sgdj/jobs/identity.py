"""What names a run: a hash of all that decides its numbers.

The settings count in a canonical form. What is at its constructor's default is left out, so that a setting which is
added later, with the default that means what was done before, renames no run. A class of this project is named by its
option, wherever its module lies; a plugin's by its import path and what its source files say.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from sgdj.config import signature
from sgdj.config.nodes import nested
from sgdj.config.options import is_plugin, option_groups, shipped
from sgdj.config.schema import NODES
from sgdj.errors import InputError
from sgdj.jobs.roles import Role, has

RESULT_VERSION = 2  # raised when a change of the program, or of a constructor's default, changes its numbers


def decides(key: str) -> bool:
    """Check whether a dotted key counts towards a run's identity."""
    return has(key, Role.IDENTITY)


def _plain(value: Any) -> Any:
    """A value as JSON has it, whole numbers without a point: 1 and 1.0 are one setting."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(value: Any) -> str:
    """The text of a value as it counts; that of 1 and of true differ, which are equal in Python."""
    return json.dumps(_plain(value), sort_keys=True, default=repr)


def _is_shipped(target: Any) -> bool:
    return isinstance(target, str) and target in shipped()


def _class(target: Any, plugins: Sequence[str]) -> type | None:
    """The class of an import path; None if it may not be imported, or cannot: the path may be that of a file."""
    if not (_is_shipped(target) or is_plugin(target, list(plugins))):
        return None
    try:
        return signature.located(target, "_target_")
    except InputError:
        return None


def _defaults(key: str, node: Mapping[str, Any], plugins: Sequence[str]) -> dict[str, Any]:
    """Default values of what takes a node's settings, by name."""
    taker = _class(node["_target_"], plugins) if "_target_" in node else NODES.get(key)
    return {} if taker is None else signature.defaults(taker)


def without_defaults(key: str, node: Mapping[str, Any], plugins: Sequence[str] = ()) -> dict[str, Any]:
    """Leave out the settings of a node that are at their constructor's default.

    Parameters
    ----------
    key
        Dotted key of the node; empty for the whole configuration.
    node
        Settings of the node by name, with the `_target_` of its class.
    plugins
        Packages whose classes may be imported.

    Returns
    -------
    dict
        The other settings of the node, by name.
    """
    known = {name: _text(value) for name, value in _defaults(key, node, plugins).items()}
    return {name: value for name, value in node.items() if known.get(name) != _text(value)}


def _sources(module: str, plugins: Sequence[str]) -> Iterator[Path]:
    """Source files of a module, and of what it imports at its top from the plugins' packages."""
    todo, seen = [module], set[str]()
    while todo:
        name = todo.pop()
        content = sys.modules.get(name)
        if name in seen or content is None or name.partition(".")[0] not in plugins:
            continue
        seen.add(name)
        path = Path(getattr(content, "__file__", None) or "")
        if path.is_file():  # it is none in an archive
            yield path
        for value in vars(content).values():
            other = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(other, str) and not other.startswith(f"{name}."):  # its own parts are there once imported
                todo.append(other)


@cache
def _source_digest(cls: type, plugins: tuple[str, ...]) -> str:
    """SHA-256 of the source files that a plugin's class is made of; as they were when this process first asked."""
    digests = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in _sources(cls.__module__, plugins))
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _name_of_class(key: str, node: Mapping[str, Any], plugins: Sequence[str]) -> Any:
    """What stands for a node's class: its option, or its own name without the module; a plugin's path and source."""
    target = node["_target_"]
    if _is_shipped(target):
        option = str(node.get("name", key.rpartition(".")[2]))
        group = option_groups().get(target, {}).get(option)
        return f"{group}/{option}" if group else target.rpartition(".")[2]
    cls = _class(target, plugins)
    return target if cls is None else f"{target} {_source_digest(cls, tuple(plugins))}"


def _deciding(key: str, node: Mapping[str, Any], plugins: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for name, value in without_defaults(key, node, plugins).items():
        inner = f"{key}.{name}" if key else name
        if name == "_target_" and decides(inner):
            yield inner, _name_of_class(key, node, plugins)
        elif isinstance(value, Mapping) and value:
            yield from _deciding(inner, value, plugins)
        elif decides(inner):
            yield inner, _plain(value)


def settings(config: Mapping[str, Any], plugins: Sequence[str]) -> dict[str, Any]:
    """Collect the settings of a configuration that decide its numbers, in canonical form.

    Parameters
    ----------
    config
        Configuration whose sigma is in the strategy. It may come from a file: classes that are neither of this project
        nor of `plugins` are not imported, and stand for themselves.
    plugins
        Packages that the command line opened.

    Returns
    -------
    dict
        Values by dotted key, without those at their constructor's default.
    """
    read = {key: value for key, value in config.items() if key != "audit" or config.get("mode") in ("audit", "certify")}
    return dict(_deciding("", read, plugins))


def renewed(settings_by_key: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that an older version recorded by dotted key in today's canonical form."""
    return settings(nested(settings_by_key), ())


def identity(config: dict[str, Any], manifest: dict[str, Any], extra: dict[str, Any] | None = None) -> str:
    """Compute the hash that names a run: canonical configuration, data and result version.

    Parameters
    ----------
    config
        Checked configuration in plain types.
    manifest
        What identifies the data, `Source.manifest()`.
    extra
        Further identity, such as the hash of an evaluated checkpoint.

    Returns
    -------
    str
        Hash of 12 hexadecimal digits.
    """
    counted = settings(config, config.get("plugins", ()))
    text = json.dumps([RESULT_VERSION, counted, manifest, extra or {}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
