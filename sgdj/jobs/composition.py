"""Compose the configuration from the command line and ``conf/``, with Hydra."""

import itertools
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, OverrideType, Sweep
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sgdj.config.nodes import nearest
from sgdj.config.options import WITHOUT
from sgdj.config.quoting import literal, shell, understood
from sgdj.config.search_path import CONF, config_options, groups, opened, option_file, search_path
from sgdj.config.tasks import KEY as PROBLEM
from sgdj.errors import InputError, InputErrors

#: Keys whose value is one path: nothing but quotes, commas and ``null`` has another meaning there.
_PATH = re.compile(
    r"(dataset\.(root|path|directory)|(attack|attack\.attacks\.\w+)\.source|checkpoint|input|output|run_dir|output_dir"
    r"|reconstructor)"
)
_ASSIGNMENT = re.compile(r"(\+{0,2}([\w.@/-]+))=(.*)", re.DOTALL)
_CLOSING = {"[": "]", "{": "}", "(": ")"}


def _path(text: str) -> str:
    """Write a path for Hydra, with ``~`` expanded."""
    return literal(str(Path(text).expanduser()) if text.startswith("~") else text)


def _as_path(key: str, raw: str) -> str | None:
    """Return the same KEY=VALUE with every path in quotes; None where Hydra's own reading stands."""
    override = understood(f"{key}={raw}")
    if override is None:
        special = raw[:1] in ("'", '"') or "${" in raw
        return None if special else f"{key}={','.join(map(_path, raw.split(',')))}"
    value = override.value()
    if isinstance(value, str) and "${" not in value and value.startswith("~"):
        return f"{key}={_path(value)}"
    if isinstance(value, Sweep | str) or value is None:
        return None
    return f"{key}={literal(raw)}"  # a name that looks like a number or a list


def _unreadable(text: str) -> InputError:
    """Return the error for an argument that Hydra's grammar cannot read."""
    found, where = _ASSIGNMENT.fullmatch(text), f"command line: {text[:200]}"
    if found is None or not found[2].isascii():
        return InputError("this is not KEY=VALUE", where, "see --help")
    key, value = found[1], found[3]
    if value.strip("+-").isdigit():
        return InputError("the number is too long", where, "give a smaller one")
    trials = [f"{key}={literal(value)}"]
    if value[:1] in ("[", "{"):
        trials.insert(0, f"{key}={value}{''.join(_CLOSING[c] for c in reversed(value) if c in _CLOSING)}")
    mend = next((f"write {shell(trial)}" for trial in trials if understood(trial) is not None), "see --help")
    return InputError("this value has to be quoted" if len(trials) == 1 else "a bracket is open", where, mend)


