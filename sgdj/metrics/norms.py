"""Norms of samples, and what is scaled by them."""

import torch
from torch import Tensor


def spread(values: Tensor, like: Tensor) -> Tensor:
    """Return one value per sample, shape (B,), in a shape that broadcasts with `like` (B, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1))


def sample_norm(y: Tensor) -> Tensor:
    """Return the ℓ₂ norm of each sample, over real and imaginary entries; shape (B, 1, ..., 1)."""
    return spread(torch.linalg.vector_norm(y.flatten(1), dim=1), y)


def unit(direction: Tensor) -> Tensor:
    """Divide each sample by its norm; a zero sample stays zero."""
    norm = sample_norm(direction)
    return torch.where(norm > 0, direction / norm.clamp_min(torch.finfo(norm.dtype).tiny), torch.zeros_like(direction))


def project(delta: Tensor, budget: Tensor) -> Tensor:
    """Return the nearest point of each sample's ℓ₂ ball, of radius `budget` (B, 1, ..., 1)."""
    return delta * (budget / sample_norm(delta).clamp_min(1e-12)).clamp(max=1.0)
