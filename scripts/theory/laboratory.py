"""Train the linear toys with the project's own strategies, to compare what they learn with the closed forms."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sgdj.data.batch import Batch
from sgdj.networks.base import LearnedPart, Perturb, Reconstructor
from sgdj.operators import Identity
from sgdj.operators.base import Operator
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy


class Shrinkage(Reconstructor):
    """Estimator α U Uᵀ y with one learned number α.

    Parameters
    ----------
    basis
        Orthonormal basis U, shape (n, d).
    """

    def __init__(self, basis: Tensor) -> None:
        super().__init__()
        self.basis = basis
        self.alpha = nn.Parameter(torch.tensor(0.5, dtype=basis.dtype))

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Return α U Uᵀ y, of the shape of y."""
        return self.alpha * ((y.flatten(1) @ self.basis) @ self.basis.mT).view_as(y)


class TwoGains(LearnedPart):
    """Learned part f_θ(x) = θ_on P x + θ_off (I − P) x, P the projection on the subspace.

    Parameters
    ----------
    basis
        Orthonormal basis U, shape (n, d).
    """

    def __init__(self, basis: Tensor) -> None:
        super().__init__()
        self.basis = basis
        self.theta = nn.Parameter(torch.tensor([0.0, 3.0], dtype=basis.dtype))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return f_θ(x), of the shape of x."""
        inside = ((x.flatten(1) @ self.basis) @ self.basis.mT).view_as(x)
        return self.theta[0] * inside + self.theta[1] * (x - inside)


def subspace_batch(basis: Tensor, noise: float, count: int, draws: Draws) -> Batch:
    """Draw fresh measurements y = U c + z, c ~ N(0, I), as images of shape (1, n, 1)."""
    n, d = basis.shape
    rng = draws.generator("data", "toy")
    c = torch.from_numpy(rng.standard_normal((count, d)))
    z = torch.from_numpy(rng.standard_normal((count, n)))
    x = (c @ basis.double().mT).to(basis.dtype)
    names = tuple(map(str, range(count)))
    shape = (count, 1, n, 1)
    return Batch(x.view(shape), (x + noise * z.to(basis.dtype)).view(shape), Identity(), names, names)


def orthonormal(size: int, dimension: int, seed: int) -> Tensor:
    """Draw a random orthonormal U, shape (n, d), float64."""
    rng = Draws(seed).generator("data", "toy basis")
    return torch.from_numpy(np.linalg.qr(rng.standard_normal((size, dimension)))[0])


def fit(
    network: Reconstructor, strategy: Strategy, basis: Tensor, noise: float, *, steps: int, count: int, seed: int
) -> list[Tensor]:
    """Minimise a strategy's risk on fresh data.

    Adam runs with a rate that falls to zero; the result averages the last quarter of its path.

    Parameters
    ----------
    network
        Network to train, in place.
    strategy
        Risk to minimise.
    basis
        Orthonormal basis U of the signals, shape (n, d).
    noise
        Standard deviation of the measurement noise per entry.
    steps
        Number of optimiser steps.
    count
        Number of samples per step.
    seed
        Seed of data and jitter.

    Returns
    -------
    list of Tensor
        The averaged parameters that were trained; the network keeps them.
    """
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, 0.2)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 - step / steps) ** 1.5)
    total: Sequence[Tensor] = [torch.zeros_like(p) for p in trained]
    for step in range(steps):
        draws = Draws(seed).at(step)
        loss = strategy.loss(network, subspace_batch(basis, noise, count, draws), draws)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step >= 3 * steps // 4:
            total = [mean + p.detach() / (steps - 3 * steps // 4) for mean, p in zip(total, trained, strict=True)]
    with torch.no_grad():
        for mean, p in zip(total, trained, strict=True):
            p.copy_(mean)
    return [p.detach().clone() for p in trained]
