"""Collect what a certificate of a network rests on: its form, its steps, and the constants of its learned part."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import isfinite

from torch import nn

from sgdj.errors import CheckFailed
from sgdj.networks.base import Reconstructor
from sgdj.networks.constants import Constants, Layer
from sgdj.networks.external import External
from sgdj.networks.unrolled import GradientDescent, ProximalGradient, Unrolled
from sgdj.operators.base import Operator

#: Layers whose Lipschitz constant is of no use, whatever their weights: they divide by a spread that may be small.
_NORMALISING = (nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_MEND = "train with architecture/learned=nonexpansive"
#: Keys that a declaration may have.
_DECLARED = ("constant", "form", "steps", "weights", "lipschitz", "start", "takes_y")


@dataclass(frozen=True)
class Ingredients:
    """Everything that the closed forms need to know of a network at one image size.

    Parameters
    ----------
    form
        "prox": x⁺ = N(x - ηAᴴ(Ax - y)); "gd": x⁺ = x - η(Aᴴ(Ax - y) + c(x - N(x))).
    start
        "adjoint" for x_0 = Aᴴy, "measurement" for x_0 = y.
    steps
        Step size η of every iteration.
    lipschitz
        Lipschitz constant of N in every iteration.
    weights
        Weight c in every iteration, of the gradient form.
    takes_y
        Whether N takes the measurement as a second input.
    layers
        Recomputed norms that the constants rest on.
    constant
        Lipschitz constant of the whole reconstruction, where it was declared as such; the rest then counts for nothing.
    """

    form: str = "prox"
    start: str = "adjoint"
    steps: tuple[float, ...] = ()
    lipschitz: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    takes_y: bool = False
    layers: tuple[Layer, ...] = ()
    constant: float | None = None


def _inner(network: object) -> object:
    """Return what a wrapper of an outside reconstructor holds."""
    return network.function if isinstance(network, External) else network


def check_theorem(network: Reconstructor) -> None:
    """Check that a closed form is about networks like this one.

    Parameters
    ----------
    network
        Network to certify, whatever the image size.

    Raises
    ------
    CheckFailed
        If none is, with the layer that breaks it.
    """
    inner = _inner(network)
    if hasattr(inner, "ingredients"):
        return
    if not isinstance(inner, GradientDescent | ProximalGradient):
        name = type(inner).__name__
        raise CheckFailed(
            f"no theorem applies: {name} is no gradient or proximal network and declares no ingredients: "
            f"give it a method ingredients(operator, shape)"
        )
    for part in inner.parts():
        if not hasattr(part, "constants"):
            raise CheckFailed(f"no theorem applies: {_breaking(part)}: {_MEND}")


def _breaking(learned: nn.Module) -> str:
    """Name the layer of a learned part that has no bound."""
    for name, module in learned.named_modules():
        if isinstance(module, _NORMALISING):
            return f"layer learned.{name} ({type(module).__name__}) divides by the spread of its input"
    kind = type(learned).__name__
    if getattr(learned, "residual", False):
        return f"layer learned ({kind}) adds its input to its output, and x + f(x) is not nonexpansive"
    for name, module in learned.named_modules():
        if list(module.parameters(recurse=False)):
            where = f"learned.{name}" if name else "learned"
            return f"layer {where} ({type(module).__name__}) may have any norm"
    return f"layer learned ({kind}) declares no constants"


def ingredients(network: Reconstructor, operator: Operator, shape: tuple[int, int]) -> Ingredients:
    """Collect the ingredients of a network from its weights in float64, or from its declaration.

    Any reconstructor may have a method ``ingredients(operator, shape)``, or a mapping of this name, with either
    ``constant``, the Lipschitz constant L of the whole map y -> x̂, or ``form`` ("prox" or "gd"), ``steps`` (η of every
    iteration), and where they differ from their defaults ``lipschitz`` (of N: a number, or one for every iteration; 1),
    ``weights`` (c of the gradient form: a number, or one for every iteration), ``start`` ("adjoint") and ``takes_y``
    (False). The learned part of an unrolled network of this project may have a method ``constants(shape)``, which
    returns `sgdj.networks.constants.Constants`.

    Parameters
    ----------
    network
        Network to certify.
    operator
        Operator that it is given.
    shape
        Size (H, W) of the images, in pixels.

    Returns
    -------
    Ingredients
        Content of the declaration or of the weights.

    Raises
    ------
    CheckFailed
        If no theorem applies, or a declaration cannot be read.
    """
    check_theorem(network)
    inner = _inner(network)
    declared = getattr(inner, "ingredients", None)
    if declared is not None:
        return _read(declared(operator, shape) if callable(declared) else declared)
    assert isinstance(inner, Unrolled)  # as it was checked
    exact = deepcopy(inner).cpu().double()  # some devices have no double precision
    found = {part: _constants(part, shape) for part in dict.fromkeys(exact.parts())}
    constants = [found[part] for part in exact.parts()]
    form, made = "gd" if isinstance(inner, GradientDescent) else "prox", constants[0].form
    if made != form:
        raise CheckFailed(
            f"no theorem applies: layer learned is made for {made} and the network is {form}: "
            f"set architecture.learned.form={form}"
        )
    return Ingredients(
        form=form,
        start=inner.start,
        steps=(float(exact.step().detach()),) * inner.iterations,
        lipschitz=tuple(one.q for one in constants),
        weights=tuple(one.weight for one in constants),
        takes_y=constants[0].takes_y,
        layers=tuple(layer for one in found.values() for layer in one.layers),
    )


def _constants(learned: nn.Module, shape: tuple[int, int]) -> Constants:
    """Ask a learned part for its constants, and refuse what does not follow from any norm."""
    declare: Callable[[tuple[int, int]], object] = getattr(learned, "constants")  # noqa: B009
    found = declare(shape)
    if not isinstance(found, Constants):
        raise CheckFailed(f"no theorem applies: constants are a {type(found).__name__}: return Constants")
    return found


def _read(declared: object) -> Ingredients:
    """Check a declaration's names, types and ranges."""
    if not isinstance(declared, Mapping):
        raise _refused(f"ingredients are a {type(declared).__name__}", "give a mapping")
    unknown = [str(key) for key in declared if key not in _DECLARED]
    if unknown:
        raise _refused(f"ingredients have an unknown key {unknown[0]}", f"use {', '.join(_DECLARED)}")
    if "constant" in declared:
        return Ingredients(constant=_numbers(declared, "constant", 1)[0])
    form, start = declared.get("form"), declared.get("start", "adjoint")
    if form not in ("prox", "gd"):
        raise _refused(f"ingredients have form {form!r}", 'give "prox" or "gd", or the constant of the whole network')
    if start not in ("adjoint", "measurement"):
        raise _refused(f"ingredients have start {start!r}", 'give "adjoint" or "measurement"')
    steps = declared.get("steps")
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        raise _refused("ingredients have no steps", "give the step size of every iteration as a list")
    count = len(steps)
    return Ingredients(
        form=str(form),
        start=str(start),
        steps=_numbers(declared, "steps", count),
        lipschitz=_numbers({"lipschitz": 1.0, **declared}, "lipschitz", count),
        weights=_numbers(declared, "weights", count) if form == "gd" else (),
        takes_y=bool(declared.get("takes_y", False)),
    )


def _numbers(declared: Mapping[object, object], key: str, count: int) -> tuple[float, ...]:
    """Return a declared number, or one for every iteration, as `count` numbers."""
    given = declared.get(key)
    listed = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given] * count
    numbers = [float(n) for n in listed if isinstance(n, int | float) and isfinite(n) and n >= 0]
    if len(numbers) != len(listed) or len(numbers) != count:
        raise _refused(f"ingredients have {key} = {given!r}", f"give {count} numbers that are not negative")
    return tuple(numbers)


def _refused(what: str, mend: str) -> CheckFailed:
    return CheckFailed(f"no theorem applies: its {what}: {mend}")
