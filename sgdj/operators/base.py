"""Define what every forward operator offers."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

#: Where noise and perturbations may lie: on what was measured, or anywhere (the authors' code).
Support = Literal["measured", "full"]


class Operator(ABC):
    """Linear map :math:`A` from images to measurements.

    Images have shape (B, C, H, W), real or complex. An operator travels with the batch whose measurements it made, so
    that masks may differ from sample to sample.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Measure images: A x, for x of shape (B, C, H, W)."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the adjoint to measurements: Aᴴ y, an image of shape (B, C, H, W)."""

    def gram(self, x: Tensor) -> Tensor:
        """Apply AᴴA to images x of shape (B, C, H, W)."""
        return self.adjoint(self.forward(x))

    @abstractmethod
    def norm(self) -> float:
        """Return the largest singular value of A."""

    def singular_values(self) -> Tensor | None:
        """Return the different singular values of A, in ascending order; None where they are not known."""
        return None

    def restrict(self, y: Tensor) -> Tensor:
        """Set to zero the entries of y that are not measured; noise and attacks pass through here."""
        return y

    def acceleration(self) -> Tensor | None:
        """Return the actual undersampling R, shape () or (B,); None for an operator that does not undersample."""
        return None

    def repeat(self, count: int) -> "Operator":
        """Return the operator for the batch repeated `count` times, one copy after the other."""
        return self

    def take(self, index: int) -> "Operator":
        """Return the operator of the sample at `index`, for a batch of one."""
        return self

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Operator":
        """Return the operator with its tensors on `device`."""
        return self
