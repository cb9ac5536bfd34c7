"""Walk configurations of plain types by dotted keys."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def nearest(name: str, names: Sequence[str]) -> str:
    """Return a hint: the nearest valid name, or all of them if they are few."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"choose one of {', '.join(names)}" if len(names) <= 12 else "see --help"


def get(config: dict[str, Any], key: str) -> Any:
    """Return the value under a dotted key, or None."""
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and values of a nested configuration."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def put(config: dict[str, Any], key: str, value: Any) -> None:
    """Set the value under a dotted key."""
    *parents, last = key.split(".")
    for part in parents:
        inner = config.get(part)
        config[part] = inner if isinstance(inner, dict) else {}
        config = config[part]
    config[last] = value


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The nested configuration that dotted keys and values describe."""
    config: dict[str, Any] = {}
    for key, value in flat.items():
        put(config, key, value)
    return config
