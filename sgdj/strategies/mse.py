"""Training without noise: the mean squared error."""

from torch import Tensor

from sgdj.data.batch import Batch
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy


class MSE(Strategy):
    r"""Mean squared error, :math:`\mathbb{E}\|H_\theta(y) - x\|^2`."""

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error on the unperturbed measurement, a scalar."""
        return squared_error(reconstructor(batch.y, batch.operator), batch.x).mean()
