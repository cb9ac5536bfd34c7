"""Limit what a configuration that came with a file may say: known options and numbers, and nothing else.

A file is data. Its texts name options of this project, which the schema knows. Any other text (a class of a plugin, a
file or folder, a word to draw) takes effect only if the command line says it again; keys that belong to a run rather
than to its network (mode, folders, logger, plugins, an outside reconstructor) are not read from it at all.
"""

import dataclasses
import re
import sys
import typing
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from sgdj.config import schema, signature
from sgdj.config.nodes import get
from sgdj.config.options import BASES, choices, group_of, shipped
from sgdj.config.quoting import argument
from sgdj.config.search_path import config_options, option_file
from sgdj.config.settings import Settings
from sgdj.config.types import Name, NonEmpty
from sgdj.errors import InputError, InputErrors
from sgdj.jobs.model_metadata import read_metadata
from sgdj.jobs.plain_yaml import read_mapping
from sgdj.jobs.roles import Role, has

_KNOWN = tuple(f.name for f in dataclasses.fields(Settings) if f.init)
_TAKEN = tuple(key for key in _KNOWN if has(key, Role.FILE))
_OPTIONS = ("task", "scale")  # keys whose value is the name of an option
_PLAIN = tuple(key for key in schema.NODES if key in _TAKEN)  # settings without a class
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass
class Saved:
    """A configuration that came with a file.

    Parameters
    ----------
    config
        Configuration that was read. Its texts under `texts` and its classes of `foreign` are not to be used as they
        are.
    where
        Name of the file that holds it.
    texts
        Dotted keys and values of texts that are no options.
    foreign
        Dotted keys and paths of classes that are not of this project.
    plugins
        Packages that the training named as plugins; for messages alone.
    """

    config: dict[str, Any]
    where: str
    texts: dict[str, Any] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    plugins: list[Any] = field(default_factory=list)

    def leave_out(self, key: str) -> None:
        """Forget the texts and classes under a dotted key, because others replace them."""
        for kept in (self.texts, self.foreign):
            for inner in [k for k in kept if k == key or k.startswith(f"{key}.")]:
                del kept[inner]


def _damaged(what: str, key: str, where: str) -> InputError:
    return InputError(what, f"{key} in {where}", "restore the file, or use another one")


def _has(kind: Any, wanted: Any) -> bool:
    """Check whether a type is an annotated one, or a union or list of it."""
    return kind == wanted or wanted in typing.get_args(kind)


def _group(key: str) -> str:
    """Return the group that a node is an option of."""
    if key.startswith(("strategy.attack", "attack.attacks")):
        return "attack"
    return "shift" if key.startswith("shift.") else key.replace(".", "/")


