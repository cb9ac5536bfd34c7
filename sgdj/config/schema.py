"""All that is wrong with a configuration by itself: names first, then types and ranges, then what cannot be built."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sgdj.config import signature
from sgdj.config.instantiate import made
from sgdj.config.messages import told, unknown
from sgdj.config.nodes import leaves
from sgdj.config.options import BASES, choices, group_of, is_plugin, nodes, outermost, shipped
from sgdj.config.settings import Audit, Evaluation, Logger, Settings, Trainer
from sgdj.config.types import Name
from sgdj.errors import InputError, SettingError, as_run_error

#: Modes that train a network: to measure it on test data, or to choose its settings on validation data.
TRAINING = ("train", "tune")
#: What takes the settings of the nodes without a class, by key; the empty key is the whole configuration.
NODES: dict[str, type] = {
    "": Settings, "trainer": Trainer, "logger": Logger, "evaluation": Evaluation, "audit": Audit,
}  # fmt: skip


def _misnamed(key: str, node: Mapping[str, Any], plugins: Sequence[str], known: Sequence[str]) -> list[InputError]:
    """Find the class or settings of a node that conf/ does not have."""
    target, group = node["_target_"], group_of(key)
    allowed = choices(group) if group else tuple(shipped())
    found: list[InputError] = []
    if target in allowed:
        names = [f"{key}.{name}" for name in node if name != "_target_" and name not in shipped()[target]]
        found += [unknown(name, known) for name in names]
    elif not is_plugin(target, plugins):
        what = BASES[group].rpartition(".")[2] if group else "class"
        mend = f"choose an option of the group, or name its package in plugins=[…]; shipped: {', '.join(allowed)}"
        found.append(InputError(f"{target!r} is not a {what} of this project", f"{key}._target_", mend))
    try:
        TypeAdapter(Name).validate_python(node.get("name", "none"))
    except ValidationError as error:
        found += told(error, f"{key}.name", known)
    return found


def misnamed(config: dict[str, Any], plugins: Sequence[str]) -> list[InputError]:
    """Find classes and settings that conf/ does not have; nothing is imported for that."""
    known = [key for key, _ in leaves(config)]
    return [mistake for key, node in nodes(config) for mistake in _misnamed(key, node, plugins, known)]


def refused(config: dict[str, Any], plugins: Sequence[str]) -> list[InputError]:
    """Find settings of other types or ranges than constructors take; this imports the classes, and torch with them."""
    known = [key for key, _ in leaves(config)]
    return [one for key, node in outermost(config) for one in signature.mistakes(key, node, plugins, known)]


def unbuildable(config: dict[str, Any], plugins: Sequence[str]) -> list[InputError]:
    """Find what constructors refuse of settings that are valid one by one.

    Every object is built once, and dropped: a constructor keeps what it is given, and opens nothing. Weights of this
    project's networks take no memory here.
    """
    import torch  # only now: mistakes in names are reported without it

    found, built = [], dict[str, Any]()
    for key, node in outermost(config):
        ours = all(one["_target_"] in shipped() for _, one in nodes(node))
        try:
            with torch.random.fork_rng(devices=[]), torch.device("meta" if ours else "cpu"):
                built[key] = made(key, node, plugins)
        except InputError as error:
            found.append(error)
        except RuntimeError as error:
            if as_run_error(error) is not None:
                raise
            reason = str(error).partition("\n")[0][:100]
            found.append(InputError(f"this cannot be built ({reason})", key, "change the settings of this group"))
    return found or list(_unsuitable(built, config))


def _unsuitable(built: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[InputError]:
    """Yield what a strategy, or else a defence, refuses of the network and the problem that it is meant for."""
    checks: dict[str, Sequence[Any]] = {}
    if config.get("mode") in TRAINING and config.get("reconstructor") is None:
        checks["strategy"] = (built["architecture"], built["operator"])
    if "defence" in built and config.get("reconstructor") is None:
        checks["defence"] = (built["architecture"], built["operator"])
    for key, arguments in checks.items():
        try:
            built[key].check(*arguments)
        except SettingError as error:
            yield error.at(key)
            return


def mistakes(config: dict[str, Any], names_only: bool = False) -> list[InputError]:
    """Find all that is missing, unknown or out of range, each key once.

    Names are checked first, which takes no import; settings of classes only if all names are valid.

    Parameters
    ----------
    config
        The composed configuration, in plain types.
    names_only
        Whether a wrong name is known already, so that settings of classes are not looked at.

    Returns
    -------
    list of InputError
        One for each mistake.
    """
    flat = list(leaves(config))
    found = [InputError("no value", key, f"set {key}=VALUE") for key, value in flat if value == "???"]
    try:
        Settings.of(config)
    except ValidationError as error:
        found += told(error, "", [key for key, _ in flat])
    plugins = config.get("plugins")
    opened = plugins if isinstance(plugins, list) else []
    found += misnamed(config, opened)
    return found if found or names_only else refused(config, opened)
