"""Build objects from checked nodes; only known classes can be named."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sgdj.config import signature
from sgdj.config.nodes import get
from sgdj.config.settings import Settings
from sgdj.errors import InputError, InputErrors, SettingError


def build(settings: Settings, key: str) -> Any:
    """Instantiate the node under a dotted key, inner nodes first.

    Parameters
    ----------
    settings
        Checked settings of the run.
    key
        Dotted key of the node, such as ``strategy`` or ``strategy.attack``.

    Returns
    -------
    object
        An instance of the class that the node names.

    Raises
    ------
    InputError
        If the target is no class of this project or of `plugins`, derives from another base class, or does not take
        these settings.
    """
    return made(key, get(settings.plain(), key), list(settings.plugins))


def made(key: str, node: Mapping[str, Any], plugins: Sequence[str], expected: Any = None) -> Any:
    """Instantiate a node, inner nodes first; see `build`, and `signature.node_class` for the parameters."""
    cls = signature.node_class(key, node, plugins, expected)
    arguments = {name: value for name, value in node.items() if name not in ("_target_", "name")}
    for place, one, base in signature.inner(cls, key, node):
        name, _, label = place[len(key) + 1 :].partition(".")
        inside = made(place, one, plugins, base)
        arguments[name] = {**arguments[name], label: inside} if label else inside
    try:
        return cls(**arguments)
    except SettingError as error:
        raise error.at(key) from error
    except (TypeError, ValueError) as error:
        raise InputError(str(error), key, "change the settings of this group") from error


def called(key: str, maker: Callable[..., object], arguments: Mapping[str, object]) -> object:
    """Call a class or function that the command line names, with arguments that its annotations check.

    Parameters
    ----------
    key
        Dotted key of the arguments.
    maker
        Class, or function that makes an object.
    arguments
        Arguments by name, in plain types.

    Returns
    -------
    object
        What was made.

    Raises
    ------
    InputErrors
        If there are mistakes in the arguments, with every one.
    InputError
        If the call refuses them together.
    """
    known = [f"{key}.{name}" for name in signature.parameters(maker)]
    if mistakes := list(signature.refused(key, maker, arguments, known)):
        raise InputErrors(mistakes)
    try:
        return maker(**arguments)
    except SettingError as error:
        raise error.at(key) from error
    except (TypeError, ValueError) as error:
        raise InputError(str(error), key, "change the settings") from error