class _Sieve:
    """Rebuild a configuration from its known parts.

    Parameters
    ----------
    saved
        Receives texts and foreign classes.
    """

    def __init__(self, saved: Saved) -> None:
        self.saved = saved

    def _refused(self, what: str, key: str) -> InputError:
        return _damaged(what, key, self.saved.where)

    def named(self, content: Any, key: str) -> dict[str, Any]:
        """Sift nodes by name, each with a class."""
        self._names(content, key)
        return {name: self.node(node, f"{key}.{name}") for name, node in content.items()}

    def node(self, content: Any, key: str) -> dict[str, Any]:
        """Sift a node with a class: keep the settings that its class is known to take."""
        group = group_of(key)
        if not isinstance(content, dict) or not isinstance(content.get("_target_"), str):
            raise self._refused("the class of this group is missing", key)
        target = content["_target_"]
        if target not in (choices(group) if group else shipped()):
            return self._foreign(content, key)
        cls = signature.located(target, key)
        kinds: dict[str, Any] = {n: p.annotation for n, p in signature.parameters(cls).items()}
        kinds |= {"name": Name} if "name" in shipped()[target] else {}
        made: dict[str, Any] = {"_target_": target}
        for name, value in content.items():
            inner = f"{key}.{name}"
            if name == "_target_":
                continue
            if name not in kinds:
                raise self._refused("unknown key", inner)
            expected, by_name = signature.objects(kinds[name])
            if expected is not None:
                made[name] = self.named(value, inner) if by_name else self.node(value, inner)
            else:
                made[name] = self._setting(value, inner, kinds[name])
        return signature.defaults(cls) | made

    def _setting(self, value: Any, key: str, kind: Any) -> Any:
        option = kind is Name and value in config_options(_group(key.rpartition(".")[0]))
        if isinstance(value, str) and (_has(kind, NonEmpty) or (kind is Name and not option)):
            self.saved.texts[key] = value
        return self.plain(value, key)

    def _foreign(self, content: dict[str, Any], key: str) -> dict[str, Any]:
        """Sift a node whose class is not of this project: none of its texts is an option."""
        self.saved.foreign[key] = content["_target_"]
        made = {"_target_": content["_target_"]}
        for name, value in content.items():
            inner = f"{key}.{name}"
            if name == "_target_":
                continue
            if isinstance(value, dict) and "_target_" in value:
                made[name] = self.node(value, inner)
                continue
            self._collect(value, inner)
            made[name] = self.plain(value, inner)
        return made

    def _collect(self, value: Any, key: str) -> None:
        """Note the texts in a setting of a foreign class."""
        if isinstance(value, dict):
            for name, entry in value.items():
                self._collect(entry, f"{key}.{name}")
        elif isinstance(value, str) or (isinstance(value, list) and _any_text(value)):
            self.saved.texts[key] = value

    def _names(self, content: Any, key: str) -> None:
        if not isinstance(content, dict):
            raise self._refused("this must be a group of settings", key)
        for name in content:
            if not _NAME.fullmatch(name):
                raise self._refused(f"{name[:80]!r} is not valid as a name", key)

    def plain(self, value: Any, key: str) -> Any:
        """Sift numbers, words, and lists and groups of them."""
        if isinstance(value, dict):
            self._names(value, key)
            return {name: self.plain(entry, f"{key}.{name}") for name, entry in value.items()}
        return list(value) if isinstance(value, list) else value


def _any_text(values: list[Any]) -> bool:
    return any(isinstance(v, str | dict) or (isinstance(v, list) and _any_text(v)) for v in values)


def _sift(content: dict[str, Any], where: str) -> Saved:
    """Keep the known parts of a saved configuration.

    Raises
    ------
    InputError
        At the first key that is unknown, names code, or is no option.
    """
    saved = Saved({}, where)
    sieve = _Sieve(saved)
    for key, value in content.items():
        if key not in _KNOWN:
            raise _damaged("unknown key", key, where)
        if key == "reconstructor" and value is not None:
            raise _damaged("a file may not name code", key, where)
        if key in _PLAIN:
            if not isinstance(value, dict):
                raise _damaged("this must be a group of settings", key, where)
            saved.config[key] = signature.defaults(schema.NODES[key]) | sieve.plain(value, key)
        elif key == "shift":
            saved.config[key] = sieve.named(value, key)
        elif key in BASES:
            saved.config[key] = sieve.node(value, key)
        elif key in _TAKEN:
            saved.config[key] = value
    for key in _TAKEN:
        if key not in saved.config and key not in ("audit", "defence"):  # older than these, or without any
            raise _damaged("no value", key, where)
    if isinstance(content.get("plugins"), list):
        saved.plugins = content["plugins"]
    return saved


def check_options(saved: Saved, plugins: Sequence[str]) -> None:
    """Check that the named options of groups without a node of their own exist.

    Parameters
    ----------
    saved
        Configuration that came with a file.
    plugins
        Packages whose options count, too.

    Raises
    ------
    InputError
        If there is no such option.
    """
    for key in _OPTIONS:
        value = saved.config[key]
        if not isinstance(value, str) or value not in config_options(key, plugins):
            what, named = f"no option {str(value)[:80]!r}", [p for p in saved.plugins if isinstance(p, str)]
            if not named or set(named) <= set(plugins):
                raise _damaged(what, key, saved.where)
            mend = f"name its package again if it is right, {argument('plugins', [*plugins, *named])}"
            raise InputError(what, f"{key} in {saved.where}", mend)


