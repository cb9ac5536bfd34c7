r"""Worst case and input jittering of the estimator :math:`\alpha U U^T y` on a subspace (Krainovic et al., 2023).

x = U c with c ~ N(0, (σ_c²/d) I), so that E‖x‖² = σ_c²; y = x + z with z ~ N(0, s₀² I). τ² = σ_c²/d, s² = d s₀².
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln


@dataclass(frozen=True)
class Subspace:
    """Denoising problem on a subspace.

    Parameters
    ----------
    dimension
        Dimension d of the subspace.
    energy
        Expected squared norm σ_c² of x.
    noise
        Standard deviation s₀ of the measurement noise per entry.
    """

    dimension: int
    energy: float
    noise: float

    @property
    def tau2(self) -> float:
        """Variance τ² of each coefficient."""
        return self.energy / self.dimension

    def risk(self, alpha: float, epsilon: float = 0.0) -> float:
        """Compute R_ε(α) = E max_{‖e‖ ≤ ε} ‖αUUᵀ(y + e) − x‖², exact for Gaussian c and any d."""
        t = np.sqrt((1 - alpha) ** 2 * self.tau2 + alpha**2 * self.noise**2)
        d = self.dimension
        mean_norm = t * np.sqrt(2) * np.exp(gammaln((d + 1) / 2) - gammaln(d / 2))
        return float(d * t**2 + 2 * alpha * epsilon * mean_norm + alpha**2 * epsilon**2)

    def best(self, epsilon: float = 0.0) -> float:
        """Return the α ≥ 0 that minimises `risk`."""
        found = minimize_scalar(self.risk, bounds=(0, 1), args=(epsilon,), method="bounded", options={"xatol": 1e-10})
        return float(found.x)

    def limit(self, epsilon: float) -> tuple[float, float]:
        """Compute α* and R* where ‖c‖ is concentrated (d large); α* = 0 for ε² ≥ σ_c²."""
        s2 = self.dimension * self.noise**2
        total = self.energy + s2
        if epsilon**2 >= self.energy:
            return 0.0, self.energy
        root, norms = np.sqrt(total - epsilon**2), np.sqrt(self.energy * s2)
        alpha = (self.energy - epsilon * norms / root) / total
        return float(alpha), float(((norms * root + epsilon * self.energy) / total) ** 2)

    def input_jitter(self, level: float) -> float:
        """Return the α that training with noise of standard deviation `level` per entry of y ends at."""
        return 1 / (1 + (self.noise**2 + level**2) / self.tau2)

    def level_for(self, epsilon: float) -> float:
        """Return the input-jitter level whose α is the worst-case α* of ε (infinite from ε² = σ_c² on)."""
        if epsilon**2 >= self.energy:
            return float("inf")
        d, s0, energy = self.dimension, self.noise, self.energy
        square = epsilon**2 * s0**2 * d + s0 * np.sqrt(energy) * epsilon * np.sqrt(d) * np.sqrt(
            energy - epsilon**2 + s0**2 * d
        )
        return float(np.sqrt(square) / np.sqrt(d * (energy - epsilon**2)))
