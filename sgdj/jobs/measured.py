"""Name what a configuration measures: an architecture with its strategy, or somebody else's reconstructor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: In place of the architecture of a reconstructor that was not trained here.
EXTERNAL = "external"


def names(config: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names of architecture and strategy; of an outside reconstructor `EXTERNAL`, and its own name.

    Parameters
    ----------
    config
        Configuration in plain types, of the command line or of a run directory.

    Returns
    -------
    tuple of str
        Both names. That of a reconstructor ends with its settings, ``module:Class(weight=0.1)``; a file is named
        without its folder.

    Raises
    ------
    KeyError, TypeError
        If the configuration has no architecture or strategy.
    """
    name = config.get("reconstructor")
    if name is None:
        return str(config["architecture"]["name"]), _trained_and_tested(config)
    settings = config.get("reconstructor_settings") or {}
    text = ",".join(f"{key}={value}" for key, value in sorted(settings.items()))
    shown = str(name) if ":" in str(name) else Path(str(name)).name
    shown = f"{shown}({text})" if text else shown
    defence = (config.get("defence") or {}).get("name")
    return EXTERNAL, f"{shown}+{defence}" if defence else shown


def _trained_and_tested(config: Mapping[str, Any]) -> str:
    """Name the strategy, and with it a defence that is not its own."""
    strategy, defence = str(config["strategy"]["name"]), (config.get("defence") or {}).get("name")
    return strategy if defence in (None, strategy) else f"{strategy}+{defence}"


def text(config: Mapping[str, Any]) -> str:
    """Write what a configuration measures in a few words, such as ``gd, mse`` or ``module:Class``."""
    architecture, name = names(config)
    return name if architecture == EXTERNAL else f"{architecture}, {name}"
