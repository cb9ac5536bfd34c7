"""Turn the command line into a checked configuration.

Every mistake of a job is collected and reported in one line each: Hydra composes, `sgdj.config.schema` checks names,
types and ranges, constructors check single objects, and `sgdj.jobs.consistency` checks several together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.types import Override

from sgdj.config import schema
from sgdj.config.settings import Settings
from sgdj.errors import InputError, InputErrors
from sgdj.jobs.composition import check_overrides, compose_config, parse
from sgdj.jobs.consistency import inconsistencies
from sgdj.jobs.trained import from_checkpoint, is_ours


@dataclass(frozen=True)
class Job:
    """One checked run.

    Parameters
    ----------
    settings
        As they were checked.
    overrides
        What reproduces it on the command line.
    notes
        What the user should know, such as an ignored sigma.
    """

    settings: Settings
    overrides: list[str]
    notes: list[str] = field(default_factory=list)

    @property
    def experiment(self) -> str | None:
        """Name of the experiment, if one was asked for."""
        named = [o.lstrip("+") for o in self.overrides if o.lstrip("+").startswith("experiment=")]
        return named[-1].removeprefix("experiment=") if named else None


def _settle_sigma(config: dict[str, Any], in_sweep: bool) -> list[str]:
    """Move the top-level sigma into the strategy."""
    sigma = config.get("sigma")
    config["sigma"] = None
    if sigma is None:
        return []
    strategy = config.get("strategy", {})
    if "sigma" in strategy:
        strategy["sigma"] = sigma
        return []
    name = strategy.get("name")
    if in_sweep:
        return [f"strategy {name} has no noise level: sigma={sigma} is ignored"]
    raise InputError(
        f"strategy {name} has no noise level",
        f"sigma={sigma}",
        "leave it out, or choose strategy=jitter or input_jitter",
    )


def _settle_defence(config: dict[str, Any]) -> None:
    """Give a defence the settings that it shares with the strategy of the same name, where it has none of its own."""
    defence, strategy = config.get("defence"), config.get("strategy")
    if isinstance(defence, dict) and isinstance(strategy, dict) and defence.get("name") == strategy.get("name"):
        config["defence"] = {key: strategy.get(key) if value is None else value for key, value in defence.items()}


def check(config: dict[str, Any], in_sweep: bool = False) -> tuple[Settings, list[str]]:
    """Settle and check a composed configuration.

    Parameters
    ----------
    config
        The composed configuration, which is changed where values are settled, such as sigma.
    in_sweep
        Whether it is one job of a sweep, where a sigma is ignored by strategies that have none.

    Returns
    -------
    tuple
        The settings, and notes on them.

    Raises
    ------
    InputErrors
        With every mistake.
    """
    mistakes: list[InputError] = []
    notes: list[str] = []
    sigma = config.get("sigma")
    try:
        notes = _settle_sigma(config, in_sweep)
    except InputError as error:
        mistakes.append(error)
    if config.get("precision") == 32:  # as one types it
        config["precision"] = "32"
    _settle_defence(config)
    if config.get("mode") == "tune" and isinstance(config.get("evaluation"), dict):
        config["evaluation"]["split"] = "val"  # test data plays no part in a choice
    mistakes += schema.mistakes(config)
    if isinstance(sigma, str | bool) and "sigma" not in config.get("strategy", {}):
        mistakes.append(InputError(f"{sigma!r} must be a number", "sigma", "give one"))
    if not mistakes:
        mistakes += schema.unbuildable(config, config["plugins"])
        mistakes += inconsistencies(config)
    if mistakes:
        raise InputErrors(mistakes)
    return Settings.of(config), notes


def load(overrides: Sequence[Override], in_sweep: bool = False) -> Job:
    """Compose and check one job.

    Parameters
    ----------
    overrides
        Parsed overrides without sweeps.
    in_sweep
        Whether a sigma without use is noted rather than refused.

    Returns
    -------
    Job
        Checked run with its notes.

    Raises
    ------
    InputErrors
        If there are mistakes, with every one.
    """
    accepted, mistakes = check_overrides(overrides)
    try:
        config = compose_config(accepted)
        given = {o.key_or_group: o for o in overrides}
        if config.get("mode") in ("evaluate", "reconstruct", "audit", "certify") and is_ours(config):
            config = from_checkpoint(config, given)
        if mistakes:  # an option has no such name: all that is wrong with names is told, without the imports of torch
            mistakes += schema.mistakes(config, names_only=True)
        else:
            settings, notes = check(config, in_sweep)
    except InputErrors as error:
        mistakes += error.mistakes
    except InputError as error:
        mistakes.append(error)
    if mistakes:
        raise InputErrors(mistakes)
    return Job(settings, [o.input_line or "" for o in overrides], notes)


def network_settings(checkpoint: str, plugins: Sequence[str] = (), overrides: Sequence[str] = ()) -> Settings:
    """Load the settings of a trained network alone; its data set and training are not looked at.

    Parameters
    ----------
    checkpoint
        A checkpoint in its run directory, or a safetensors file.
    plugins
        Packages whose classes it may name.
    overrides
        What else is said of it, each KEY=VALUE.

    Returns
    -------
    Settings
        Checked settings, as of ``mode=reconstruct``.

    Raises
    ------
    InputErrors
        With every mistake found.
    """
    said = ["mode=reconstruct", f"checkpoint={checkpoint}", f"plugins=[{','.join(plugins)}]", *overrides]
    unused = [f"input={checkpoint}", "output=nowhere"]  # the mode asks for them; nothing is read or written here
    return load(parse([*said, *unused])).settings
