"""Bridges to other libraries: DeepInverse's models and physics, and linear operators of SciPy's kind (PyLops).

Nothing is imported from them: what is asked for is that an object has their methods. Complex images (B, 1, H, W) are
images of two real channels there, (B, 2, H, W).
"""

import sys
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sgdj.errors import InputError
from sgdj.networks.base import Reconstructor
from sgdj.networks.channels import from_channels, to_channels
from sgdj.operators.base import Operator
from sgdj.runtime.arrays import Array

_Map = Callable[[Array], Array]


class Physics(Protocol):
    """What is asked of a linear physics of DeepInverse."""

    def A(self, x: Tensor) -> Tensor:  # noqa: N802
        """Measure images x of real channels (B, C, H, W)."""

    def A_adjoint(self, y: Tensor) -> Tensor:  # noqa: N802
        """Apply the adjoint to measurements y."""


class LinearMap(Protocol):
    """What is asked of a linear operator of SciPy's kind, such as PyLops has."""

    shape: tuple[int, int]

    def matvec(self, x: Array) -> Array:
        """Map a vector of length n to one of length m."""

    def rmatvec(self, y: Array) -> Array:
        """Map a vector of length m to one of length n, by the adjoint."""


def is_deepinverse(model: object) -> bool:
    """Tell whether a class of the library stands among a model's classes."""
    return any(cls.__module__.partition(".")[0] == "deepinv" for cls in type(model).__mro__)


def _channels(x: Tensor) -> Tensor:
    """Turn complex images of one channel into two real channels, real ones into themselves."""
    if x.is_complex() and x.shape[1] != 1:
        what = f"complex data of {x.shape[1]} channels"
        raise InputError(what, "the bridge to DeepInverse", "it takes complex images and measurements of one channel")
    return to_channels(x).contiguous()


def _joined(x: Tensor, complex_images: bool) -> Tensor:
    """Turn two real channels into a complex image, where they are one."""
    return from_channels(x, torch.empty(0, dtype=x.dtype.to_complex(), device=x.device)) if complex_images else x


