"""Unrolled networks: what all iterations have in common, and the two jittered iterations."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sgdj.config.types import Count
from sgdj.errors import InputError
from sgdj.networks.base import LearnedPart, Perturb, Reconstructor
from sgdj.networks.step import StepSize
from sgdj.operators.base import Operator

#: A learned part as a function of the iterate x (B, C, H, W) and the measurement y.
Part = Callable[[Tensor, Tensor], Tensor]


class Smooth(Protocol):
    """Way in which iteration k applies its learned part, such as an average over noisy passes."""

    def __call__(self, k: int, part: Part, x: Tensor, y: Tensor) -> Tensor:
        """Return what stands for part(x, y) in iteration `k` (from 0)."""
        ...


@dataclass(frozen=True)
class Iteration:
    """What iteration k has at hand, besides its iterate.

    Parameters
    ----------
    k
        Number of the iteration, from 0.
    y
        Measurement, of the shape that `operator.forward` returns.
    operator
        Forward operator A of the batch.
    adjoint
        Image Aᴴy, shape (B, C, H, W).
    eta
        Step size η, or what a form has in its place, a positive scalar.
    part
        Learned part of this iteration.
    perturb
        Noise of each iteration, in training only.
    smooth
        Way to apply the learned part; None for one plain pass.
    """

    k: int
    y: Tensor
    operator: Operator
    adjoint: Tensor
    eta: Tensor
    part: Part
    perturb: Perturb | None = None
    smooth: Smooth | None = None

    def learned(self, x: Tensor) -> Tensor:
        """Apply the learned part to x (B, C, H, W)."""
        return self.part(x, self.y) if self.smooth is None else self.smooth(self.k, self.part, x, self.y)

    def noise(self, x: Tensor, z: Tensor) -> Tensor | None:
        """Return the jitter w_k, given x_k and the iterate z_k after the data step; None without any."""
        return None if self.perturb is None else self.perturb(self.k, x, z)

    def descend(self, x: Tensor) -> Tensor:
        """Return x - η Aᴴ(A x - y), the gradient step on the data."""
        return x - self.eta * (self.operator.gram(x) - self.adjoint)


class Unrolled(Reconstructor):
    r"""K iterations of an optimiser for :math:`\tfrac12\|Ax - y\|^2 + r(x)` with learned parts.

    Parameters
    ----------
    learned
        Learned gradient f_θ or proximal map prox_θ.
    step
        Step size η, shared by all iterations.
    iterations
        Number of iterations K; may be changed after training, with weights of their own only to fewer.
    start
        Where the iteration starts: "adjoint": x_0 = Aᴴy; "measurement": x_0 = y (the authors' seismic network).
    checkpointing
        Keep only x_k of each iteration for the gradient and compute the rest again: the same bits, about a third more
        time, and memory that grows by one image per iteration.
    shared
        Whether all iterations share one learned part; else each has weights of its own, equal ones before training.
    """

    def __init__(
        self,
        learned: LearnedPart,
        step: StepSize,
        iterations: Count,
        start: Literal["adjoint", "measurement"],
        checkpointing: bool = False,
        shared: bool = True,
    ) -> None:
        super().__init__()
        self.learned = (
            learned if shared else nn.ModuleList([learned, *(deepcopy(learned) for _ in range(1, iterations))])
        )
        self.step, self.iterations, self.start = step, iterations, start
        self.checkpointing = checkpointing

    @abstractmethod
    def update(self, at: Iteration, x: Tensor) -> Tensor:
        """Return x_{k+1} from x_k."""

    def parts(self) -> list[nn.Module]:
        """List the learned part of each of the K iterations.

        Returns
        -------
        list of Module
            Learned parts in the order of the iterations; the same one K times where they share it.

        Raises
        ------
        InputError
            If iterations have weights of their own, and there are more of them than weights.
        """
        if not isinstance(self.learned, nn.ModuleList):
            return [self.learned] * self.iterations
        if self.iterations > len(self.learned):
            what = f"only {len(self.learned)} iterations have weights of their own"
            raise InputError(what, f"architecture.iterations={self.iterations}", f"use at most {len(self.learned)}")
        return list(self.learned)[: self.iterations]

    def forward(
        self, y: Tensor, operator: Operator, perturb: Perturb | None = None, smooth: Smooth | None = None
    ) -> Tensor:
        """Reconstruct x̂ = x_K from y; `perturb` supplies the jitter w_k, and `smooth` applies the learned parts."""
        *_, last = self.iterates(y, operator, perturb, smooth)
        return last

    def begin(
        self, y: Tensor, operator: Operator, perturb: Perturb | None = None, smooth: Smooth | None = None
    ) -> tuple[Tensor, Iteration]:
        """Return x_0, and what the first iteration has at hand."""
        adjoint = operator.adjoint(y)
        at = Iteration(0, y, operator, adjoint, self.step(), self.parts()[0], perturb, smooth)
        return adjoint if self.start == "adjoint" else y, at

    def iterates(
        self, y: Tensor, operator: Operator, perturb: Perturb | None = None, smooth: Smooth | None = None
    ) -> Iterator[Tensor]:
        """Yield the iterates x_0, x_1, …, x_K, each of shape (B, C, H, W)."""
        x, first = self.begin(y, operator, perturb, smooth)
        yield x
        x = self._state(x)
        for k, part in enumerate(self.parts()):
            at = replace(first, k=k, part=part)
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(self.update, at, x, use_reentrant=False, preserve_rng_state=False)
            else:
                x = self.update(at, x)
            yield self._image(x)

    def _state(self, x: Tensor) -> Tensor:
        """Return what the iteration carries on from x_0; x_0 itself, unless a form has more variables."""
        return x

    def _image(self, state: Tensor) -> Tensor:
        """Return the iterate in what the iteration carries on."""
        return state


class GradientDescent(Unrolled):
    r"""SGD jittering: :math:`x_{k+1} = x_k - \eta (A^H(A x_k - y) + f_\theta(x_k) + w_k)` (Guan & Davenport, 2025)."""

    def update(self, at: Iteration, x: Tensor) -> Tensor:
        """Return x_{k+1} from x_k."""
        z = at.descend(x)
        f, w = at.learned(x), at.noise(x, z)
        return z - at.eta * (f if w is None else f + w)


class ProximalGradient(Unrolled):
    r"""SPGD jittering: :math:`x_{k+1} = \mathrm{prox}_\theta(x_k - \eta (A^H(A x_k - y) + w_k))`.

    The proximal form of Guan & Davenport (2025).

    Parameters
    ----------
    learned
        Learned proximal map prox_θ.
    step
        Step size η, shared by all iterations.
    iterations
        Number of iterations K; may be changed after training; see `Unrolled`.
    start
        Where the iteration starts, "adjoint" or "measurement"; see `Unrolled`.
    noise_step
        "step": the noise is scaled by η; "exp": by :math:`e^e`, whatever the rule of η, as in the authors' code (for
        their seismic network 13.7 times as much at the start).
    checkpointing
        Whether to recompute iterations for the gradient; see `Unrolled`.
    shared
        Whether all iterations share one learned part; see `Unrolled`.
    """

    proximal = True

    def __init__(
        self,
        learned: LearnedPart,
        step: StepSize,
        iterations: Count,
        start: Literal["adjoint", "measurement"],
        noise_step: Literal["step", "exp"] = "step",
        checkpointing: bool = False,
        shared: bool = True,
    ) -> None:
        super().__init__(learned, step, iterations, start, checkpointing, shared)
        self.noise_step = noise_step

    def update(self, at: Iteration, x: Tensor) -> Tensor:
        """Return x_{k+1} from x_k."""
        z = at.descend(x)
        w = at.noise(x, z)
        if w is None:
            return at.learned(z)
        return at.learned(z - (at.eta if self.noise_step == "step" else self.step.exponent.exp()) * w)
