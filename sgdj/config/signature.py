"""Read the schema of settings from constructors: annotations say which ones a class takes, of which type and range."""

import importlib
import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from sgdj.config.messages import told
from sgdj.config.options import BASES, group_of, is_plugin, shipped
from sgdj.config.types import STRICT
from sgdj.errors import InputError


def located(path: str, where: str) -> type:
    """Return the class of an import path.

    Parameters
    ----------
    path
        Dotted path of the class.
    where
        Dotted key that names it, for the message.

    Returns
    -------
    type
        Class at that path.

    Raises
    ------
    InputError
        If there is none.
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        mend = "install the package or mend the name"
        raise InputError(f"{path!r} cannot be imported ({error})", where, mend) from error
    if not isinstance(found, type):
        raise InputError(f"{path!r} is not a class", where, "name a class")
    return found


def parameters(cls: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a constructor or function by name, with evaluated annotations."""
    try:
        return dict(inspect.signature(cls, eval_str=True).parameters)
    except NameError:  # an annotation that only a type checker can resolve
        return dict(inspect.signature(cls).parameters)
    except ValueError:  # a built-in type tells none
        return {}


def defaults(cls: type) -> dict[str, Any]:
    """Values that a constructor takes for what it is not given, by name of the parameter."""
    factories: dict[str, Any] = {}
    if is_dataclass(cls):
        factories = {f.name: f.default_factory for f in fields(cls) if f.default_factory is not MISSING}
    return {
        name: factories[name]() if name in factories else p.default
        for name, p in parameters(cls).items()
        if p.default is not p.empty
    }


def _type(annotation: Any) -> Any:
    """Return the part of an annotation that pydantic can check; Any for foreign classes, and where there is none."""
    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return Any
    try:
        TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=False))
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeError):
        return Any
    return annotation


def node_class(key: str, node: Mapping[str, Any], plugins: Sequence[str], expected: Any = None) -> type:
    """Return the class that a node names, if it may be named there.

    Parameters
    ----------
    key
        Dotted key of the node.
    node
        Content of the node, with its `_target_`.
    plugins
        Further packages that may be named.
    expected
        Annotation of the parameter that takes the object; None for an option of a group.

    Returns
    -------
    type
        Class to instantiate.

    Raises
    ------
    InputError
        If it is no class of this project or of `plugins`, or derives from another base.
    """
    target, where = node["_target_"], f"{key}._target_"
    if target not in shipped() and not is_plugin(target, plugins):
        raise InputError(f"{target!r} is not allowed", where, "name its package in plugins=[…]")
    group = group_of(key)
    base = located(BASES[group], where) if expected is None and group else expected
    cls = located(target, where)
    if isinstance(base, type) and not issubclass(cls, base):
        mend = f"derive it from {base.__module__}.{base.__qualname__}"
        raise InputError(f"{target!r} is not a {base.__name__}", where, mend)
    return cls


def objects(annotation: Any) -> tuple[Any, bool]:
    """Return the class of objects that a parameter takes, None if none, and whether it takes several by name."""
    if get_origin(annotation) in (dict, Mapping):
        return objects(get_args(annotation)[1])[0], True
    if annotation in (Any, inspect.Parameter.empty):
        return object, False
    is_object = isinstance(annotation, type) and annotation.__module__ != "builtins"
    return annotation if is_object else None, False


def inner(cls: type, key: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], type]]:
    """Yield key, content and expected class of the nodes directly inside of one, single or by name."""
    taken = parameters(cls)
    for name, value in node.items():
        expected, by_name = objects(taken[name].annotation) if name in taken else (None, False)
        if expected is None or not isinstance(value, Mapping):
            continue
        if "_target_" in value and not by_name:
            yield f"{key}.{name}", value, expected
        elif expected is object or by_name:
            for label, one in value.items():
                if isinstance(one, Mapping) and "_target_" in one:
                    yield f"{key}.{name}.{label}", one, expected


def mistakes(
    key: str, node: Mapping[str, Any], plugins: Sequence[str], known: Sequence[str], expected: Any = None
) -> Iterator[InputError]:
    """Yield what a class would refuse of a node's settings, and of the nodes inside.

    Parameters
    ----------
    key
        Dotted key of the node.
    node
        Content of the node, with its `_target_`.
    plugins
        Further packages that may be named.
    known
        All keys of the configuration, for hints.
    expected
        Annotation of the parameter that takes the object; None for an option of a group.

    Yields
    ------
    InputError
        One error per mistake.
    """
    try:
        cls = node_class(key, node, plugins, expected)
    except InputError as error:
        yield error
        return
    inside = list(inner(cls, key, node))
    built = {place[len(key) + 1 :].partition(".")[0] for place, _, _ in inside}
    values = {name: value for name, value in node.items() if name not in ("_target_", "name")}
    yield from refused(key, cls, values, known, built)
    for place, one, base in inside:
        yield from mistakes(place, one, plugins, known, base)


def refused(
    key: str, maker: Callable[..., object], values: Mapping[str, Any], known: Sequence[str], built: Collection[str] = ()
) -> Iterator[InputError]:
    """Yield what a class, or a function that makes an object, would refuse of its arguments.

    Parameters
    ----------
    key
        Dotted key of the arguments.
    maker
        Class or function whose annotations say what it takes.
    values
        Arguments by name, in plain types.
    known
        All keys of the configuration, for hints.
    built
        Names of arguments that objects are built from, which are checked by themselves.

    Yields
    ------
    InputError
        One error per mistake.
    """
    fields: Any = {
        name: (Any if name in built else _type(p.annotation), ... if p.default is p.empty else p.default)
        for name, p in parameters(maker).items()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    try:
        create_model("Arguments", __config__=STRICT, **fields).model_validate_json(json.dumps(values))
    except ValidationError as error:
        yield from told(error, key, known)
