"""Input jittering: train on measurements with additional noise."""

from torch import Tensor

from sgdj.config.types import NonNegative
from sgdj.data.batch import Batch
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.operators.base import Support
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy


class InputJitter(Strategy):
    r"""Input jittering, :math:`\mathbb{E}\|H_\theta(y + w) - x\|^2` (Krainovic et al., 2023).

    Parameters
    ----------
    sigma
        Standard deviation of w per real entry, in the unit of y.
    support
        "measured": w lies on the measured entries alone; "full": anywhere (the authors' code).
    """

    def __init__(self, sigma: NonNegative, support: Support = "measured") -> None:
        self.sigma, self.support = sigma, support

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error on the noisier measurement, a scalar."""
        w = self.sigma * draws.normal("jitter", batch.samples, batch.y)
        w = batch.operator.restrict(w) if self.support == "measured" else w
        return squared_error(reconstructor(batch.y + w, batch.operator), batch.x).mean()
