"""What every forward operator offers."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

#: Where noise and perturbations may lie: on what was measured, or anywhere (the authors' code).
Support = Literal["measured", "full"]


class Operator(ABC):
    r"""Linear map :math:`A` from images to measurements.

    Images have shape (B, C, H, W), real or complex. An operator travels with the batch whose measurements it made.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """A x."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """Aᴴ y."""

    def gram(self, x: Tensor) -> Tensor:
        """AᴴA x."""
        return self.adjoint(self.forward(x))

    @abstractmethod
    def norm(self) -> float:
        """Largest singular value of A."""

    def restrict(self, y: Tensor) -> Tensor:
        """Set to zero what the operator does not measure; noise and attacks go through here."""
        return y

    def repeat(self, count: int) -> "Operator":
        """The operator for a batch repeated `count` times, one copy after the other."""
        return self

    def take(self, index: int) -> "Operator":
        """The operator of one sample of the batch."""
        return self

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Operator":
        """The operator with its tensors on `device`."""
        return self
