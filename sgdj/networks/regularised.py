"""Unrolled networks whose data step is exact: MoDL, half-quadratic splitting, ADMM."""

from typing import Literal

import torch
from torch import Tensor

from sgdj.config.types import Acceleration, Count, Positive
from sgdj.networks.base import LearnedPart
from sgdj.networks.solve import solve
from sgdj.networks.step import StepSize
from sgdj.networks.unrolled import Iteration, Unrolled


class Regularised(Unrolled):
    r"""Unrolled splitting, whose data step solves :math:`(A^H A + \lambda I)\, x = b`; the base of its forms.

    Parameters
    ----------
    learned
        Learned proximal map D_θ, an image in, an image out.
    weight
        Weight λ at the start of training; it is learned, and stays positive.
    solver_steps
        Most steps of conjugate gradients in a data step.
    iterations
        Number of iterations K; see `Unrolled`.
    start
        Where the iteration starts, "adjoint" or "measurement"; see `Unrolled`.
    checkpointing
        Whether to recompute iterations for the gradient; see `Unrolled`.
    shared
        Whether all iterations share one learned part; see `Unrolled`.
    """

    proximal = True

    def __init__(
        self,
        learned: LearnedPart,
        weight: Positive,
        solver_steps: Count,
        iterations: Count,
        start: Literal["adjoint", "measurement"],
        checkpointing: bool = False,
        shared: bool = True,
    ) -> None:
        super().__init__(learned, StepSize("exp", weight, 0.0, True), iterations, start, checkpointing, shared)
        self.solver_steps = solver_steps
        self._residual = 0.0

    def data_step(self, at: Iteration, weight: Tensor, z: Tensor, w: Tensor | None) -> Tensor:
        """Return (AᴴA + λI)⁻¹ (Aᴴy + λ z + w), the jitter on the right-hand side."""
        b = at.adjoint + weight * z
        b = b if w is None else b + w
        return solve(at.operator, b, weight, self.solver_steps, unfinished=self._unfinished)

    def _unfinished(self, residual: float) -> None:
        self._residual = max(self._residual, residual)

    def forget(self) -> None:
        """Forget what the solver has reached so far."""
        self._residual = 0.0

    @property
    def notes(self) -> list[str]:
        """Say how far the solver stayed from a solution, if it did."""
        if self._residual == 0:
            return []
        return [
            f"data steps: relative residual up to {self._residual:.1e} after {self.solver_steps} steps of conjugate "
            "gradients; raise architecture.solver_steps"
        ]


class MoDL(Regularised):
    r"""MoDL of Aggarwal et al. (2019): denoise, then solve.

    .. math:: x_{k+1} = (A^H A + \lambda I)^{-1} (A^H y + \lambda D_\theta(x_k) + w_k)
    """

    def update(self, at: Iteration, x: Tensor) -> Tensor:
        """Return x_{k+1} from x_k."""
        z = at.learned(x)
        return self.data_step(at, at.eta, z, at.noise(x, z))


class HalfQuadratic(Regularised):
    r"""Half-quadratic splitting: :math:`x_{k+1} = D_\theta((A^H A + \mu_k I)^{-1}(A^H y + \mu_k x_k + w_k))`.

    Geman & Yang (1995), with a learned prior as in Zhang et al. (2017); :math:`\mu_k = \mu\, g^k`.

    Parameters
    ----------
    learned
        Learned proximal map D_θ, an image in, an image out.
    weight
        Weight μ at the start of training; it is learned, and stays positive.
    solver_steps
        Most steps of conjugate gradients in a data step.
    iterations
        Number of iterations K; see `Unrolled`.
    start
        Where the iteration starts, "adjoint" or "measurement"; see `Unrolled`.
    growth
        Factor g ≥ 1 by which the weight grows with each iteration.
    checkpointing
        Whether to recompute iterations for the gradient; see `Unrolled`.
    shared
        Whether all iterations share one learned part; see `Unrolled`.
    """

    def __init__(
        self,
        learned: LearnedPart,
        weight: Positive,
        solver_steps: Count,
        iterations: Count,
        start: Literal["adjoint", "measurement"],
        growth: Acceleration,
        checkpointing: bool = False,
        shared: bool = True,
    ) -> None:
        super().__init__(learned, weight, solver_steps, iterations, start, checkpointing, shared)
        self.growth = growth

    def update(self, at: Iteration, x: Tensor) -> Tensor:
        """Return x_{k+1} from x_k."""
        mu = at.eta * self.growth**at.k
        return at.learned(self.data_step(at, mu, x, at.noise(x, x)))


class ADMM(Regularised):
    r"""ADMM (Boyd et al., 2011) with a learned proximal map (Yang et al., 2016), :math:`v_k` being its iterate.

    .. math:: x_{k+1} = (A^H A + \rho I)^{-1}(A^H y + \rho (v_k - u_k) + w_k), \quad
              v_{k+1} = D_\theta(x_{k+1} + u_k), \quad u_{k+1} = u_k + x_{k+1} - v_{k+1}
    """

    def update(self, at: Iteration, x: Tensor) -> Tensor:
        """Return v_{k+1} and u_{k+1} from v_k and u_k, stacked as channels."""
        v, u = x.chunk(2, dim=1)
        solved = self.data_step(at, at.eta, v - u, at.noise(v, v - u))
        v = at.learned(solved + u)
        return torch.cat([v, u + solved - v], dim=1)

    def _state(self, x: Tensor) -> Tensor:
        return torch.cat([x, torch.zeros_like(x)], dim=1)

    def _image(self, state: Tensor) -> Tensor:
        return state.chunk(2, dim=1)[0]
