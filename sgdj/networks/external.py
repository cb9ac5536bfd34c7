"""Reconstructors of other people."""

import importlib
import inspect
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from sgdj.errors import InputError
from sgdj.networks.base import Perturb, Reconstructor
from sgdj.networks.channels import from_channels, to_channels
from sgdj.operators.base import Operator


class External(Reconstructor):
    """Any differentiable map (y, operator) to x̂ of shape (B, C, H, W).

    Parameters
    ----------
    function
        The map; its weights, if it is a module, are part of this one.
    """

    def __init__(self, function: Callable[[Tensor, Operator], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Call it.

        Raises
        ------
        InputError
            If it fails, or gives no tensor.
        """
        try:
            made = self.function(y, operator)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever somebody else's code raises
            reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"
            raise InputError(
                f"it failed ({reason})",
                "reconstructor",
                "HYDRA_FULL_ERROR=1 shows where; it is called with (y, operator)",
            ) from error
        if not isinstance(made, Tensor):
            raise InputError(f"it gave {type(made).__name__}, no tensor", "reconstructor", "return x̂ (B, C, H, W)")
        return made


class PostProcessing(Reconstructor):
    """A network from image to image behind Aᴴy.

    Parameters
    ----------
    network
        Real channels (B, C, H, W) to the same; complex images have two.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """The network of Aᴴy."""
        x = operator.adjoint(y)
        return from_channels(self.network(to_channels(x)), x)


def _find(name: str) -> object:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)  # as python -m does
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{name!r} cannot be imported ({error})", "reconstructor", "give MODULE:NAME") from error
    finally:
        sys.path.remove(here)


def source_file(name: str) -> Path | None:
    """Where a reconstructor comes from: the TorchScript file, or its module's file."""
    if ":" not in name:
        return Path(name)
    path = getattr(importlib.import_module(name.partition(":")[0]), "__file__", None)
    return None if path is None else Path(path)


def external(name: str, weights: Path | None) -> Reconstructor:
    """Load a reconstructor that is not of this project.

    Parameters
    ----------
    name
        ``MODULE:NAME`` of a function (y, operator) to x̂, of a module that takes the same, or of a class or function
        without required arguments that makes one; or a TorchScript file, a network from image to image behind Aᴴy.
    weights
        State dictionary for the module, read without running code.

    Raises
    ------
    InputError
        If it cannot be imported, read, or called.
    """
    if ":" not in name:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is old, files of it are many
                return PostProcessing(torch.jit.load(name, map_location="cpu"))
        except (RuntimeError, ValueError, OSError) as error:
            line = str(error).strip().splitlines()[0]
            raise InputError(
                f"no TorchScript file ({line})", f"reconstructor={name}", "give one, or MODULE:NAME"
            ) from error
    found = _find(name)
    if not callable(found):
        raise InputError(f"{name!r} cannot be called", "reconstructor", "name a function or a module")
    if isinstance(found, type) or (not isinstance(found, nn.Module) and not _required(found)):
        found = found()
    if weights is not None:
        if not isinstance(found, nn.Module):
            raise InputError(f"{name!r} has no weights", "checkpoint", "leave it out")
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            found.load_state_dict(state.get("state_dict", state))
        except Exception as error:
            line = str(error).strip().splitlines()[0]
            raise InputError(
                f"the weights do not fit ({line})", f"checkpoint={weights}", "give its state_dict"
            ) from error
    return found if isinstance(found, Reconstructor) else External(found)


def _required(function: Callable[..., object]) -> int:
    """Number of arguments that must be given."""
    parameters = inspect.signature(function).parameters.values()
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
