"""Wrap reconstructors from outside the project, so that they can be evaluated and audited."""

import importlib
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sgdj.config.instantiate import called
from sgdj.errors import InputError, RunError, as_run_error, first_line
from sgdj.networks.base import Perturb, Reconstructor
from sgdj.networks.bridges import DeepInverseModel, is_deepinverse
from sgdj.networks.channels import from_channels, to_channels
from sgdj.operators.base import Operator

_SETTINGS = "reconstructor_settings"


class Foreign(Reconstructor):
    """Base of reconstructors that call code from outside the project.

    Whatever that code returns becomes an image, or an error told in one line.

    Attributes
    ----------
    notes
        What was converted in the returned values, such as the precision; each note is kept once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def _call(self, call: Callable[[], object], like: Tensor) -> Tensor:
        """Call somebody else's code, and return its result as a tensor of the shape, dtype and device of `like`.

        Raises
        ------
        InputError
            If the call fails, or returns something that is no image of this shape and dtype.
        """
        try:
            made = call()
        except RunError:
            raise
        except (Exception, SystemExit) as error:  # code from outside may raise anything
            if isinstance(error, RuntimeError | MemoryError) and as_run_error(error):
                raise
            reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"
            raise InputError(
                f"it failed ({reason})",
                "reconstructor",
                "HYDRA_FULL_ERROR=1 shows where; it is called with (y, operator)",
            ) from error
        return self._image(made, like)

    def _image(self, made: object, like: Tensor) -> Tensor:
        wanted = f"a tensor of shape {tuple(like.shape)}, {_dtype(like)}"
        if isinstance(made, np.ndarray) and made.dtype.kind in "biufc":
            self._note("it returned a NumPy array")
            made = torch.from_numpy(np.ascontiguousarray(made))
        if not isinstance(made, Tensor):
            raise InputError(f"it returned {type(made).__name__}, expected {wanted}", "reconstructor", "return x̂ alone")
        if made.shape != like.shape:
            raise InputError(
                f"it returned shape {tuple(made.shape)}, expected {tuple(like.shape)}",
                "reconstructor",
                "return x̂ (B, C, H, W), one image per measurement",
            )
        if made.is_complex() and not like.is_complex():
            raise InputError(f"it returned {_dtype(made)}, expected {wanted}", "reconstructor", "return a real image")
        if made.layout is not torch.strided or made.is_quantized or made.is_meta:
            raise InputError(f"it returned no dense tensor, expected {wanted}", "reconstructor", "return a dense one")
        if made.dtype != like.dtype:
            self._note(f"it returned {_dtype(made)}, taken as {_dtype(like)}")
            if like.is_complex() and not made.is_complex():
                made = made.to(like.real.dtype)
        return made.to(like)

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


class External(Foreign):
    """Map (y, operator) to x̂ of shape (B, C, H, W) by a callable, differentiable or not.

    Parameters
    ----------
    function
        Callable (y, operator) -> x̂. If it is a module, its weights are registered as part of this one.
    """

    def __init__(self, function: Callable[[Tensor, Operator], Tensor]) -> None:
        super().__init__()
        self.function = function
        self._likes: dict[tuple[torch.Size, torch.dtype, torch.device], Tensor] = {}

    @property
    def start(self) -> str:
        """Where the iteration starts, "adjoint" or "measurement", if the callable is one of this project's networks."""
        return (
            str(getattr(self.function, "start", "adjoint")) if isinstance(self.function, Reconstructor) else "adjoint"
        )

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Call the function with a copy of y, which it may overwrite."""
        key = y.shape, y.dtype, y.device
        if key not in self._likes:
            with torch.no_grad():
                self._likes[key] = torch.empty_like(operator.adjoint(y))
        copy = y.clone()
        return self._call(lambda: self.function(copy, operator), self._likes[key])


class ExternalUnrolled(External):
    """Wrap an unrolled network whose number of iterations K can be changed.

    Parameters
    ----------
    function
        Unrolled network with an attribute `iterations`.
    """

    @property
    def iterations(self) -> int:
        """Number of iterations K."""
        return int(self.function.iterations)  # type: ignore[attr-defined]

    @iterations.setter
    def iterations(self, count: int) -> None:
        self.function.iterations = count  # type: ignore[attr-defined]


class PostProcessing(Foreign):
    """Apply a network from image to image to Aᴴy.

    Parameters
    ----------
    network
        Map of real channels (B, C, H, W) to the same shape; a complex image has two channels.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Return the network's output for Aᴴy."""
        x = operator.adjoint(y)
        channels = to_channels(x)
        copy = channels.clone()
        return from_channels(self._call(lambda: self.network(copy), channels), x)


def _find(name: str) -> object:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)  # the working directory comes first, as with python -m
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{name!r} cannot be imported ({error})", "reconstructor", "give MODULE:NAME") from error
    finally:
        sys.path.remove(here)


def source_file(name: str) -> Path | None:
    """Return the file that defines a reconstructor: the TorchScript file, or the file of its module (None if none)."""
    if ":" not in name:
        return Path(name)
    path = getattr(importlib.import_module(name.partition(":")[0]), "__file__", None)
    return None if path is None else Path(path)


def external(name: str, weights: Path | None, settings: Mapping[str, object] | None = None) -> Reconstructor:
    """Load a reconstructor from outside the project.

    Parameters
    ----------
    name
        ``MODULE:NAME`` of a function (y, operator) -> x̂, of a module that takes the same, of a model (y, physics) of
        DeepInverse, of a class, or of a function without required arguments that makes one; or a TorchScript file, a
        network from image to image that is given Aᴴy.
    weights
        File with the module's state dictionary, read without running code.
    settings
        Arguments of the class by name, checked by its annotations.

    Returns
    -------
    Reconstructor
        Wrapper whose call is checked; see `Foreign`.

    Raises
    ------
    InputError
        If the name cannot be imported, read, or called, or the weights do not fit.
    InputErrors
        If the class refuses its settings, with every mistake.
    """
    if ":" not in name:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is deprecated, but still in use
                return PostProcessing(torch.jit.load(name, map_location="cpu"))
        except (RuntimeError, ValueError, OSError) as error:
            line = first_line(error)
            raise InputError(
                f"no TorchScript file ({line})", f"reconstructor={name}", "give one, or MODULE:NAME"
            ) from error
    found = _find(name)
    if not callable(found):
        raise InputError(f"{name!r} cannot be called", "reconstructor", "name a function or a module")
    if isinstance(found, type) or (not isinstance(found, nn.Module) and not _required(found)):
        found = called(_SETTINGS, found, settings or {})
        if not callable(found):
            raise InputError(f"{name!r} makes what cannot be called", "reconstructor", "name a class of such objects")
    elif settings:
        raise InputError(f"{name!r} takes no settings", _SETTINGS, "leave them out")
    if weights is not None:
        if not isinstance(found, nn.Module):
            raise InputError(f"{name!r} has no weights", "checkpoint", "leave it out")
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            found.load_state_dict(state.get("state_dict", state))
        except Exception as error:
            line = first_line(error)
            raise InputError(
                f"the weights do not fit ({line})", f"checkpoint={weights}", "give its state_dict"
            ) from error
    if isinstance(found, nn.Module) and is_deepinverse(found):
        found = DeepInverseModel(found)
    unrolled = isinstance(found, Reconstructor) and hasattr(found, "iterations")
    return ExternalUnrolled(found) if unrolled else External(found)


def _required(function: Callable[[], object]) -> int:
    """Count the positional arguments without a default."""
    parameters = inspect.signature(function).parameters.values()
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
