"""Write values so that the shell and Hydra pass them on unchanged."""

import shlex
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

_PARSER = OverridesParser.create()


def understood(text: str) -> Any:
    """Return the override that Hydra reads from KEY=VALUE, or None if its grammar cannot read it."""
    try:
        (override,) = _PARSER.parse_overrides([text])
    except (HydraException, OmegaConfBaseException, ValueError):  # ValueError: a number with thousands of digits
        return None
    return override


def literal(text: str) -> str:
    """Put a text in quotes, for Hydra."""
    return str(QuotedString(text, Quote.single if '"' in text or "'" not in text else Quote.double).with_quotes())


def _value(value: Any) -> str:
    if isinstance(value, str):
        plain = understood(f"key={value}")
        return value if plain is not None and value and plain.value() == value else literal(value)
    if isinstance(value, list):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{_value(entry)}' for key, entry in value.items())}}}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def shell(text: str) -> str:
    """Write a word as it is typed into a shell."""
    if "'" in text and not set('"$`\\!\n') & set(text):
        return f'"{text}"'  # easier to read than what shlex makes of single quotes
    return shlex.quote(text)


def argument(key: str, value: Any) -> str:
    """Write KEY=VALUE as it is typed into a shell; characters that a terminal would obey become escapes."""
    typed = shell(f"{key}={_value(value)}")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in typed)
