"""Draw smooth random fields and phases."""

import numpy as np

from sgdj.runtime.arrays import Array


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], width: float) -> Array:
    """Draw a periodic Gaussian random field over the last two axes, of zero mean and unit standard deviation.

    Parameters
    ----------
    rng
        Random generator of the field.
    shape
        Shape (..., H, W) of the field.
    width
        Standard deviation of the Gaussian that smooths white noise, in pixels.

    Returns
    -------
    np.ndarray
        Field of the given shape.
    """
    v, u = np.meshgrid(np.fft.fftfreq(shape[-2]), np.fft.rfftfreq(shape[-1]), indexing="ij")
    window = np.exp(-2 * (np.pi * width) ** 2 * (v**2 + u**2))
    window[0, 0] = 0.0
    field = np.fft.irfft2(window * np.fft.rfft2(rng.standard_normal(shape)), s=shape[-2:])
    return field / max(float(field.std()), 1e-12)


def smooth_phase(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Draw a random phase of the kind that field inhomogeneity and coils leave in MR images.

    It is a random constant, slope and curvature, and a faint smooth field, of the same strength as in the phantoms.

    Parameters
    ----------
    shape
        Image size (H, W) in pixels.
    rng
        Random generator of the phase.

    Returns
    -------
    np.ndarray
        Phase in radians, shape (H, W).
    """
    v, u = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    phase = rng.uniform(-np.pi, np.pi) + rng.normal(0, 0.4) * u + rng.normal(0, 0.4) * v
    return phase + rng.normal(0, 0.25) * (u**2 + v**2) + 0.15 * smooth_noise(rng, shape, 0.3 * min(shape))
