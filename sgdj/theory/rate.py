"""Corollary 6.2: the jittered inner solver reaches a stationary point at O(1/√K), if η shrinks as 1/√K."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt


def mean_squared_gradient(
    gradient: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    start: npt.NDArray[np.float64],
    eta: float,
    count: int,
    v: float,
    rng: np.random.Generator,
) -> float:
    """Compute (1/K) Σ_k E‖∇F(x_k)‖² per entry along the jittered iteration.

    Parameters
    ----------
    gradient
        Gradient ∇F, a map of (samples, n) to (samples, n).
    start
        Starting points x_0, shape (samples, n).
    eta
        Step size η of the iteration.
    count
        Number of iterations K.
    v
        Variance of the jitter per entry.
    rng
        Random generator of the jitter.

    Returns
    -------
    float
        Mean squared gradient per entry.
    """
    x, total = start, 0.0
    for _ in range(count):
        slope = gradient(x)
        total += float(np.mean(slope**2))
        x = x - eta * (slope + np.sqrt(v) * rng.standard_normal(x.shape))
    return total / count