def _parse(text: str) -> Override:
    """Parse one override.

    Raises
    ------
    InputError
        If it is no override, or removes a key.
    """
    found = _ASSIGNMENT.fullmatch(text)
    if found is not None and _PATH.fullmatch(found[2]):
        text = _as_path(found[1], found[3]) or text
    override = understood(text)
    if override is None:
        raise _unreadable(text)
    if override.type == OverrideType.DEL:
        raise InputError("keys cannot be removed", f"command line: {text}", "set a value with KEY=VALUE")
    return override


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parse command-line overrides; values of path keys need no quotes.

    Parameters
    ----------
    overrides
        Arguments KEY=VALUE, as the shell passes them.

    Returns
    -------
    list of Override
        Parsed overrides, in the same order.

    Raises
    ------
    InputErrors
        If some are not KEY=VALUE, naming every one.
    """
    parsed, mistakes = [], []
    for text in overrides:
        try:
            parsed.append(_parse(text))
        except InputError as error:
            mistakes.append(error)
    if mistakes:
        raise InputErrors(mistakes)
    return parsed


def swept(overrides: Sequence[Override]) -> list[Override]:
    """Return the overrides of a sweep, after those that an experiment sweeps by itself (``hydra.sweeper.params``)."""
    given = {o.key_or_group: o for o in overrides}
    experiment = given["experiment"].value() if "experiment" in given else None
    path = option_file("experiment", str(experiment), opened(overrides))
    if path is None:
        return list(overrides)
    params = OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params") or {}
    unused = ("architecture", "strategy") if "reconstructor" in given else ()  # of what is not trained here
    own = [f"{key}={value}" for key, value in params.items() if key not in given and key not in unused]
    return [*OverridesParser.create().parse_overrides(own), *overrides]


def expand(overrides: Sequence[Override]) -> list[list[Override]]:
    """Return the jobs of a sweep: the product of all comma-separated values, and of both ends of intervals."""
    parser = OverridesParser.create()
    choices = []
    for override in {o.key_or_group: o for o in swept(overrides)}.values():  # the last one of a key counts
        key, value = override.get_key_element(), override.value()
        if isinstance(value, IntervalSweep):
            choices.append(parser.parse_overrides([f"{key}={end}" for end in (value.start, value.end)]))
        elif override.is_sweep_override():
            choices.append(parser.parse_overrides([f"{key}={v}" for v in override.sweep_string_iterator()]))
        else:
            choices.append([override])
    return [list(job) for job in itertools.product(*choices)]


def withdrawn(given: Collection[str]) -> list[str]:
    """Return the budget keys that are set to null because the other one is named."""
    return [
        f"{node}.{other}"
        for node in ("attack", "strategy.attack")
        for one, other in (("epsilon", "rho"), ("rho", "epsilon"))
        if f"{node}.{one}" in given and f"{node}.{other}" not in given
    ]


def _hint(group: str, name: Any, plugins: Sequence[str]) -> str:
    if group == "shift" and str(name).lower() in ("", "none", "null", "off", "no", "false"):
        return "write 'shift=[]' for none"
    return nearest(str(name), config_options(group, plugins))


def check_overrides(overrides: Sequence[Override]) -> tuple[list[str], list[InputError]]:
    """Return overrides that Hydra can compose, values forced in so that the schema finds unknown keys; and mistakes."""
    accepted, mistakes = [], []
    given, plugins = [override.key_or_group for override in overrides], opened(overrides)
    known = groups(plugins)
    if "sigma" in given and "strategy.sigma" in given:
        what = "the noise level is given twice"
        mistakes.append(InputError(what, "command line: sigma and strategy.sigma", "leave one of them out"))
    for override in overrides:
        key, value = override.key_or_group, override.value()
        if override.is_sweep_override():
            mend, text = "add -m to run all of them", (override.input_line or "").partition("=")[2]
            if _PATH.fullmatch(key) and "'" not in text:
                quoted = f"{key}={literal(text)}"
                mend += f", or write {shell(quoted)}"
            mistakes.append(InputError("several values", f"command line: {key}", mend))
        elif key in known and isinstance(value, str | list):
            options = config_options(key, plugins)
            unknown = [v for v in (value if isinstance(value, list) else [value]) if v not in options]
            for name in unknown:
                hint = _hint(key, name, plugins)
                mistakes.append(InputError(f"no option {name or '(empty)'}", f"command line: {key}", hint))
            if not unknown:
                line = (override.input_line or "").lstrip("+")
                accepted.append(f"+{line}" if key == "experiment" else line)
        elif key in known:
            mistakes.append(InputError(f"no option {value}", f"command line: {key}", _hint(key, "", plugins)))
        elif key.partition(".")[0] == PROBLEM:
            mend = "ship a task of your own with a package, plugins=[…]"
            mistakes.append(InputError("what a task is stands in its file alone", f"command line: {key}", mend))
        elif key == "study":
            mend = f"python scripts/tables.py run --study conf/study/{value}.yaml"
            mistakes.append(InputError("a protocol is no option of a run", f"command line: {key}", mend))
        elif key.startswith("hydra"):
            accepted.append(override.input_line or "")
        else:
            accepted.append(f"++{key}={override.get_value_element_as_str()}")
    accepted += [f"++{key}=null" for key in withdrawn({o.key_or_group for o in overrides})]
    return [a for a in accepted if a], mistakes


def _leave_out(architecture: dict[Any, Any], given: Sequence[str]) -> None:
    """Drop what an architecture has no use for, and no command line has given."""
    for name in architecture.pop(WITHOUT, ()):
        said = [key for key in given if f"{key.replace('/', '.')}.".startswith(f"architecture.{name}.")]
        if not said:
            architecture.pop(name, None)


def compose_config(overrides: list[str]) -> dict[str, Any]:
    """Compose the resolved configuration in plain types, with the options of packages that ``plugins`` names.

    Parameters
    ----------
    overrides
        Overrides that `check_overrides` accepted.

    Returns
    -------
    dict
        Nested configuration in plain types.

    Raises
    ------
    InputError
        If Hydra cannot compose it.
    """
    outer = GlobalHydra.instance().hydra  # the sweep's, if this is one of its jobs
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            said = [understood(text) for text in overrides if text.lstrip("+").startswith("plugins=")]
            config = compose("config", [*overrides, *search_path(opened(said))])
        container = OmegaConf.to_container(config, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        line = " ".join(str(error).split())
        raise InputError(
            f"the configuration cannot be composed ({line[:160]})", "command line", "see --help"
        ) from error
    finally:
        GlobalHydra.instance().hydra = outer
    assert isinstance(container, dict)
    container.setdefault("shift", {})  # an empty choice leaves no node
    container.pop(PROBLEM, None)
    _leave_out(container["architecture"], [text.lstrip("+").partition("=")[0] for text in overrides])
    if not container.get("defence"):
        container.pop("defence", None)  # none leaves none
    return {str(key): value for key, value in container.items()}
