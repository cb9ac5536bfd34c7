"""Build objects from checked nodes; only known classes can be named."""

import importlib
from typing import Any

from sgdj.config.nodes import get
from sgdj.config.schema import TARGETS
from sgdj.errors import InputError


def _locate(path: str, where: str) -> type:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path!r} cannot be imported ({error})", where, "install the package or mend the name"
        ) from error
    if not isinstance(found, type):
        raise InputError(f"{path!r} is not a class", where, "name a class")
    return found


def _inner(config: dict[str, Any], key: str, value: Any) -> Any:
    """A setting, or the object that it describes, or several of them by name."""
    if key in TARGETS:
        return build(config, key)
    if f"{key}.*" in TARGETS:
        return {name: build(config, f"{key}.{name}") for name in value}
    return value


def build(config: dict[str, Any], key: str) -> Any:
    """Instantiate the node under a dotted key, inner nodes first.

    Raises
    ------
    InputError
        If the target is off the list of this project's classes and `plugins`, derives from another base class, or
        does not take these settings.
    """
    node = get(config, key)
    base_path, shipped = TARGETS[key if key in TARGETS else f"{key.rpartition('.')[0]}.*"]
    target, where = node["_target_"], f"{key}._target_"
    if target not in shipped and target.split(".")[0] not in config["plugins"]:
        raise InputError(f"{target!r} is not allowed", where, "name its package in plugins=[…]")
    cls, base = _locate(target, where), _locate(base_path, where)
    if not issubclass(cls, base):
        raise InputError(f"{target!r} is not a {base.__name__}", where, f"derive it from {base_path}")
    arguments = {
        name: _inner(config, f"{key}.{name}", value) for name, value in node.items() if name not in ("_target_", "name")
    }
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(str(error), key, "change the settings of this group") from error
