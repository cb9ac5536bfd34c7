"""Reconstructors with known robustness, on which an audit tries its own tools."""

import torch
from torch import Tensor

from sgdj.attacks.base import Attack
from sgdj.data.batch import Batch
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Perturb, Reconstructor
from sgdj.operators.base import Operator
from sgdj.runtime.draws import Draws


class LinearMap(Reconstructor):
    """Reconstruct x̂ = B Aᴴ y with a fixed matrix B whose singular values are spread by 100.

    Parameters
    ----------
    size
        Number of entries of an image.
    dtype
        Number type of B.
    """

    def __init__(self, size: int, dtype: torch.dtype) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        u, _ = torch.linalg.qr(torch.randn(size, size, dtype=dtype, generator=generator))
        v, _ = torch.linalg.qr(torch.randn(size, size, dtype=dtype, generator=generator))
        self.matrix = u @ torch.diag(torch.logspace(0, -2, size, dtype=torch.float64)).to(dtype) @ v

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Return B Aᴴ y, shape (B, C, H, W)."""
        x = operator.adjoint(y)
        return (x.flatten(1) @ self.matrix.T).view_as(x)


class GradientMasked(Reconstructor):
    """Round the measurement before a reconstructor, so that its gradient is zero almost everywhere.

    Parameters
    ----------
    network
        Reconstructor whose gradient is masked.
    levels
        Number of rounding steps over the range of a measurement.
    """

    def __init__(self, network: Reconstructor, levels: int = 10_000) -> None:
        super().__init__()
        self.network, self.levels = network, levels

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Round the measurement, then reconstruct."""
        step = float(y.detach().abs().max()) / self.levels
        entries = torch.view_as_real(y) if y.is_complex() else y
        rounded = step * torch.round(entries / step)
        return self.network(torch.view_as_complex(rounded) if y.is_complex() else rounded, operator)


def exact_worst_case(network: Reconstructor, batch: Batch, i: int, budget: float) -> float:
    """Compute the maximum of the squared error over ‖δ‖₂ ≤ ε for a linear reconstructor.

    The secular equation of the trust-region problem is solved on its singular values.

    Parameters
    ----------
    network
        Reconstructor that is a linear map of y.
    batch
        Batch that holds the sample.
    i
        Index of the sample in the batch.
    budget
        Budget ε, in the unit of y.

    Returns
    -------
    float
        Largest mean squared error within the budget.
    """
    shape = batch.y[i : i + 1].shape
    size = batch.y[i].numel()
    basis = torch.eye(size, dtype=batch.y.dtype).reshape(size, *shape[1:])
    basis = batch.operator.restrict(basis)
    keep = basis.flatten(1).abs().sum(1) > 0
    jacobian = network(basis[keep], batch.operator).flatten(1).T
    residual = (network(batch.y[i : i + 1], batch.operator) - batch.x[i : i + 1]).flatten()
    _, s, vh = torch.linalg.svd(jacobian, full_matrices=False)
    s, vh = s[s > 1e-9 * s[0]], vh[s > 1e-9 * s[0]]
    u = jacobian @ vh.mH / s
    c = (u.mH @ residual).abs() * s
    low, high = float(s[0] ** 2) * (1 + 1e-12), float(s[0] ** 2 + c.norm() / budget) + 1
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if float((c / (middle - s**2)).norm()) > budget else (low, middle)
    delta = vh.mH @ ((u.mH @ residual) * s / (high - s**2))
    return float((jacobian @ delta + residual).abs().square().sum()) / batch.x[i].numel()


def linear_share(attack: Attack, operator: Operator, images: Tensor) -> float:
    """Return the smallest share over samples of the exact worst case that an ℓ₂ attack reaches on a linear map.

    Parameters
    ----------
    attack
        Attack to try, with its budget.
    operator
        Operator of a small problem, so that singular values can be computed.
    images
        Reference images, shape (B, 1, H, W).

    Returns
    -------
    float
        Share between 0 and 1; 1 is the exact worst case.
    """
    x = images.to(torch.complex128 if images.is_complex() else torch.float64)
    generator = torch.Generator().manual_seed(1)
    clean = operator.forward(x)
    y = clean + operator.restrict(0.1 * torch.randn(clean.shape, dtype=clean.dtype, generator=generator))
    names = tuple(map(str, range(len(x))))
    small = Batch(x, y, operator, names, names)
    network = LinearMap(x[0].numel(), x.dtype)
    delta = attack(network, small, Draws(0))
    errors, budgets = squared_error(network(y + delta, operator), x), attack.budget(y).flatten()
    return min(float(errors[i]) / exact_worst_case(network, small, i, float(budgets[i])) for i in range(len(x)))
