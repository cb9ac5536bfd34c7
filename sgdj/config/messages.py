"""What the schema finds wrong with a configuration, one line each."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sgdj.config.nodes import get, leaves, nearest
from sgdj.config.quoting import argument
from sgdj.config.schema import TARGETS, Root
from sgdj.errors import InputError

_MESSAGES = {
    "greater_than": ("must be above {gt}", "raise it"),
    "greater_than_equal": ("must be at least {ge}", "raise it"),
    "less_than": ("must be below {lt}", "lower it"),
    "less_than_equal": ("must be at most {le}", "lower it"),
    "finite_number": ("must be finite", "give a number"),
    "int_type": ("must be a whole number", "give one"),
    "int_from_float": ("must be a whole number", "give one"),
    "float_type": ("must be a number", "give one"),
    "bool_type": ("must be true or false", "give one of them"),
    "string_type": ("must be text", "quote it"),
    "string_too_short": ("is empty", "give a value"),
    "literal_error": ("must be {expected}", "choose one"),
    "dict_type": ("must be a group of settings", "choose an option of the group"),
    "list_type": ("must be a list", "write [a, b]"),
    "too_short": ("has too few entries", "give at least {min_length}"),
    "too_long": ("has too many entries", "give at most {max_length}"),
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}…"


def _mistakes(error: ValidationError, prefix: str, known: Sequence[str]) -> Iterator[InputError]:
    seen = set()
    for item in error.errors(include_url=False):
        parts = [str(part) for part in item["loc"] if not str(part).startswith(("constrained", "list["))]
        while parts and parts[-1] in ("int", "float", "str", "none"):  # the branch of a union
            parts.pop()
        where = ".".join([prefix, *parts] if prefix else parts)
        if where in seen:
            continue
        seen.add(where)
        kind, context = item["type"], item.get("ctx", {})
        if kind in ("unexpected_keyword_argument", "extra_forbidden"):
            siblings = [key for key in known if key != where and not key.startswith(f"{where}.")]
            inner = [key for key in siblings if "." not in where and key.endswith(f".{where}")]
            full = inner if len(inner) <= 12 else inner[:3]
            hint = f"the full key is {' or '.join(full)}" if inner else nearest(where, siblings)
            yield InputError("unknown key", where, hint)
        elif kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
            yield InputError("no value", where, f"set {where}=VALUE")
        elif kind == "string_pattern_mismatch":
            yield InputError(f"{_shown(item['input'])} is not valid", where, f"it must match {context['pattern']}")
        else:
            what, mend = _MESSAGES.get(kind, (item["msg"], "see the comments in conf/"))
            value = item["input"]
            shown = "it" if isinstance(value, dict | list) else "nothing" if value is None else _shown(value)
            if kind == "string_type" and isinstance(value, int | float | bool):
                mend = f"write {argument(where, str(value))}"
            yield InputError(f"{shown} {what.format(**context)}", where, mend.format(**context))


def _targets(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Dotted key and entry of `TARGETS` of every node with a `_target_`."""
    for entry in TARGETS:
        parent = entry.removesuffix(".*")
        if entry == parent:
            yield entry, entry
        else:
            yield from ((f"{parent}.{name}", entry) for name in get(config, parent) or {})


def _validate_node(
    config: dict[str, Any], key: str, entry: str, mistakes: list[InputError], known: Sequence[str]
) -> None:
    """Check one node with a `_target_` against the dataclass of its target."""
    node = get(config, key)
    base, shipped = TARGETS[entry]
    if not isinstance(node, dict):
        if entry != key:
            mistakes.append(InputError("unknown key", key, "choose an option of the group first"))
        return
    target = node.get("_target_")
    values = {k: v for k, v in node.items() if k != "_target_"}
    if target in shipped:
        try:
            TypeAdapter(shipped[target]).validate_json(json.dumps(values))
        except ValidationError as error:
            mistakes.extend(_mistakes(error, key, known))
    elif not isinstance(target, str) or target.split(".")[0] not in config.get("plugins", []):
        mistakes.append(
            InputError(
                f"{target!r} is not a {base.rsplit('.', 1)[1]} of this project",
                f"{key}._target_",
                f"choose an option of the group, or name its package in plugins=[…]; shipped: {', '.join(shipped)}",
            )
        )


def schema_mistakes(config: dict[str, Any]) -> list[InputError]:
    """All that is missing, unknown or out of range, each key once."""
    flat = list(leaves(config))
    missing = [key for key, value in flat if value == "???"]
    mistakes = [InputError("no value", key, f"set {key}=VALUE") for key in missing]
    known = [key for key, _ in flat]
    try:
        TypeAdapter(Root).validate_json(json.dumps(config))
    except ValidationError as error:
        mistakes.extend(_mistakes(error, "", known))
    for key, entry in _targets(config):
        _validate_node(config, key, entry, mistakes, known)
    return mistakes
