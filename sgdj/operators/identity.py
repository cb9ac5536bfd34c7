"""Observe the image itself (denoising): A = I."""

import torch
from torch import Tensor

from sgdj.operators.base import Operator


class Identity(Operator):
    """Identity operator, for denoising."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x unchanged."""
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Return y unchanged."""
        return y

    def norm(self) -> float:
        """Return 1, the largest singular value."""
        return 1.0

    def singular_values(self) -> Tensor:
        """Return 1, the only one."""
        return torch.ones(1, dtype=torch.float64)
