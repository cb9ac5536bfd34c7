"""Convolve long images with a wavelet, through the Fourier transform."""

import math

import torch
from torch import Tensor

from sgdj.operators.base import Operator
from sgdj.operators.convolution import checked

#: Frequencies per tap on which the largest gain of the wavelet is sought.
_PER_TAP = 1024


class LongConvolution(Operator):
    """Convolution as `Convolution` defines it, whose memory grows with the image and not with its square.

    Parameters
    ----------
    kernel
        Wavelet h, a real vector of shape (L,).
    size
        Length n of the image along the axis, in samples.
    axis
        Image axis to convolve along: -2 (down each column, as for seismic traces) or -1.

    Raises
    ------
    ValueError
        If the kernel is not a real vector or the axis is neither -1 nor -2.
    """

    def __init__(self, kernel: Tensor, size: int, axis: int = -2) -> None:
        from scipy.fft import next_fast_len  # imported where it is used: it is slow to load

        self.kernel, self.size, self.axis = checked(kernel, axis), size, axis
        self._centre = (kernel.numel() - 1) // 2
        self._padded = next_fast_len(size + kernel.numel() - 1, real=True)
        self._spectrum = torch.fft.rfft(kernel.double(), self._padded)
        self._cast: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def _filtered(self, x: Tensor, adjoint: bool) -> Tensor:
        if x.shape[self.axis] != self.size:
            raise ValueError(f"expected {self.size} samples along axis {self.axis}, got {tuple(x.shape)}")
        if x.is_complex():
            return torch.complex(self._filtered(x.real, adjoint), self._filtered(x.imag, adjoint))
        key = (x.dtype, x.device)
        if key not in self._cast:
            spectrum = self._spectrum.to(device=x.device, dtype=x.dtype.to_complex())
            self._cast[key] = spectrum if self.axis == -1 else spectrum[:, None]
        gain = self._cast[key].conj() if adjoint else self._cast[key]
        full = torch.fft.irfft(torch.fft.rfft(x, self._padded, self.axis) * gain, self._padded, self.axis)
        if adjoint:
            return full.roll(self._centre, self.axis).narrow(self.axis, 0, self.size)
        return full.narrow(self.axis, self._centre, self.size)

    def forward(self, x: Tensor) -> Tensor:
        """Apply T along the axis; the shape is unchanged."""
        return self._filtered(x, adjoint=False)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply Tᵀ (correlation with the wavelet) along the axis; the shape is unchanged."""
        return self._filtered(y, adjoint=True)

    def norm(self) -> float:
        """Return the largest gain of the wavelet over all frequencies, which the largest singular value of T nears.

        It is an upper bound of that value, whatever the length: T is a part of the convolution of endless images. The
        squared gain, a trigonometric polynomial of degree L - 1, is taken on a grid of N frequencies and divided by
        cos(π (L - 1) / N), which bounds it between them (Ehlich & Zeller, 1964).
        """
        taps = self.kernel.numel()
        grid = _PER_TAP * taps
        largest = float(torch.fft.rfft(self.kernel.double(), grid).abs().max())
        return largest / math.sqrt(math.cos(math.pi * (taps - 1) / grid))
