"""Norm balls that confine the perturbation of each sample."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor

from sgdj.metrics.norms import project, sample_norm, spread, unit

__all__ = ["BALLS", "Ball", "L2Ball", "LinfBall", "Norm", "project", "sample_norm", "unit"]

Norm = Literal["l2", "linf"]


def _real(x: Tensor) -> Tensor:
    """View a complex tensor as real and imaginary entries; return a real one unchanged."""
    return torch.view_as_real(x) if x.is_complex() else x


class Ball(ABC):
    """Norm ball of radius ε_i around zero for every sample i."""

    @abstractmethod
    def norm(self, y: Tensor) -> Tensor:
        """Return the norm of each sample, shape (B, 1, ..., 1)."""

    @abstractmethod
    def project(self, delta: Tensor, budget: Tensor) -> Tensor:
        """Return the nearest point of the ball of radius `budget` (B, 1, ..., 1)."""

    @abstractmethod
    def steepest(self, gradient: Tensor) -> Tensor:
        """Return the direction of steepest ascent, of norm 1; zero where the gradient is."""


class L2Ball(Ball):
    """Ball of the ℓ₂ norm, over real and imaginary entries."""

    def norm(self, y: Tensor) -> Tensor:
        """Return the ℓ₂ norm of each sample."""
        return sample_norm(y)

    def project(self, delta: Tensor, budget: Tensor) -> Tensor:
        """Scale down to the sphere what lies outside."""
        return project(delta, budget)

    def steepest(self, gradient: Tensor) -> Tensor:
        """Return the gradient, scaled to norm 1."""
        return unit(gradient)


class LinfBall(Ball):
    """Ball of the ℓ∞ norm over real and imaginary entries: each of them lies in [-ε, ε]."""

    def norm(self, y: Tensor) -> Tensor:
        """Return the largest magnitude of a real or imaginary entry, per sample."""
        return spread(_real(y).flatten(1).abs().amax(1), y)

    def project(self, delta: Tensor, budget: Tensor) -> Tensor:
        """Clamp every real and imaginary entry to the budget."""
        out = delta.clone()
        entries = _real(out)
        radius = budget.view(-1, *[1] * (entries.ndim - 1))
        entries.copy_(torch.minimum(torch.maximum(entries, -radius), radius))
        return out

    def steepest(self, gradient: Tensor) -> Tensor:
        """Return the signs of real and imaginary entries."""
        out = gradient.clone()
        _real(out).sign_()
        return out


BALLS: dict[str, Ball] = {"l2": L2Ball(), "linf": LinfBall()}
