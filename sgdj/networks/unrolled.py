"""Unrolled networks: the jittered iteration."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sgdj.config.types import Count
from sgdj.networks.base import LearnedPart, Perturb, Reconstructor
from sgdj.networks.step import StepSize
from sgdj.operators.base import Operator


class Unrolled(Reconstructor):
    r"""K iterations of an optimiser for :math:`\tfrac12\|Ax - y\|^2 + r(x)` with learned parts.

    Parameters
    ----------
    learned
        Learned gradient f_θ or proximal map prox_θ, shared by all iterations.
    step
        Step size η, shared by all iterations.
    iterations
        Number of iterations K; may be changed after training.
    start
        Where the iteration starts: "adjoint": x_0 = Aᴴy; "measurement": x_0 = y (the authors' seismic network).
    checkpointing
        Keep only x_k of each iteration for the gradient and compute the rest again: the same bits, about a third more
        time, and memory that grows by one image per iteration.
    """

    def __init__(
        self,
        learned: LearnedPart,
        step: StepSize,
        iterations: Count,
        start: Literal["adjoint", "measurement"],
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.learned, self.step, self.iterations, self.start = learned, step, iterations, start
        self.checkpointing = checkpointing

    @abstractmethod
    def _update(self, z: Tensor, x: Tensor, y: Tensor, eta: Tensor, w: Tensor | None) -> Tensor:
        """Return x_{k+1} from x_k and z_k = x_k - η Aᴴ(A x_k - y)."""

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Reconstruct x̂ = x_K from y; `perturb` supplies the jitter w_k of each iteration."""
        *_, last = self.iterates(y, operator, perturb)
        return last

    def iterates(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Iterator[Tensor]:
        """Yield the iterates x_0, x_1, …, x_K, each of shape (B, C, H, W)."""
        eta = self.step()
        adjoint = operator.adjoint(y)
        x = adjoint if self.start == "adjoint" else y

        def iterate(k: int, x: Tensor) -> Tensor:
            z = x - eta * (operator.gram(x) - adjoint)
            w = None if perturb is None else perturb(k, x, z)
            return self._update(z, x, y, eta, w)

        yield x
        for k in range(self.iterations):
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(iterate, k, x, use_reentrant=False, preserve_rng_state=False)
            else:
                x = iterate(k, x)
            yield x


class GradientDescent(Unrolled):
    r"""SGD jittering: :math:`x_{k+1} = x_k - \eta (A^H(A x_k - y) + f_\theta(x_k) + w_k)` (Guan & Davenport, 2025)."""

    def _update(self, z: Tensor, x: Tensor, y: Tensor, eta: Tensor, w: Tensor | None) -> Tensor:
        f = self.learned(x, y)
        return z - eta * (f if w is None else f + w)


class ProximalGradient(Unrolled):
    r"""SPGD jittering: :math:`x_{k+1} = \mathrm{prox}_\theta(x_k - \eta (A^H(A x_k - y) + w_k))`.

    The proximal form of Guan & Davenport (2025).

    Parameters
    ----------
    learned
        Learned proximal map prox_θ, shared by all iterations.
    step
        Step size η, shared by all iterations.
    iterations
        Number of iterations K; may be changed after training.
    start
        Where the iteration starts, "adjoint" or "measurement"; see `Unrolled`.
    noise_step
        "step": the noise is scaled by η; "exp": by :math:`e^e`, whatever the rule of η, as in the authors' code (for
        their seismic network 13.7 times as much at the start).
    checkpointing
        Whether to recompute iterations for the gradient; see `Unrolled`.
    """

    def __init__(
        self,
        learned: LearnedPart,
        step: StepSize,
        iterations: Count,
        start: Literal["adjoint", "measurement"],
        noise_step: Literal["step", "exp"] = "step",
        checkpointing: bool = False,
    ) -> None:
        super().__init__(learned, step, iterations, start, checkpointing)
        self.noise_step = noise_step

    def _update(self, z: Tensor, x: Tensor, y: Tensor, eta: Tensor, w: Tensor | None) -> Tensor:
        if w is None:
            return self.learned(z, y)
        return self.learned(z - (eta if self.noise_step == "step" else self.step.exponent.exp()) * w, y)
