"""Minimise a data term plus a sum of magnitudes, by a primal-dual method."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from sgdj.config.types import Count, NonNegative, Positive
from sgdj.networks.solve import solve
from sgdj.operators.base import Operator


class Sparse(ABC):
    r"""Minimise :math:`\tfrac12\|Ax - y\|^2 + \tfrac\mu2\|x\|^2 + \lambda \sum_j |(Kx)_j|`; the base of its forms.

    The primal-dual method of Chambolle & Pock (2011, their algorithm 2), whose step on the data is exact. An attack
    differentiates through its iterations.

    Parameters
    ----------
    weight
        Weight λ of the magnitudes.
    ridge
        Weight μ of the squared norm, which makes the minimiser unique where something is not measured.
    iterations
        Number of iterations.
    """

    #: Upper bound of ‖K‖².
    bound: float = 1.0
    _STEPS = 2000  # of conjugate gradients, at most; they end at the accuracy of the numbers

    def __init__(self, weight: Positive, ridge: NonNegative = 1e-3, iterations: Count = 100) -> None:
        self.weight, self.ridge, self.iterations = weight, ridge, iterations

    @abstractmethod
    def analyse(self, x: Tensor) -> Tensor:
        """Return K x of images (B, C, H, W)."""

    @abstractmethod
    def synthesise(self, p: Tensor) -> Tensor:
        """Return the image Kᴴp, (B, C, H, W)."""

    @abstractmethod
    def squares(self, p: Tensor) -> Tensor:
        """Return |p_j|², the squared magnitudes that are summed up, in a shape that p broadcasts with."""

    def __call__(self, y: Tensor, operator: Operator) -> Tensor:
        """Return x̂ (B, C, H, W)."""
        return self.solve(y, operator)[0]

    def solve(self, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return x̂ (B, C, H, W), and the dual variable p, of the shape of K x̂ and of magnitude at most λ."""
        adjoint = operator.adjoint(y)
        x = ahead = adjoint
        p = torch.zeros_like(self.analyse(x))
        tau = sigma = self.bound**-0.5
        for _ in range(self.iterations):
            p = self._clip(p + sigma * self.analyse(ahead))
            before = x
            x = self._regular(operator, adjoint + before / tau - self.synthesise(p), 1 / tau)
            theta = (1 + 2 * self.ridge * tau) ** -0.5
            tau, sigma = theta * tau, sigma / theta
            ahead = x + theta * (x - before)
        return x, p

    def _regular(self, operator: Operator, b: Tensor, more: float) -> Tensor:
        """Return (AᴴA + (μ + more) I)⁻¹ b."""
        weight = torch.tensor(self.ridge + more, dtype=b.real.dtype, device=b.device)
        return solve(operator, b, weight, self._STEPS)

    def _clip(self, p: Tensor) -> Tensor:
        """Limit every magnitude to λ."""
        return p * (self.weight / self.squares(p).clamp_min(self.weight**2).sqrt())

    def gap(self, x: Tensor, p: Tensor, y: Tensor, operator: Operator) -> Tensor:
        """Return the duality gap of each sample relative to the objective, a bound on what x̂ is above the minimum.

        The dual objective has a system with AᴴA + μ in it. Where that has no solution, as with μ = 0 where something is
        not measured, or conjugate gradients did not find it, there is no bound, and the gap is infinite.

        Parameters
        ----------
        x
            Image x̂, shape (B, C, H, W).
        p
            Dual variable, of the shape of K x̂, of magnitude at most λ.
        y
            Measurement, of the shape that `operator.forward` returns.
        operator
            Forward operator A of the batch.

        Returns
        -------
        Tensor
            Relative gap, shape (B,), not negative but for rounding; infinite where it is not known.
        """

        def square(v: Tensor) -> Tensor:
            return v.abs().square().flatten(1).sum(1)

        magnitudes = self.squares(self.analyse(x)).sqrt()
        batch = magnitudes.movedim(magnitudes.ndim - 4, 0) if magnitudes.ndim > 4 else magnitudes
        primal = (square(operator.forward(x) - y) + self.ridge * square(x)) / 2 + self.weight * batch.flatten(1).sum(1)
        s = operator.adjoint(y) - self.synthesise(p)
        v = self._regular(operator, s, 0.0)
        solved = square(operator.gram(v) + self.ridge * v - s) <= torch.finfo(primal.dtype).eps * square(s)
        dual = (square(y) - (s.conj() * v).real.flatten(1).sum(1)) / 2
        return torch.where(solved, (primal - dual) / primal, torch.inf)
