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

    def sampled(self) -> Tensor | None:
        """Return what is sampled, boolean, with a first axis of length 1 or B; None if nothing is ever left out."""
        return None

    def keeping(self, kept: Tensor) -> "Operator":
        """Return the operator that samples only a part of what this one does.

        Parameters
        ----------
        kept
            What is still sampled, boolean, of the shape of `sampled` with one mask for each sample.

        Returns
        -------
        Operator
            Operator of the smaller measurement.

        Raises
        ------
        TypeError
            If this operator samples everything.
        """
        sampled = self.sampled()
        if sampled is None:
            raise TypeError(f"{type(self).__name__} has nothing to leave out")
        return self.resampled(sampled & kept)

    def resampled(self, mask: Tensor) -> "Operator":
        """Return the operator of another mask, boolean, of the shape of `sampled` with one for each sample."""
        raise TypeError(f"{type(self).__name__} has nothing to leave out")

    def repeat(self, count: int) -> "Operator":
        """Return the operator for the batch repeated `count` times, one copy after the other."""
        return self

    def take(self, index: int) -> "Operator":
        """Return the operator of the sample at `index`, for a batch of one."""
        return self

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Operator":
        """Return the operator with its tensors on `device`."""
        return self
