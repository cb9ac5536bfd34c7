"""Denoising: A = I."""

from torch import Tensor

from sgdj.operators.base import Operator


class Identity(Operator):
    """The identity, for denoising."""

    def forward(self, x: Tensor) -> Tensor:
        """X itself."""
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Y itself."""
        return y

    def norm(self) -> float:
        """1."""
        return 1.0
