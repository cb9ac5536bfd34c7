"""The set that a perturbation is confined to, per sample."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

Norm = Literal["l2", "linf"]


def _real(x: Tensor) -> Tensor:
    """Real and imaginary entries of a complex tensor as a view; a real one as it is."""
    return torch.view_as_real(x) if x.is_complex() else x


def _spread(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


def sample_norm(y: Tensor) -> Tensor:
    """ℓ₂ norm of each sample, over real and imaginary entries; shape (B, 1, ..., 1)."""
    return _spread(torch.linalg.vector_norm(y.flatten(1), dim=1), y)


def unit(direction: Tensor) -> Tensor:
    """Each sample divided by its norm; a zero sample stays zero."""
    norm = sample_norm(direction)
    return torch.where(norm > 0, direction / norm.clamp_min(torch.finfo(norm.dtype).tiny), torch.zeros_like(direction))


def project(delta: Tensor, budget: Tensor) -> Tensor:
    """Nearest point of each sample's ℓ₂ ball."""
    return delta * (budget / sample_norm(delta).clamp_min(1e-12)).clamp(max=1.0)


class Ball(ABC):
    """Norm ball of radius ε_i around zero for every sample i."""

    @abstractmethod
    def norm(self, y: Tensor) -> Tensor:
        """Norm of each sample, shape (B, 1, ..., 1)."""

    @abstractmethod
    def project(self, delta: Tensor, budget: Tensor) -> Tensor:
        """Nearest point of the ball of radius `budget`."""

    @abstractmethod
    def steepest(self, gradient: Tensor) -> Tensor:
        """Direction of steepest ascent, of norm 1; zero where the gradient is."""


class L2Ball(Ball):
    """ℓ₂, over real and imaginary entries."""

    def norm(self, y: Tensor) -> Tensor:
        """ℓ₂ norm."""
        return sample_norm(y)

    def project(self, delta: Tensor, budget: Tensor) -> Tensor:
        """Scale down to the sphere."""
        return project(delta, budget)

    def steepest(self, gradient: Tensor) -> Tensor:
        """The gradient, scaled."""
        return unit(gradient)


class LinfBall(Ball):
    """ℓ∞ over real and imaginary entries: each of them lies in [-ε, ε]."""

    def norm(self, y: Tensor) -> Tensor:
        """Largest magnitude of a real or imaginary entry."""
        return _spread(_real(y).flatten(1).abs().amax(1), y)

    def project(self, delta: Tensor, budget: Tensor) -> Tensor:
        """Clamp every real and imaginary entry."""
        out = delta.clone()
        entries = _real(out)
        radius = budget.view(-1, *[1] * (entries.ndim - 1))
        entries.copy_(torch.minimum(torch.maximum(entries, -radius), radius))
        return out

    def steepest(self, gradient: Tensor) -> Tensor:
        """Signs of real and imaginary entries."""
        out = gradient.clone()
        _real(out).sign_()
        return out


BALLS: dict[str, Ball] = {"l2": L2Ball(), "linf": LinfBall()}
