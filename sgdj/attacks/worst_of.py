"""Take the strongest of several attacks, for every sample by itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sgdj.attacks.base import Attack, Found
from sgdj.data.batch import Batch
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws


@dataclass(eq=False, kw_only=True)
class WorstOf(Attack):
    """For each sample, take the δ of the largest squared error: the mean of maxima, never the maximum of means.

    Parameters
    ----------
    epsilon, rho, support, norm
        Budget and support of δ for all members; see `Attack`.
    attacks
        Attacks to choose from, by name.
    """

    attacks: dict[str, Attack]

    def _member(self, attack: Attack) -> Attack:
        return replace(attack, epsilon=self.epsilon, rho=self.rho, support=self.support, norm=self.norm)

    def __call__(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the strongest member's δ, per sample."""
        members = map(self._member, self.attacks.values())
        return _strongest(reconstructor, batch, (member(reconstructor, batch, draws) for member in members))

    def found(self, reconstructor: Reconstructor, batch: Batch, draws: Draws, starts: Sequence[Tensor] = ()) -> Found:
        """Return the strongest member's δ, believable where every member's search worked as intended."""
        members = [self._member(attack).found(reconstructor, batch, draws) for attack in self.attacks.values()]
        return Found(
            _strongest(reconstructor, batch, (member.delta for member in members)),
            torch.stack([member.believable for member in members]).all(0),
            "; ".join(dict.fromkeys(member.why for member in members if member.why)),
        )


def _strongest(reconstructor: Reconstructor, batch: Batch, deltas: Iterable[Tensor]) -> Tensor:
    best = torch.zeros_like(batch.y)
    with torch.no_grad():
        worst = squared_error(reconstructor(batch.y, batch.operator), batch.x)
    for delta in deltas:
        with torch.no_grad():
            error = squared_error(reconstructor(batch.y + delta, batch.operator), batch.x)
        better = error > worst
        best[better], worst[better] = delta[better], error[better]
    return best
