"""Penalise the largest singular value of the reconstruction's Jacobian."""

from torch import Tensor

from sgdj.config.types import Count, NonNegative
from sgdj.data.batch import Batch
from sgdj.errors import SettingError
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.operators.acquisition import Acquisition
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy
from sgdj.strategies.spectral import spectral_norm


class JacobianPenalty(Strategy):
    r"""Spectral penalty, :math:`\mathbb{E}\|H_\theta(y) - x\|^2 + \lambda\,\mathbb{E}\,\sigma_{\max}^2(J)`, J = ∂x̂/∂y.

    σ_max is that of each sample, on the measured entries, by power iteration with products J and Jᵀ from a random start
    (Yoshida & Miyato, 2017, for weights; Hoffman et al., 2019, for Jacobians).

    Parameters
    ----------
    weight
        Weight λ of the squared singular value, relative to the mean squared error per entry.
    steps
        Number of power iterations, each with a product J and one Jᵀ.
    """

    def __init__(self, weight: NonNegative, steps: Count) -> None:
        self.weight, self.steps = weight, steps

    def check(self, reconstructor: Reconstructor, acquisition: Acquisition) -> None:
        """Refuse networks that cannot be differentiated twice with respect to their weights."""
        if not reconstructor.twice:
            what = "the derivative of a fixed point's derivative is not at hand"
            raise SettingError("", what, "choose another strategy, or architecture=gd")

    def norms(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return x̂ (B, C, H, W), and the largest singular value of J of each sample, shape (B,), with their graphs."""
        y = batch.y.detach().requires_grad_(True)
        made = reconstructor(y, batch.operator)
        start = draws.normal("jitter", batch.samples, y, "jacobian")
        return made, spectral_norm(made, y, start, self.steps, batch.operator.restrict)

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error plus the penalty, a scalar."""
        made, norms = self.norms(reconstructor, batch, draws)
        return squared_error(made, batch.x).mean() + self.weight * norms.square().mean()
