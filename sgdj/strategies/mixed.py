"""Train on clean and on attacked measurements, in given shares."""

from torch import Tensor

from sgdj.attacks.base import Attack
from sgdj.config.types import Share
from sgdj.data.batch import Batch
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws
from sgdj.strategies.adversarial import Adversarial
from sgdj.strategies.mse import MSE


class Mixed(Adversarial):
    r"""Share of adversarial training, :math:`(1 - \alpha)\,\mathrm{MSE} + \alpha\,\mathrm{adversarial}`.

    The mixed loss of Goodfellow et al. (2015), with the attack of `Adversarial`.

    Parameters
    ----------
    attack
        Attack that finds δ for the current weights; separate from the attack that evaluates.
    share
        Share α of the attacked loss, above 0; 1 is adversarial training.
    """

    def __init__(self, attack: Attack, share: Share) -> None:
        super().__init__(attack)
        self.share = share

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the weighted mean of the clean and the attacked mean squared error, a scalar."""
        attacked = super().loss(reconstructor, batch, draws)
        return (1 - self.share) * MSE().loss(reconstructor, batch, draws) + self.share * attacked
