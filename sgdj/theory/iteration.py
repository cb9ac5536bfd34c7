r"""SGD jittering of the linear iteration :math:`x_{k+1} = x_k - \eta((x_k - y) + \theta x_k + w_k)`, x_0 = y.

One θ acts on the subspace (signal variance τ² per entry) and one off it (no signal); w_k has variance v per entry.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar


@dataclass(frozen=True)
class Iteration:
    """Run K iterations on one part of the space, on the subspace or off it.

    Parameters
    ----------
    eta
        Step η, between 0 and 1 (η = 1 is a negative control: θ no longer adds to a memory of x_0).
    iterations
        Number of iterations K (K = 1 is a negative control: jitter only adds a constant).
    tau2
        Signal variance τ² per entry; 0 off the subspace.
    noise2
        Variance s₀² of the measurement noise per entry.
    """

    eta: float
    iterations: int
    tau2: float
    noise2: float

    def gain(self, theta: float) -> float:
        """Compute the gain H(θ) = M^K + η Σ_{i<K} M^i with M = 1 − η(1 + θ)."""
        m = 1 - self.eta * (1 + theta)
        return float(m**self.iterations + self.eta * np.sum(m ** np.arange(self.iterations)))

    def added(self, theta: float, v: float) -> float:
        """Compute P(θ) = η² v Σ_{i<K} M^{2i}, the output variance that jitter of variance v adds per entry."""
        m = 1 - self.eta * (1 + theta)
        return float(self.eta**2 * v * np.sum(m ** (2 * np.arange(self.iterations))))

    def risk(self, theta: float, v: float = 0.0, extra: float = 0.0) -> float:
        """Compute the expected squared error per entry.

        Parameters
        ----------
        theta
            Weight θ of the learned part.
        v
            Variance of the jitter per entry.
        extra
            Variance s of further measurement noise per entry.

        Returns
        -------
        float
            Expected squared error per entry.
        """
        h = self.gain(theta)
        return (1 - h) ** 2 * self.tau2 + h**2 * (self.noise2 + extra) + self.added(theta, v)

    def best(self, v: float) -> float:
        """Return the θ that training with jitter variance v ends at: the global minimum of `risk` over |M| < 1.

        Where several are equally good, it is that of the largest M, the smoothest iteration: for even K and v = 0 two
        are.
        """
        m = np.linspace(0.9995, -0.9995, 8001)
        thetas = (1 - m) / self.eta - 1
        values = np.array([self.risk(theta, v) for theta in thetas])
        inner = np.flatnonzero((values[1:-1] <= values[:-2]) & (values[1:-1] <= values[2:])) + 1
        refined = [
            minimize_scalar(
                self.risk, bounds=(thetas[i - 1], thetas[i + 1]), args=(v,), method="bounded", options={"xatol": 1e-12}
            )
            for i in inner
        ]
        lowest = min(found.fun for found in refined)
        return float(next(found.x for found in refined if found.fun <= lowest * (1 + 1e-6)))

    def robustness_threshold(self, v: float) -> float:
        """Compute s*, the extra noise variance from which the jittered θ has the lower average-case risk (Thm 7.5).

        It is meant for the subspace (τ² > 0), and infinite where jitter raises the gain.
        """
        sgd, mse = self.gain(self.best(v)), self.gain(self.best(0.0))
        if sgd >= mse:
            return float("inf")
        return self.tau2 * (2 - sgd - mse) / (sgd + mse) - self.noise2

    def generalisation_threshold(self, v: float) -> float:
        """Compute g*, the variance of a change g of the target x + g, from which the jittered θ has the lower risk.

        It is meant for the space off the subspace (τ² = 0): both gains are too small for a signal that training never
        showed, and jitter raises them (Thm 7.4).
        """
        sgd, mse = self.gain(self.best(v)), self.gain(self.best(0.0))
        if sgd <= mse:
            return float("inf")
        return self.noise2 * (sgd + mse) / (2 - sgd - mse)


def simulate(
    model: Iteration, theta: float, v: float, rng: np.random.Generator, samples: int, extra: float = 0.0, g: float = 0.0
) -> npt.NDArray[np.float64]:
    """Compute squared errors of independent entries by running the iteration.

    Parameters
    ----------
    model
        Iteration on one part of the space.
    theta
        Weight θ of the learned part.
    v
        Variance of the jitter per entry (0 at inference).
    rng
        Random generator of signal, noise and jitter.
    samples
        Number of independent entries.
    extra
        Variance of further noise on y.
    g
        Variance of a further signal in x.

    Returns
    -------
    np.ndarray
        Squared error of each entry, shape (samples,).
    """
    x = np.sqrt(model.tau2 + g) * rng.standard_normal(samples)
    y = x + np.sqrt(model.noise2 + extra) * rng.standard_normal(samples)
    state = y.copy()
    for _ in range(model.iterations):
        w = np.sqrt(v) * rng.standard_normal(samples) if v else 0.0
        state = state - model.eta * ((state - y) + theta * state + w)
    return np.asarray((state - x) ** 2)


def whole_space_threshold(on: Iteration, off: Iteration, v: float, dimension: int, size: int) -> float:
    """Compute g from which the jittered θs have the lower risk over all n entries, when x + g is to be restored.

    Parameters
    ----------
    on
        Iteration on the subspace (d entries).
    off
        Iteration off the subspace (n − d entries).
    v
        Variance of the jitter in training, per entry.
    dimension
        Dimension d of the subspace.
    size
        Number of entries n.

    Returns
    -------
    float
        Threshold variance g per entry.
    """
    constant = slope = 0.0
    for part, entries in ((on, dimension), (off, size - dimension)):
        sgd, mse = part.gain(part.best(v)), part.gain(part.best(0.0))
        constant += entries * ((1 - sgd) ** 2 * part.tau2 + sgd**2 * part.noise2)
        constant -= entries * ((1 - mse) ** 2 * part.tau2 + mse**2 * part.noise2)
        slope += entries * ((1 - sgd) ** 2 - (1 - mse) ** 2)
    return -constant / slope if slope < 0 else float("inf")
