"""Noise on the measurement."""

from torch import Tensor

from sgdj.data.batch import Batch
from sgdj.draws import Draws
from sgdj.metrics import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.strategies.base import Strategy


class InputJitter(Strategy):
    r"""Input jittering, :math:`\mathbb{E}\|H_\theta(y + w) - x\|^2` (Krainovic et al., 2023).

    Parameters
    ----------
    sigma
        Standard deviation of w per real entry, on the measured entries.
    """

    def __init__(self, sigma: float) -> None:
        self.sigma = sigma

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Error on a noisier measurement."""
        w = self.sigma * batch.operator.restrict(draws.normal("jitter", batch.samples, batch.y))
        return squared_error(reconstructor(batch.y + w, batch.operator), batch.x).mean()
