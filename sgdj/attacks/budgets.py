"""Run an attack at several budgets, so that its curve cannot fall for lack of effort."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from sgdj.attacks.base import Attack, Found
from sgdj.attacks.iterative import Iterative
from sgdj.data.batch import Batch
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws


@dataclass(frozen=True)
class Swept:
    """Perturbations of an attack at several budgets.

    Parameters
    ----------
    found
        What the attack found at each budget, in the order given.
    replaced
        For each budget, which samples took over a smaller budget's δ, boolean, shape (B,).
    """

    found: list[Found]
    replaced: list[Tensor]

    @property
    def deltas(self) -> list[Tensor]:
        """Perturbations δ, one tensor per budget."""
        return [one.delta for one in self.found]


def sweep(attacks: Sequence[Attack], reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Swept:
    """Run one attack at several budgets on a batch.

    From the largest budget down, each search also starts from the δ found before, projected. Then each δ of a smaller
    budget, which is feasible at the larger ones, is tried there too. So the curve is monotone by perturbations that
    were found, not by taking running maxima of reported numbers.

    Parameters
    ----------
    attacks
        The same attack at different budgets. Attacks that do not search are simply called.
    reconstructor
        Network under attack, a differentiable map of y.
    batch
        References x and measurements y, with their operator.
    draws
        Random numbers of the search.

    Returns
    -------
    Swept
        Perturbations per budget, in the order of `attacks`.
    """
    levels = [float(attack.budget(batch.y).sum()) for attack in attacks]
    order = sorted(range(len(attacks)), key=levels.__getitem__)
    found: dict[int, Found] = {}
    none = torch.zeros(len(batch), dtype=torch.bool, device=batch.y.device)
    replaced = dict.fromkeys(order, none)
    larger: tuple[Tensor, ...] = ()
    for i in reversed(order):
        found[i] = attacks[i].found(reconstructor, batch, draws, larger)
        larger = (found[i].delta,)
    first = attacks[order[0]]
    if isinstance(first, Iterative):
        value = first.hill(reconstructor, batch, first.budget(batch.y)).mean
        with torch.no_grad():
            for small, large in pairwise(order):
                one, other = found[small].delta, found[large].delta
                better = value(one) > value(other)
                delta = torch.where(better.view(-1, *[1] * (batch.y.ndim - 1)), one, other)
                found[large], replaced[large] = replace(found[large], delta=delta), better
    return Swept([found[i] for i in range(len(attacks))], [replaced[i] for i in range(len(attacks))])
