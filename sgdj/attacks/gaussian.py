"""Random noise of the attack's norm, the average case beside the worst."""

from torch import Tensor

from sgdj.attacks.base import Attack, unit
from sgdj.data.batch import Batch
from sgdj.draws import Draws
from sgdj.networks.base import Reconstructor


class Gaussian(Attack):
    """White Gaussian noise on the measured entries, scaled to norm ε exactly."""

    def __call__(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """δ of norm ε_i, one draw per sample."""
        noise = draws.normal("attack", batch.samples, batch.y, "gaussian")
        return self.budget(batch.y) * unit(self.restrict(noise, batch.operator))
