"""Read YAML that came with a file of unknown origin: small, without references, and plain values only."""

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from sgdj.errors import InputError

_BYTES = 2**16  # a configuration has about 5 kB
_DEPTH = 16
_TAGS = {None, "!", *(f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null"))}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _check(text: str) -> None:
    """Refuse, before anything is built, YAML that grows when it is built.

    Raises
    ------
    ValueError
        If the text is refused, saying what is wrong.
    """
    depth, first = 0, True
    for event in yaml.parse(text, Loader=_LOADER):
        if first and isinstance(event, yaml.NodeEvent):
            first = False
            if not isinstance(event, yaml.MappingStartEvent):
                raise ValueError("it is no mapping")
        if isinstance(event, yaml.ScalarEvent) and "${" in event.value:  # here no escape hides it
            raise ValueError("interpolations are not read")
        if getattr(event, "tag", None) not in _TAGS:
            raise ValueError("tags of other types are not read")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("YAML aliases are not read")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH:
            raise ValueError("it is nested too deeply")


def _checked_keys(node: Any) -> None:
    if isinstance(node, dict):
        if not all(isinstance(key, str) for key in node):
            raise ValueError("a key is no text")
        for value in node.values():
            _checked_keys(value)
    elif isinstance(node, list):
        for value in node:
            _checked_keys(value)
    elif isinstance(node, int) and abs(node) >= 2**63:
        raise ValueError("a number is too large")


def parse_mapping(content: bytes, where: str, mend: str = "restore the file") -> dict[str, Any]:
    """Parse the mapping that a YAML text describes, with text as keys.

    Parameters
    ----------
    content
        At most 64 KiB of UTF-8.
    where
        Name of the file, for messages.
    mend
        How to put the file right, for messages.

    Returns
    -------
    dict
        Mapping of plain values.

    Raises
    ------
    InputError
        If it is anything else, or uses aliases, interpolations or tags of other types.
    """
    try:
        if len(content) > _BYTES:
            raise ValueError(f"it has more than {_BYTES // 1024} KiB")
        text = content.decode()
        _check(text)
        loaded: Any = OmegaConf.to_container(OmegaConf.create(text)) if text.strip() else None
        if not isinstance(loaded, dict):
            raise ValueError("it is no mapping")
        _checked_keys(loaded)
    except Exception as error:  # the decoder, the parser and OmegaConf each fail in their own way
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise InputError(f"the configuration cannot be read ({reason})", where, mend) from error
    return dict(loaded)


def read_mapping(path: Path) -> dict[str, Any]:
    """Read the mapping in a YAML file; see `parse_mapping`.

    Parameters
    ----------
    path
        YAML file to read.

    Returns
    -------
    dict
        Mapping of plain values.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no such mapping.
    """
    try:
        if not path.is_file():
            raise InputError("no such file", str(path), "keep the run directory whole")
        with path.open("rb") as file:
            return parse_mapping(file.read(_BYTES + 1), str(path))
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", str(path), "check the path") from error
