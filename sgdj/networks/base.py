"""What a reconstructor and its learned part are."""

from abc import ABC, abstractmethod
from typing import Protocol

from torch import Tensor, nn

from sgdj.operators.base import Operator


class Perturb(Protocol):
    """Noise that a training strategy puts into iteration k.

    Called with the iterate x_k and the iterate z_k after the data step; returns w_k of the same shape.
    """

    def __call__(self, k: int, x: Tensor, z: Tensor) -> Tensor:
        """w_k."""
        ...


class Reconstructor(nn.Module, ABC):
    """Differentiable map from measurements to images, (y, operator) -> x̂ of shape (B, C, H, W)."""

    @abstractmethod
    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Reconstruct; without `perturb` nothing is random."""


class LearnedPart(nn.Module, ABC):
    """The learned gradient f_θ or proximal map prox_θ of an unrolled network, shared by all iterations."""

    @abstractmethod
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map the iterate x (B, C, H, W) to an image of the same shape and kind; y is the measurement."""
