"""What an attack is, and the budget it keeps."""

from abc import ABC, abstractmethod
from copy import copy

import torch
from torch import Tensor

from sgdj.data.batch import Batch
from sgdj.draws import Draws
from sgdj.networks.base import Reconstructor
from sgdj.operators.base import Operator, Support


def sample_norm(y: Tensor) -> Tensor:
    """ℓ₂ norm of each sample, over real and imaginary entries; shape (B, 1, ..., 1)."""
    norm = torch.linalg.vector_norm(y.flatten(1), dim=1)
    return norm.view(-1, *[1] * (y.ndim - 1))


class Attack(ABC):
    r"""Perturbation δ of the measurement with :math:`\|\delta_i\|_2 \le \varepsilon_i` for every sample i.

    Parameters
    ----------
    epsilon
        ε, absolute, the same for all samples.
    rho
        ε_i = ρ ‖y_i‖. Exactly one of the two must be given.
    support
        "measured": δ is zero where the operator measures nothing; "full": it may lie anywhere (the authors' code,
        whose adjoint lets it through).

    Raises
    ------
    ValueError
        If both or neither are given.
    """

    def __init__(
        self, *, epsilon: float | None = None, rho: float | None = None, support: Support = "measured"
    ) -> None:
        if (epsilon is None) == (rho is None):
            raise ValueError(f"give exactly one of epsilon and rho, got {epsilon=} {rho=}")
        self.epsilon, self.rho, self.support = epsilon, rho, support

    @property
    def level(self) -> float:
        """ε or ρ, whichever is given."""
        return self.epsilon if self.epsilon is not None else float(self.rho or 0.0)

    def scaled(self, factor: float) -> "Attack":
        """The same attack with `factor` times the budget."""
        other = copy(self)
        other.epsilon = None if self.epsilon is None else factor * self.epsilon
        other.rho = None if self.rho is None else factor * self.rho
        return other

    def budget(self, y: Tensor) -> Tensor:
        """ε_i, shape (B, 1, ..., 1)."""
        norm = sample_norm(y)
        return torch.full_like(norm, self.epsilon) if self.epsilon is not None else self.level * norm

    def restrict(self, delta: Tensor, operator: Operator) -> Tensor:
        """δ on its support."""
        return operator.restrict(delta) if self.support == "measured" else delta

    @abstractmethod
    def __call__(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """δ, in the shape of `batch.y`, detached."""


def unit(direction: Tensor) -> Tensor:
    """Each sample divided by its norm; a zero sample stays zero."""
    norm = sample_norm(direction)
    return torch.where(norm > 0, direction / norm.clamp_min(torch.finfo(norm.dtype).tiny), torch.zeros_like(direction))


def project(delta: Tensor, budget: Tensor) -> Tensor:
    """Nearest point of each sample's ball."""
    return delta * (budget / sample_norm(delta).clamp_min(1e-12)).clamp(max=1.0)
