"""Tikhonov regularisation, the linear reference."""

from typing import Literal

import torch
from torch import Tensor

from sgdj.config.types import Count, Positive
from sgdj.networks.solve import solve
from sgdj.operators.base import Operator
from sgdj.references.differences import divergence, gradient


class Tikhonov:
    r"""Minimise :math:`\tfrac12\|Ax - y\|^2 + \tfrac\lambda2\|Lx\|^2` (Tikhonov, 1963), exactly.

    The minimiser :math:`(A^H A + \lambda L^H L)^{-1} A^H y` is Wiener's filter for white noise and images of
    covariance :math:`(L^H L)^{-1}`.

    Parameters
    ----------
    weight
        Weight λ of the penalty.
    penalty
        Map L: "identity", or "gradient" for differences of neighbouring pixels.
    steps
        Most steps of conjugate gradients, which end before at the accuracy of the numbers.
    """

    def __init__(
        self, weight: Positive, penalty: Literal["identity", "gradient"] = "identity", steps: Count = 500
    ) -> None:
        self.weight, self.penalty, self.steps = weight, penalty, steps

    def __call__(self, y: Tensor, operator: Operator) -> Tensor:
        """Return the minimiser x̂ (B, C, H, W)."""
        adjoint = operator.adjoint(y)
        weight = torch.tensor(self.weight, dtype=adjoint.real.dtype, device=adjoint.device)
        if self.penalty == "identity":
            return solve(operator, adjoint, weight, self.steps)
        return solve(operator, adjoint, weight, self.steps, lambda x: divergence(gradient(x)))
