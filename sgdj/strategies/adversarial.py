"""Adversarial training: train on attacked measurements."""

from torch import Tensor

from sgdj.attacks.base import Attack
from sgdj.data.batch import Batch
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy


class Adversarial(Strategy):
    r"""Adversarial training, :math:`\mathbb{E}\max_{\|\delta\|_2 \le \varepsilon}\|H_\theta(y + \delta) - x\|^2`.

    Parameters
    ----------
    attack
        Attack that finds δ for the current weights; separate from the attack that evaluates.
    """

    def __init__(self, attack: Attack) -> None:
        self.attack = attack

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error on the attacked measurement, a scalar."""
        delta = self.attack(reconstructor, batch, draws)
        return squared_error(reconstructor(batch.y + delta, batch.operator), batch.x).mean()
