"""The variational network: learned data consistency in every iteration."""

from typing import Literal

import torch
from torch import Tensor, nn

from sgdj.config.types import Count
from sgdj.networks.base import LearnedPart
from sgdj.networks.step import StepSize
from sgdj.networks.unrolled import Iteration, Unrolled


class VarNet(Unrolled):
    r"""Variational network: :math:`x_{k+1} = x_k - \eta_k (A^H(A x_k - y) + w_k) - f_{\theta_k}(x_k)`.

    Hammernik et al. (2018), in the form of Sriram et al. (2020): weights and the step of data consistency are learned
    for each iteration. For one coil their updates of k-space are these of the image.

    Parameters
    ----------
    learned
        Learned part f_θ; each iteration has a copy of its own.
    step
        Step size η at the start of training; each iteration has a learned factor on it.
    iterations
        Number of iterations K; fewer may be run after training.
    start
        Where the iteration starts, "adjoint" or "measurement"; see `Unrolled`.
    checkpointing
        Whether to recompute iterations for the gradient; see `Unrolled`.
    """

    def __init__(
        self,
        learned: LearnedPart,
        step: StepSize,
        iterations: Count,
        start: Literal["adjoint", "measurement"],
        checkpointing: bool = False,
    ) -> None:
        super().__init__(learned, step, iterations, start, checkpointing, shared=False)
        self.factors = nn.Parameter(torch.ones(iterations))

    def update(self, at: Iteration, x: Tensor) -> Tensor:
        """Return x_{k+1} from x_k."""
        eta = at.eta * self.factors[at.k]
        gradient = at.operator.gram(x) - at.adjoint
        w = at.noise(x, x - eta * gradient)
        return x - eta * (gradient if w is None else gradient + w) - at.learned(x)
