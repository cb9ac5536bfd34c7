"""Simulate the sensitivities of receive coils."""

import math

import torch
from torch import Tensor

_RADIUS = 1.5  # of the circle of coils, as a multiple of half the field of view


def birdcage(coils: int, shape: tuple[int, int]) -> Tensor:
    r"""Compute smooth sensitivities of coils on a circle around the image, with :math:`\sum_c |s_c|^2 = 1`.

    A coil's magnitude falls off as the inverse of the distance to it, and its phase turns with the direction from it,
    as in sigpy's `birdcage_maps`. Phases are relative to the first coil, so that a single coil is s = 1.

    Parameters
    ----------
    coils
        Number of coils C.
    shape
        Image size (H, W) in pixels.

    Returns
    -------
    Tensor
        Sensitivities, complex128, shape (C, H, W).
    """
    height, width = shape
    angle = 2 * math.pi * torch.arange(coils, dtype=torch.float64)[:, None, None] / coils
    v = ((torch.arange(height, dtype=torch.float64) - height // 2) / (height / 2))[None, :, None]
    u = ((torch.arange(width, dtype=torch.float64) - width // 2) / (width / 2))[None, None, :]
    dv, du = v - _RADIUS * torch.sin(angle), u - _RADIUS * torch.cos(angle)
    magnitude = 1 / torch.hypot(dv, du)
    magnitude = magnitude / magnitude.square().sum(0).sqrt()
    phase = torch.atan2(du, -dv) + angle
    return torch.polar(magnitude, phase - phase[:1])
