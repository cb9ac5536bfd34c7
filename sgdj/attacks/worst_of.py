"""The strongest of several attacks, for every sample by itself."""

from copy import copy
from typing import Any

import torch
from torch import Tensor

from sgdj.attacks.ball import Norm
from sgdj.attacks.base import Attack
from sgdj.data.batch import Batch
from sgdj.draws import Draws
from sgdj.metrics import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.operators.base import Support


class WorstOf(Attack):
    """For each sample the δ of the largest squared error: the mean of maxima, never the maximum of means.

    Parameters
    ----------
    epsilon, rho, support, norm
        See `Attack`; they hold for all members.
    attacks
        Members by name.
    """

    def __init__(
        self,
        *,
        epsilon: float | None = None,
        rho: float | None = None,
        support: Support = "measured",
        norm: Norm = "l2",
        attacks: dict[str, Attack],
    ) -> None:
        super().__init__(epsilon=epsilon, rho=rho, support=support, norm=norm)
        self.attacks = attacks

    def _member(self, attack: Attack) -> Attack:
        other: Any = copy(attack)
        for name in ("epsilon", "rho", "support", "norm", "ball"):
            setattr(other, name, getattr(self, name))
        return other

    def __call__(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """The strongest member's δ."""
        best = torch.zeros_like(batch.y)
        with torch.no_grad():
            worst = squared_error(reconstructor(batch.y, batch.operator), batch.x)
        for attack in self.attacks.values():
            delta = self._member(attack)(reconstructor, batch, draws)
            with torch.no_grad():
                error = squared_error(reconstructor(batch.y + delta, batch.operator), batch.x)
            better = error > worst
            best[better], worst[better] = delta[better], error[better]
        return best
