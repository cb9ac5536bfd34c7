"""Translate pydantic's findings into this program's words: one line for each key."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from sgdj.config.nodes import nearest
from sgdj.config.quoting import argument
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
    "tuple_type": ("must be a list", "write [a, b]"),
    "too_short": ("has too few entries", "give at least {min_length}"),
    "too_long": ("has too many entries", "give at most {max_length}"),
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}…"


def unknown(where: str, known: Sequence[str]) -> InputError:
    """Return the error for a key that no option has, with the key that may be meant."""
    siblings = [key for key in known if key != where and not key.startswith(f"{where}.")]
    inner = [key for key in siblings if "." not in where and key.endswith(f".{where}")]
    full = inner if len(inner) <= 12 else inner[:3]
    hint = f"the full key is {' or '.join(full)}" if inner else nearest(where, siblings)
    return InputError("unknown key", where, hint)


def told(error: ValidationError, prefix: str, known: Sequence[str]) -> Iterator[InputError]:
    """Yield an error for every key at fault.

    Parameters
    ----------
    error
        Findings of pydantic.
    prefix
        Dotted key of the node that was checked; empty for the whole configuration.
    known
        All keys of the configuration, for hints.

    Yields
    ------
    InputError
        One error per key.
    """
    seen = set()
    for item in error.errors(include_url=False):
        parts = [str(part) for part in item["loc"] if not str(part).startswith(("constrained", "list[", "tuple["))]
        while parts and parts[-1] in ("int", "float", "str", "none"):  # the branch of a union
            parts.pop()
        where = ".".join([prefix, *parts] if prefix else parts)
        if where in seen:
            continue
        seen.add(where)
        kind, context = item["type"], item.get("ctx", {})
        if kind in ("unexpected_keyword_argument", "extra_forbidden"):
            yield unknown(where, known)
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
