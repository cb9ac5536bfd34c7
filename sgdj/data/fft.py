"""Centred orthonormal Fourier transforms and crops on NumPy arrays, as fastMRI defines them."""

import numpy as np

from sgdj.runtime.arrays import Array


def image_to_kspace(x: Array) -> Array:
    """Apply the centred orthonormal 2-D FFT over the last two axes."""
    shifted = np.fft.ifftshift(x, axes=(-2, -1))
    return np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1))


def kspace_to_image(k: Array) -> Array:
    """Apply the centred orthonormal 2-D inverse FFT over the last two axes."""
    shifted = np.fft.ifftshift(k, axes=(-2, -1))
    return np.fft.fftshift(np.fft.ifft2(shifted, norm="ortho"), axes=(-2, -1))


def center_crop(x: Array, shape: tuple[int, int]) -> Array:
    """Cut out the central region of `shape` of the last two axes, at fastMRI's offset (n - m) // 2."""
    top, left = ((n - m) // 2 for n, m in zip(x.shape[-2:], shape, strict=True))
    return x[..., top : top + shape[0], left : left + shape[1]]
