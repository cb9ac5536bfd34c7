"""Compute seismic source wavelets, check those that are given, and estimate them from traces."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from sgdj.errors import SettingError

_SMOOTHING = 5  # frequencies over which an amplitude spectrum is averaged


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


def checked_wavelet(values: ArrayLike) -> tuple[float, ...]:
    """Check a wavelet that was given, and scale it as Ricker's is: its largest magnitude is 1.

    Parameters
    ----------
    values
        Real taps; sample (L - 1) // 2 of L is time zero. Axes of length 1 are left out.

    Returns
    -------
    tuple
        Taps of the wavelet.

    Raises
    ------
    SettingError
        If they are no real vector, not finite, or all zero.
    """
    taps = np.squeeze(np.asarray(values))
    if taps.ndim > 1 or taps.size < 2 or taps.dtype.kind not in "fiu":
        what = f"a wavelet of shape {taps.shape} and type {taps.dtype}"
        raise SettingError("wavelet", what, "give a list of real numbers, one for each sample")
    taps = taps.astype(np.float64)
    if not np.isfinite(taps).all():
        raise SettingError("wavelet", "the wavelet has values that are not finite", "mend them")
    if not taps.any():
        raise SettingError("wavelet", "the wavelet is zero", "give another one")
    return tuple(float(tap) for tap in taps / np.abs(taps).max())


def estimated_wavelet(traces: ArrayLike, length: int) -> tuple[float, ...]:
    """Estimate a zero-phase wavelet from the amplitude spectrum of traces.

    The reflectivity is taken to be white, so that the mean spectrum of the traces is the wavelet's; its phase cannot be
    seen in it, and is taken to be zero (`operator.phase` rotates it).

    Parameters
    ----------
    traces
        Section, shape (samples, traces).
    length
        Number of taps L of the wavelet, odd, at most the number of samples.

    Returns
    -------
    tuple
        Taps of the wavelet, symmetric, its largest magnitude being 1.

    Raises
    ------
    SettingError
        If the length is even or exceeds the traces, or the traces are zero.
    """
    section = np.asarray(traces, dtype=np.float64)
    if length % 2 == 0 or not 2 < length <= len(section):
        mend = f"give an odd number from 3 to {len(section)}"
        raise SettingError("length", f"{length} taps of traces of {len(section)} samples", mend)
    samples = 2 * len(section)
    power = (np.abs(np.fft.rfft(section, samples, axis=0)) ** 2).mean(axis=1)
    smooth = np.convolve(np.pad(power, _SMOOTHING, "reflect"), np.hanning(2 * _SMOOTHING + 1), "same")
    amplitude = np.sqrt(smooth[_SMOOTHING:-_SMOOTHING])
    centred = np.roll(np.fft.irfft(amplitude, samples), length // 2)[:length]
    return checked_wavelet(centred * np.hanning(length + 2)[1:-1])