def read_saved(checkpoint: Path) -> Saved:
    """Read the configuration in a safetensors file, or beside a folder of checkpoints.

    What an older version of this program did not know stands at its constructor's default.

    Parameters
    ----------
    checkpoint
        The safetensors file, or a checkpoint in its run directory.

    Returns
    -------
    Saved
        What the configuration may say, and what it may not and has to be said again.

    Raises
    ------
    InputError
        If it cannot be read, or says more than it may.
    """
    if checkpoint.suffix == ".safetensors":
        saved = _sift(read_metadata(checkpoint)["config"], str(checkpoint))
    else:
        beside = checkpoint.resolve().parent.parent / "config.yaml"
        if not beside.is_file():
            mend = "give RUN_DIR/checkpoints/best.ckpt of a whole run directory, or a .safetensors file of this program"
            raise InputError("no config.yaml beside the checkpoints", str(beside), mend)
        saved = _sift(read_mapping(beside), str(beside))
    if "max_gib" in saved.config["dataset"]:
        saved.config["dataset"]["max_gib"] = None  # a file does not lift the limit of what files may declare
    return saved


def _shipped_default(config: dict[str, Any], key: str) -> Any:
    """Return the value of a setting in the file of a node's option under ``conf/``; None if there is no such option."""
    group, _, rest = key.partition(".")
    if group == "shift":
        option, _, rest = rest.partition(".")
    else:
        option = str(get(config, f"{group}.name"))
    path = option_file(group, option, config["plugins"])
    if path is None:
        return None
    content: Any = OmegaConf.to_container(OmegaConf.load(path))
    return get(content, rest)


def _settle_texts(saved: Saved, given: Collection[str]) -> Iterator[str]:
    """Put in the texts of this project's own options; yields the keys of those that have to be said again."""
    for key, value in saved.texts.items():
        default = _shipped_default(saved.config, key)
        if key in given:
            continue
        if key == "dataset.directory" and default is not None:
            saved.config["dataset"]["directory"] = default  # generated data are the same in every folder
        elif value != default:
            yield key


def settle(saved: Saved, config: dict[str, Any], given: Collection[str]) -> None:
    """Complete a saved configuration, if the command line gives what the file may not decide.

    Parameters
    ----------
    saved
        Configuration as it was read; the values of this run are put into its `config`.
    config
        Configuration that the command line composes by itself: it gives everything that belongs to a run.
    given
        Keys on the command line.

    Raises
    ------
    InputErrors
        With what is wrong in the file; else, in one line, with the arguments to add to the command line.
    """
    saved.config.update({k: v for k, v in config.items() if k not in _TAKEN})
    saved.config["sigma"] = None  # it is in the strategy
    named = [plugin for plugin in saved.plugins if isinstance(plugin, str)]
    allowed, packages, words = set(config["plugins"]), list(config["plugins"]), []
    for key, target in saved.foreign.items():
        package = target.split(".")[0]
        if package in allowed or package not in named or package in (*sys.stdlib_module_names, "sgdj"):
            continue
        group = group_of(key)
        base = BASES[group].rpartition(".")[2] if group else "class"
        words.append(f"{target[:100]!r} is not a {base} of this project")
        packages += [] if package in packages else [package]
    # classes of a package that the command line does not name are not imported, not even to be checked
    found = schema.misnamed(saved.config, packages) or ([] if words else schema.mistakes(saved.config))
    mistakes = [
        _damaged(m.what, m.where, saved.where) for m in found if not (m.what == "no value" and m.where in given)
    ]
    if mistakes:
        raise InputErrors(mistakes)
    arguments = [argument("plugins", packages)] if words else []
    for key in _settle_texts(saved, given):
        words.append(f"{key} is not taken from a file")
        arguments.append(argument(key, saved.texts[key]))
    if words:
        mend = f"say it again on the command line if it is right, {' '.join(arguments)}"
        raise InputErrors([InputError(" and ".join(words), saved.where, mend)])


def other_architecture(checkpoint: Path) -> dict[str, Any]:
    """Return the `architecture` node of another network, of this project's classes alone.

    Parameters
    ----------
    checkpoint
        A checkpoint in its run directory, or a safetensors file.

    Returns
    -------
    dict
        Node in plain types.

    Raises
    ------
    InputError
        If its configuration cannot be read, or names other classes or texts.
    """
    saved = read_saved(checkpoint)
    node = {"architecture": saved.config["architecture"]}
    texts = [key for key in [*saved.foreign, *saved.texts] if key.startswith("architecture")]
    if texts:
        mend = "name a network whose classes are all of this project"
        raise InputError("this is no option of the project", f"{texts[0]} in {saved.where}", mend)
    mistakes = schema.misnamed(node, []) or schema.refused(node, []) or schema.unbuildable(node, [])
    if mistakes:
        raise _damaged(mistakes[0].what, mistakes[0].where, saved.where)
    return node["architecture"]
