r"""Compute the exact worst case of a reconstruction at small budgets, by the trust-region problem on its Jacobian.

With e = x̂(y) - x and J = ∂x̂/∂y on the measured entries, the largest ‖e + J δ‖ over ‖δ‖ ≤ ε is reached on the boundary,
at :math:`(\mu I - J^T J)\, \delta = J^T e` with :math:`\mu \ge \sigma_{\max}^2(J)` (Moré & Sorensen, 1983). It is
solved in a Krylov space of JᵀJ that grows until the solution has converged (Gould, Lucidi, Roma & Toint, 1999).
"""

import sys
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdj.attacks.ball import sample_norm
from sgdj.audit.jacobian import Jacobian
from sgdj.data.batch import Batch
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws

#: Residual of a solution, relative to ‖Jᵀe‖, and of a singular pair, relative to σ².
TOLERANCE = 1e-8
#: Most vectors that a Krylov space may have.
MOST = 120
#: Relative difference of increases up to which a network counts as linear.
NEARLY = 0.01
_SAME = 1e-12  # relative distance below which eigenvalues count as equal


@dataclass(frozen=True)
class WorstCase:
    """Worst perturbation of the linearised reconstruction of one sample.

    Parameters
    ----------
    delta
        Perturbation δ of norm ε, shape of the measurement of one sample.
    increase
        Exact increase ‖e + J δ‖ - ‖e‖ of the ℓ₂ error, in the unit of the image.
    residual
        ‖(μI - JᵀJ)δ - Jᵀe‖ / ‖Jᵀe‖. Where it is above the tolerance the increase is a lower bound.
    """

    delta: Tensor
    increase: float
    residual: float


@dataclass(frozen=True)
class Direction:
    """Fragile direction: a right singular vector of the Jacobian, with what it does to the reconstruction.

    Parameters
    ----------
    value
        Singular value σ of J.
    measurement
        Unit vector v in the measurement domain, shape of one measurement.
    image
        Perturbation Aᴴv, shape (C, H, W).
    response
        J v / σ, shape (C, H, W).
    residual
        ‖JᵀJv - σ²v‖ / σ², which says how far the pair has converged.
    """

    value: float
    measurement: Tensor
    image: Tensor
    response: Tensor
    residual: float


def boundary_maximum(values: Tensor, slope: Tensor, epsilon: float) -> tuple[Tensor, float]:
    """Maximise 2 gᵀd + dᵀΛd over ‖d‖ ≤ ε for a diagonal Λ ≥ 0, the hard case included.

    Parameters
    ----------
    values
        Diagonal of Λ, real, shape (m,).
    slope
        Vector g, shape (m,).
    epsilon
        Radius ε of the ball, positive.

    Returns
    -------
    tuple
        Maximiser d of norm ε, and its multiplier μ, at least the largest of `values`.
    """
    largest = values.max()
    gap = largest - values
    top = gap <= _SAME * largest
    gap = torch.where(top, 0.0, gap)
    high, low = (float(torch.linalg.vector_norm(g)) / epsilon for g in (slope, slope[top]))
    if low == 0:
        rest = torch.where(top, 0.0, slope / torch.where(top, 1.0, gap))
        short = epsilon**2 - float(rest.square().sum())
        if short >= 0:  # the hard case: any vector of the top space makes up the length
            rest[int(torch.argmax(top.int()))] = short**0.5
            return rest, float(largest)

    def excess(s: float) -> float:
        return 1 / float(torch.linalg.vector_norm(slope / (gap + s))) - 1 / epsilon

    s = high
    least = max(low, sys.float_info.min)
    if least < high and excess(least) < 0 < excess(high):
        from scipy.optimize import brentq

        s = brentq(excess, least, high, xtol=sys.float_info.min, rtol=4 * sys.float_info.epsilon)
    elif least < high and excess(least) >= 0:
        s = least
    d = slope / (gap + s)
    return d * (epsilon / float(torch.linalg.vector_norm(d))), float(largest) + s