class OperatorPhysics:
    """Operator of this package in the form of a linear physics of DeepInverse.

    Its models take it as it is; ``deepinv.physics.LinearPhysics(A=p.A, A_adjoint=p.A_adjoint)`` adds what else a
    physics there can do.

    Parameters
    ----------
    operator
        Operator of the images.
    complex_images
        Whether images and measurements are complex; two channels are their real and imaginary parts.
    """

    def __init__(self, operator: Operator, complex_images: bool) -> None:
        self.operator, self.complex_images = operator, complex_images

    def _through(self, apply: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        return _channels(apply(_joined(x, self.complex_images)))

    def A(self, x: Tensor) -> Tensor:  # noqa: N802
        """Measure images of real channels."""
        return self._through(self.operator.forward, x)

    __call__ = forward = A

    def A_adjoint(self, y: Tensor) -> Tensor:  # noqa: N802
        """Apply the adjoint to measurements of real channels."""
        return self._through(self.operator.adjoint, y)

    def A_vjp(self, x: Tensor, v: Tensor) -> Tensor:  # noqa: N802
        """Apply the derivative's adjoint at x, which is that of A, to measurements v."""
        return self.A_adjoint(v)

    def A_adjoint_A(self, x: Tensor) -> Tensor:  # noqa: N802
        """Apply AᴴA to images of real channels."""
        return self._through(self.operator.gram, x)


class _Borrowed(Operator):
    """Operator of another library, whose norm its user may know."""

    def __init__(self, norm: float | None) -> None:
        self._norm = norm

    def norm(self) -> float:
        """Return the largest singular value that was given.

        Returns
        -------
        float
            Largest gain ‖A‖ of an image.

        Raises
        ------
        ValueError
            If none was given.
        """
        if self._norm is None:
            raise ValueError("the norm of this operator is not known: give norm=")
        return self._norm


class PhysicsOperator(_Borrowed):
    """Linear physics of DeepInverse as an operator of this package.

    Parameters
    ----------
    physics
        Physics of images of real channels.
    complex_images
        Whether two channels are the real and imaginary parts of a complex image.
    norm
        Largest singular value of A, where it is known; certificates need it.
    """

    def __init__(self, physics: Physics, complex_images: bool, norm: float | None = None) -> None:
        super().__init__(norm)
        self.physics, self.complex_images = physics, complex_images

    def _through(self, apply: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        return _joined(apply(_channels(x)), self.complex_images)

    def forward(self, x: Tensor) -> Tensor:
        """Measure images: A x, for x of shape (B, C, H, W)."""
        return self._through(self.physics.A, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the adjoint to measurements: Aᴴ y, an image of shape (B, C, H, W)."""
        return self._through(self.physics.A_adjoint, y)


class DeepInverseModel(Reconstructor):
    """Model (y, physics) of DeepInverse as a reconstructor of this package.

    The library's own models are given its own `LinearPhysics`, which offers all that they may ask for.

    Parameters
    ----------
    model
        Model to call; its weights are registered as part of this one.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, y: Tensor, operator: Operator, perturb: object = None) -> Tensor:
        """Reconstruct y (B, C, H, W), complex ones as two real channels."""
        physics = OperatorPhysics(operator, y.is_complex())
        library = sys.modules["deepinv"] if is_deepinverse(self.model) else None
        given = library.physics.LinearPhysics(A=physics.A, A_adjoint=physics.A_adjoint) if library else physics
        made: Tensor = self.model(_channels(y), given)
        return _joined(made, y.is_complex())


class DeepInverseReconstructor(nn.Module):
    """Network of this package as a reconstructor (y, physics) of DeepInverse.

    Parameters
    ----------
    network
        Network to call.
    complex_images
        Whether two channels are the real and imaginary parts of a complex image.
    """

    def __init__(self, network: Reconstructor, complex_images: bool) -> None:
        super().__init__()
        self.network, self.complex_images = network, complex_images

    def forward(self, y: Tensor, physics: Physics) -> Tensor:
        """Reconstruct measurements of real channels (B, C, H, W)."""
        operator = PhysicsOperator(physics, self.complex_images)
        return _channels(self.network(_joined(y, self.complex_images), operator))


class _Applied(torch.autograd.Function):
    """Apply a linear map of NumPy vectors, whose gradient is its adjoint's value."""

    there: _Map
    back: _Map
    shape: torch.Size

    @staticmethod
    def forward(ctx: "_Applied", x: Tensor, there: _Map, back: _Map, shape: torch.Size) -> Tensor:
        ctx.there, ctx.back, ctx.shape = there, back, x.shape[1:]
        rows = np.stack([np.asarray(there(one)) for one in x.detach().cpu().flatten(1).numpy()])
        return torch.from_numpy(rows if x.is_complex() else rows.real).to(x).view(len(x), *shape)

    @staticmethod
    def backward(ctx: "_Applied", *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _Applied.apply(gradients[0], ctx.back, ctx.there, ctx.shape), None, None, None


class LinearOperator(_Borrowed):
    """Linear operator of SciPy's kind, such as one of PyLops, as an operator of this package.

    It computes on the CPU, image by image, and can be differentiated as often as one likes.

    Parameters
    ----------
    linear
        Operator with `matvec`, `rmatvec` and `shape` (m, n), on images as vectors in C order.
    image
        Shape (C, H, W) of an image, with n entries.
    measurement
        Shape (C, H, W) of a measurement, with m entries.
    norm
        Largest singular value of A, where it is known; certificates need it.

    Raises
    ------
    ValueError
        If the shapes do not have as many entries as the operator maps.
    """

    def __init__(
        self,
        linear: LinearMap,
        image: tuple[int, int, int],
        measurement: tuple[int, int, int],
        norm: float | None = None,
    ) -> None:
        entries = (int(np.prod(measurement)), int(np.prod(image)))
        if entries != tuple(linear.shape):
            raise ValueError(f"an operator of shape {tuple(linear.shape)} does not map {image} to {measurement}")
        super().__init__(norm)
        self.linear = linear
        self.image, self.measurement = torch.Size(image), torch.Size(measurement)

    def _matvec(self, x: Array) -> Array:
        made = np.asarray(self.linear.matvec(x))
        if np.iscomplexobj(made) and not np.iscomplexobj(x):
            raise InputError(
                "it makes complex measurements of real images", "the linear operator", "give complex images"
            )
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Measure images: A x, for x of shape (B, C, H, W), which must be complex where A is."""
        made: Tensor = _Applied.apply(x, self._matvec, self.linear.rmatvec, self.measurement)
        return made

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the adjoint to measurements: Aᴴ y, an image of shape (B, C, H, W)."""
        made: Tensor = _Applied.apply(y, self.linear.rmatvec, self.linear.matvec, self.image)
        return made
