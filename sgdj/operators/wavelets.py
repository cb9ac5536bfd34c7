"""Source wavelets."""

import torch
from torch import Tensor


def ricker(length: int, width: float) -> Tensor:
    r"""Ricker wavelet :math:`w(t) = (1 - t^2/a^2)\, e^{-t^2 / 2a^2}`, peak 1.

    Parameters
    ----------
    length
        Number of taps, odd, so that the peak falls on a sample.
    width
        a, in samples. The peak frequency is :math:`\sqrt{2} / (2 \pi a \Delta t)`.

    Returns
    -------
    Tensor
        Shape (length,), float64.
    """
    t = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
    u = (t / width) ** 2
    return (1 - u) * torch.exp(-u / 2)