class Linearised:
    """Reconstruction of one sample, linearised at its measurement, in a Krylov space of JᵀJ.

    Parameters
    ----------
    reconstructor
        Network, in the precision that the products are wanted in (float64 for exact worst cases).
    batch
        Batch of one sample: reference x and measurement y with their operator.
    draws
        Random numbers of the direction from which singular vectors are searched.
    most
        Most vectors that the space may have.

    Raises
    ------
    ValueError
        If the derivative is not finite.
    """

    def __init__(self, reconstructor: Reconstructor, batch: Batch, draws: Draws, most: int = MOST) -> None:
        self.most = most
        self.jacobian = Jacobian(reconstructor, batch)
        self.batch, self.like = batch, batch.y
        self.error = self.jacobian.output - batch.x
        self.slope = self._flat(self.jacobian.adjoint(self.error))
        self._random = self._flat(batch.operator.restrict(draws.normal("attack", batch.samples, batch.y, "krylov")))
        if not torch.isfinite(self.slope).all():
            raise ValueError("the derivative of the reconstruction is not finite")
        self._basis: list[Tensor] = []
        self._images: list[Tensor] = []
        self._small = self.slope.new_zeros(0, 0)
        self._expand(self.slope)

    @staticmethod
    def _flat(x: Tensor) -> Tensor:
        return (torch.view_as_real(x) if x.is_complex() else x).flatten()

    def _shaped(self, flat: Tensor) -> Tensor:
        if not self.like.is_complex():
            return flat.view_as(self.like)
        return torch.view_as_complex(flat.view(*self.like.shape, 2))

    def _expand(self, vector: Tensor) -> bool:
        """Add a direction to the space; False if it lies in it already."""
        before = torch.linalg.vector_norm(vector)
        for _ in range(2):  # once more, for what rounding left
            for q in self._basis:
                vector = vector - torch.dot(q, vector) * q
        norm = torch.linalg.vector_norm(vector)
        if len(self._basis) >= min(self.most, vector.numel()) or not norm > 1e-10 * before:
            return False
        q = vector / norm
        self._basis.append(q)
        self._images.append(self._flat(self.jacobian.adjoint(self.jacobian.forward(self._shaped(q)))))
        count = len(self._basis)
        grown = q.new_zeros(count, count)
        grown[: count - 1, : count - 1] = self._small
        grown[-1] = torch.stack([torch.dot(b, self._images[-1]) for b in self._basis])
        grown[:, -1] = grown[-1]
        self._small = grown
        return True

    def _eigen(self) -> tuple[Tensor, Tensor]:
        """Return the eigenvalues of JᵀJ in the space, ascending, and their vectors by column."""
        return torch.linalg.eigh(self._small)

    def _combined(self, coefficients: Tensor, vectors: list[Tensor]) -> Tensor:
        return coefficients @ torch.stack(vectors)

    def _pairs(self, count: int) -> list[tuple[float, Tensor, Tensor, float]]:
        """List σ², v, JᵀJv - σ²v and its norm relative to σ² of the leading singular pairs in the space."""
        values, vectors = self._eigen()
        found = []
        for value, c in list(zip(values.flip(0), vectors.T.flip(0), strict=True))[:count]:
            v = self._combined(c, self._basis)
            left = self._combined(c, self._images) - value * v
            residual = float(torch.linalg.vector_norm(left) / value.clamp_min(sys.float_info.min))
            found.append((max(float(value), 0.0), v, left, residual))
        return found

    def converge_top(self, count: int = 1, tolerance: float = TOLERANCE, most: int = MOST) -> None:
        """Grow the space from a random direction until the leading singular pairs have converged.

        Parameters
        ----------
        count
            Number of leading singular pairs that are wanted.
        tolerance
            Largest residual of a pair, relative to σ².
        most
            Most vectors to add.
        """
        vector = self._random
        for _ in range(most):
            if not self._expand(vector):
                return
            pairs = self._pairs(count)
            worst = max(pairs, key=lambda pair: pair[3])
            if len(pairs) == count and worst[3] <= tolerance:
                return
            vector = worst[2]

    def worst_case(self, epsilon: float) -> WorstCase:
        """Maximise ‖e + J δ‖ over ‖δ‖ ≤ ε.

        Parameters
        ----------
        epsilon
            Budget ε, in the unit of y, positive.

        Returns
        -------
        WorstCase
            Maximiser, its increase and its residual.
        """
        while True:
            found, left = self._solution(epsilon)
            if found.residual <= TOLERANCE or not self._expand(left):
                return found

    def _solution(self, epsilon: float) -> tuple[WorstCase, Tensor]:
        """Solve the problem in the space as it is; returns the residual as a vector, too."""
        values, vectors = self._eigen()
        slope = vectors.T @ torch.stack([torch.dot(q, self.slope) for q in self._basis])
        d, mu = boundary_maximum(values.clamp_min(0), slope, epsilon)
        c = vectors @ d
        delta = self._combined(c, self._basis)
        left = mu * delta - self._combined(c, self._images) - self.slope
        scale = torch.linalg.vector_norm(self.slope).clamp_min(sys.float_info.min)
        clean = float(torch.linalg.vector_norm(self.error))
        growth = float(2 * torch.dot(slope, d) + torch.dot(values * d, d))
        increase = growth / ((clean**2 + growth) ** 0.5 + clean) if growth > 0 else 0.0
        return WorstCase(self._shaped(delta), increase, float(torch.linalg.vector_norm(left) / scale)), left

    def increase(self, reconstructor: Reconstructor, delta: Tensor) -> float:
        """Return the increase ‖x̂(y + δ) - x‖ - ‖x̂(y) - x‖ that a perturbation causes in truth."""
        with torch.no_grad():
            after = reconstructor(self.batch.y + delta, self.batch.operator) - self.batch.x
        return float(sample_norm(after) - sample_norm(self.error))

    def linear_up_to(self, reconstructor: Reconstructor, smallest: float) -> float:
        """Find how far the linear picture holds: where the predicted increase is within 1 % of the true one.

        Parameters
        ----------
        reconstructor
            Network that was linearised.
        smallest
            Relative budget ρ = ε / ‖y‖ to begin with; it is doubled up to 1.

        Returns
        -------
        float
            Largest ρ, between `smallest` and 1, up to which it holds; 0 if it does not hold at the smallest.
        """
        norm = float(sample_norm(self.batch.y))

        def holds(rho: float) -> bool:
            exact, _ = self._solution(rho * norm)
            return abs(self.increase(reconstructor, exact.delta) - exact.increase) <= NEARLY * exact.increase

        rho, factor = 0.0, 2.0
        trial = smallest
        while trial <= 1 and holds(trial):
            rho, trial = trial, trial * factor
        for _ in range(3 if rho else 0):  # then to 9 %
            factor = factor**0.5
            rho = rho * factor if rho * factor <= 1 and holds(rho * factor) else rho
        return rho

    def directions(self, count: int) -> list[Direction]:
        """List the leading singular pairs of J in the space, the largest first.

        Parameters
        ----------
        count
            Number of pairs that are wanted.

        Returns
        -------
        list of Direction
            At most `count` pairs, with their residuals.
        """
        return [self._direction(squared**0.5, self._shaped(v), left) for squared, v, _, left in self._pairs(count)]

    def _direction(self, value: float, v: Tensor, residual: float) -> Direction:
        response = self.jacobian.forward(v)
        return Direction(
            value, v[0], self.batch.operator.adjoint(v)[0], response[0] / max(value, sys.float_info.min), residual
        )
