"""Compute seismic source wavelets."""

import torch
from torch import Tensor


def ricker(length: int, width: float) -> Tensor:
    r"""Sample the Ricker wavelet :math:`w(t) = (1 - t^2/a^2)\, e^{-t^2 / 2a^2}`, whose peak is 1.

    Parameters
    ----------
    length
        Number of taps L, odd, so that the peak falls on a sample.
    width
        Width a, in samples. The peak frequency is :math:`\sqrt{2} / (2 \pi a \Delta t)`.

    Returns
    -------
    Tensor
        Wavelet of shape (L,), float64.
    """
    t = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
    u = (t / width) ** 2
    return (1 - u) * torch.exp(-u / 2)


def rotate_phase(wavelet: Tensor, degrees: float) -> Tensor:
    """Turn the phase of every frequency by a constant, as processing and attenuation do.

    Parameters
    ----------
    wavelet
        Real wavelet of shape (L,), float64.
    degrees
        Rotation: 0 leaves the wavelet alone, 90 gives its Hilbert transform, 180 its negative.

    Returns
    -------
    Tensor
        Rotated wavelet of shape (L,), float64.
    """
    if degrees == 0:
        return wavelet
    from scipy.signal import hilbert  # imported where it is used: it is slow to load

    analytic = torch.from_numpy(hilbert(wavelet.numpy(), N=8 * len(wavelet))[: len(wavelet)])
    return (analytic * torch.polar(torch.tensor(1.0).double(), torch.tensor(degrees).double().deg2rad())).real
