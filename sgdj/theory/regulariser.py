r"""The implicit regulariser of jittered training, as an identity that holds for any learned part.

With the weights :math:`c_i = \eta (1-\eta)^{K-1-i}` (for a general A, powers of I − ηAᴴA), x' the iterates without and
x^{sgd} those with jitter from the same y and x_0,

.. math:: W = \sum_i c_i w_i, \quad S = \sum_i c_i (f(x'_i) - f(x^{sgd}_i)), \quad x'_K - x^{sgd}_K = W - S

and for the losses, r = x'_K − x being the clean residual and v the jitter variance per entry,

.. math:: E\|x^{sgd}_K - x\|^2 - \|r\|^2 = E\|S\|^2 + n v \sum c_i^2 - 2 E\langle W, S\rangle + 2\langle r, E S\rangle.

E‖S‖² alone, the paper's regulariser, is not the difference of the losses.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Learned = Callable[[Array], Array]


@dataclass(frozen=True)
class Paths:
    """Iterates with and without jitter for one noise draw.

    Parameters
    ----------
    clean, jittered
        Last iterates x'_K and x^{sgd}_K, shape (..., n).
    noise, difference
        Weighted sums W and S, shape (..., n); see the equations of this module.
    """

    clean: Array
    jittered: Array
    noise: Array
    difference: Array


def walk(f: Learned, gram: Array, back: Array, start: Array, eta: float, w: Array) -> Paths:
    """Run K iterations with and without jitter.

    Parameters
    ----------
    f
        Learned part, a map of (..., n) to (..., n).
    gram
        Matrix AᵀA, shape (n, n).
    back
        Back-projection Aᵀy, shape (..., n).
    start
        Starting point x_0, shape (..., n).
    eta
        Step size η of the iteration.
    w
        Jitter of all iterations, shape (K, ..., n).

    Returns
    -------
    Paths
        Last iterates of both, with W and S.
    """
    damp = np.eye(gram.shape[0]) - eta * gram
    clean = jittered = start
    noise = difference = np.zeros_like(w[0])
    for w_k in w:
        change = f(clean) - f(jittered)
        noise, difference = noise @ damp.T + eta * w_k, difference @ damp.T + eta * change
        clean, jittered = (
            x - eta * (x @ gram.T - back + f(x) + jitter) for x, jitter in ((clean, 0.0), (jittered, w_k))
        )
    return Paths(clean, jittered, noise, difference)


@dataclass(frozen=True)
class Balance:
    """Both sides of the balance of losses, with the standard error of their difference.

    Parameters
    ----------
    excess
        Left-hand side E‖x^{sgd}_K − x‖² − ‖r‖².
    regulariser, variance, cross, pull
        Terms E‖S‖², n v Σc_i², −2E⟨W, S⟩ and 2⟨r, E S⟩ of the right-hand side.
    error
        Standard error of `excess` minus the sum of the four terms.
    """

    excess: float
    regulariser: float
    variance: float
    cross: float
    pull: float
    error: float

    @property
    def terms(self) -> float:
        """Sum of the four terms."""
        return self.regulariser + self.variance + self.cross + self.pull


def balance(
    f: Learned, x: Array, y: Array, eta: float, count: int, v: float, pairs: int, rng: np.random.Generator
) -> Balance:
    """Estimate both sides with antithetic pairs ±w for denoising (A = I, x_0 = y).

    Parameters
    ----------
    f
        Learned part, a map of (..., n) to (..., n).
    x
        Reference, shape (n,).
    y
        Measurement, shape (n,).
    eta
        Step size η of the iteration.
    count
        Number of iterations K.
    v
        Variance of the jitter per entry.
    pairs
        Number of antithetic pairs.
    rng
        Random generator of the jitter.

    Returns
    -------
    Balance
        Both sides of the balance, by Monte Carlo.
    """
    n = len(x)
    w = np.sqrt(v) * rng.standard_normal((count, pairs, n))
    w = np.concatenate([w, -w], axis=1)
    start = np.broadcast_to(y, w.shape[1:])
    paths = walk(f, np.eye(n), start, start, eta, w)
    r = paths.clean[0] - x
    c = eta * (1 - eta) ** np.arange(count - 1, -1, -1)
    variance = n * v * float(np.sum(c**2))
    parts = {
        "excess": np.sum((paths.jittered - x) ** 2, -1) - np.sum(r**2),
        "regulariser": np.sum(paths.difference**2, -1),
        "cross": -2 * np.sum(paths.noise * paths.difference, -1),
        "pull": 2 * paths.difference @ r,
    }
    by_pair = {name: (values[:pairs] + values[pairs:]) / 2 for name, values in parts.items()}
    rest = by_pair["excess"] - by_pair["regulariser"] - by_pair["cross"] - by_pair["pull"]
    means = {name: float(values.mean()) for name, values in by_pair.items()}
    return Balance(**means, variance=variance, error=float(rest.std(ddof=1) / np.sqrt(pairs)))
