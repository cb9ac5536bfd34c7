"""Compute the learned part of a network in another number format."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from sgdj.networks.base import LearnedPart, Reconstructor


class InFloat32(nn.Module):
    """Layer that computes in float32 whatever the layers round it do."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to x in float32."""
        with torch.autocast(x.device.type, enabled=False):
            made: Tensor = self.layer(x.float())
        return made


class InBfloat16(LearnedPart):
    """Learned part whose convolutions and products compute in bfloat16; its result is of the input's precision.

    Its last layer computes in float32: rounding there goes straight into the image, and was measured to cost three
    times as much accuracy as rounding in all other layers together.

    Parameters
    ----------
    part
        Learned part with float32 weights.
    """

    def __init__(self, part: LearnedPart) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map the iterate x (B, C, H, W) to an image of the same shape and dtype; y is the measurement."""
        with torch.autocast(x.device.type, torch.bfloat16):
            made: Tensor = self.part(x, y)
        return made.to(x.dtype)


@contextmanager
def computing_in(precision: str, network: Reconstructor) -> Iterator[None]:
    """Let a network compute its learned parts in a number format for the length of the context.

    Data steps, attacks and metrics stay in float32: the Fourier transform has no bfloat16.

    Parameters
    ----------
    precision
        Number format, ``32`` or ``bf16``.
    network
        Network whose learned parts compute in it.

    Yields
    ------
    None
        Nothing; the caller uses the network.
    """
    outer = _outermost(network) if precision != "32" else {}
    exact = [last for part in outer.values() if (last := _last_layer(part))]
    for part, name, layer in exact:
        part.set_submodule(name, InFloat32(layer))
    for name, part in outer.items():
        network.set_submodule(name, InBfloat16(part))
    try:
        yield
    finally:
        for name, part in outer.items():
            network.set_submodule(name, part)
        for part, name, layer in exact:
            part.set_submodule(name, layer)


@contextmanager
def training_in(precision: str, network: Reconstructor) -> Iterator[None]:
    """Let a network compute its learned parts in a number format while it is trained, under the names that it has.

    Operators, data steps, solvers and the loss stay in float32, and so do weights and their updates.

    Parameters
    ----------
    precision
        Number format, ``32`` or ``bf16``.
    network
        Network whose learned parts compute in it.

    Yields
    ------
    None
        Nothing; the caller trains the network.
    """
    parts = list(_outermost(network).values()) if precision != "32" else []
    for part in parts:
        part.forward = partial(_rounded, part.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for part in parts:
            del part.forward


def _rounded(forward: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    with torch.autocast(x.device.type, torch.bfloat16):
        made = forward(x, y)
    return made.to(x.dtype)


def _outermost(network: Reconstructor) -> dict[str, LearnedPart]:
    """List the learned parts by name, without those inside others."""
    outer: dict[str, LearnedPart] = {}
    for name, module in network.named_modules():
        if isinstance(module, LearnedPart) and not any(name.startswith(f"{before}.") for before in outer):
            outer[name] = module
    return outer


def _last_layer(part: LearnedPart) -> tuple[LearnedPart, str, nn.Module] | None:
    """Find the last convolution or product of a learned part; None if it has none as a layer."""
    found = [(name, layer) for name, layer in part.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    return (part, *found[-1]) if found else None
