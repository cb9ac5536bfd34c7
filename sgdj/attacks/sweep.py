"""An attack at several budgets, as one curve that cannot fall for want of effort."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from sgdj.attacks.base import Attack
from sgdj.attacks.iterative import Iterative
from sgdj.data.batch import Batch
from sgdj.draws import Draws
from sgdj.networks.base import Reconstructor


@dataclass(frozen=True)
class Swept:
    """Perturbations by budget.

    Parameters
    ----------
    deltas
        δ of every attack, in the order given.
    replaced
        Which samples of each took over a smaller budget's δ, boolean, shape (B,).
    """

    deltas: list[Tensor]
    replaced: list[Tensor]


def sweep(attacks: Sequence[Attack], reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Swept:
    """Run one attack at several budgets on a batch.

    From the largest budget down, each search also begins at the δ found before, projected. Then each δ of a smaller
    budget, which is feasible at the larger ones, is tried there too. So the curve is monotone by perturbations that
    were found, not by taking running maxima of reported numbers.

    Parameters
    ----------
    attacks
        The same attack at different budgets. Attacks that do not search are simply called.
    """
    levels = [float(attack.budget(batch.y).sum()) for attack in attacks]
    order = sorted(range(len(attacks)), key=levels.__getitem__)
    deltas: dict[int, Tensor] = {}
    none = torch.zeros(len(batch), dtype=torch.bool, device=batch.y.device)
    replaced = dict.fromkeys(order, none)
    larger: tuple[Tensor, ...] = ()
    for i in reversed(order):
        attack = attacks[i]
        deltas[i] = (
            attack(reconstructor, batch, draws, larger)
            if isinstance(attack, Iterative)
            else attack(reconstructor, batch, draws)
        )
        larger = (deltas[i],)
    first = attacks[order[0]]
    if isinstance(first, Iterative):
        value = first.hill(reconstructor, batch, first.budget(batch.y)).mean
        with torch.no_grad():
            for small, large in pairwise(order):
                better = value(deltas[small]) > value(deltas[large])
                deltas[large] = torch.where(better.view(-1, *[1] * (batch.y.ndim - 1)), deltas[small], deltas[large])
                replaced[large] = better
    return Swept([deltas[i] for i in range(len(attacks))], [replaced[i] for i in range(len(attacks))])
