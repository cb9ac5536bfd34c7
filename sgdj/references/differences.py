"""Differences of neighbouring pixels, and their adjoint."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def gradient(x: Tensor) -> Tensor:
    """Return forward differences down and across, 0 behind the last pixel; (B, C, H, W) to (2, B, C, H, W)."""
    down, across = torch.zeros_like(x), torch.zeros_like(x)
    down[..., :-1, :] = x[..., 1:, :] - x[..., :-1, :]
    across[..., :-1] = x[..., 1:] - x[..., :-1]
    return torch.stack([down, across])


def divergence(p: Tensor) -> Tensor:
    """Apply the adjoint of `gradient` (minus the divergence), (2, B, C, H, W) to (B, C, H, W)."""
    down, across = p[0, ..., :-1, :], p[1, ..., :-1]
    behind = pad(down, (0, 0, 1, 0)) + pad(across, (1, 0))
    return behind - pad(down, (0, 0, 0, 1)) - pad(across, (0, 1))
