"""Auto-PGD: projected gradient ascent that chooses its own steps."""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from sgdj.attacks.hill import Best, Hill
from sgdj.attacks.iterative import Iterative
from sgdj.data.batch import Batch
from sgdj.runtime.draws import Draws

_MOMENTUM = 0.75
_IMPROVED = 0.75  # share of steps since the last checkpoint that must have improved the objective


def checkpoints(steps: int) -> list[int]:
    """List the steps at which the step size is reconsidered (Croce & Hein, 2020).

    They are at 0.22 n, then after periods that shrink by 0.03 n each, down to 0.06 n, for n `steps`.
    """
    period, at, found = 0.22, 0.22, []
    while at < 1:
        found.append(max(1, ceil(round(at * steps, 6))))
        period = max(period - 0.03, 0.06)
        at += period
    return sorted(set(found))


@dataclass(eq=False, kw_only=True)
class APGD(Iterative):
    """Auto-PGD (Croce & Hein, 2020) with a regression loss, for ℓ₂ and ℓ∞.

    Steps start at 2ε with momentum 0.75. At each checkpoint a sample's step is halved, and its search goes on from its
    best point, if fewer than 75 % of the steps since the last one improved it, or if neither step nor best value have
    changed since.

    Parameters
    ----------
    epsilon, rho, support, norm
        Budget and support of δ; see `Attack`.
    steps, restarts, random_start, goal, average
        Extent of the search; see `Iterative`.
    """

    @property
    def passes(self) -> int:
        """Number of forward passes: one with gradient at the start and one per step."""
        return (self.steps + 1 + self.random_start) * self.average

    def climb(self, hill: Hill, start: Tensor, best: Best, batch: Batch, draws: Draws) -> None:
        """Run Auto-PGD from `start`, and offer every point to `best`."""
        delta, before = start, start
        value, gradient = hill.gradient(delta)
        own = Best(delta, value)  # best of this search alone; `best` also holds those of others
        at_best = gradient.clone()
        eta = 2 * hill.budget.clone()
        improved = torch.zeros_like(value)
        reconsider, last = checkpoints(self.steps), 0
        old_value, was_reduced = value.clone(), torch.ones_like(value, dtype=torch.bool)
        for k in range(1, self.steps + 1):
            z = self.ball.project(delta + eta * self.ball.steepest(gradient), hill.budget)
            weight = _MOMENTUM if k > 1 else 1.0
            step = delta + weight * (z - delta) + (1 - weight) * (delta - before)
            before, delta = delta, self.ball.project(step, hill.budget).detach()
            previous = value
            value, gradient = hill.gradient(delta)
            improved += value > previous
            better = own.offer(delta, value)
            at_best[better] = gradient[better]
            if k in reconsider:
                few = improved < _IMPROVED * (k - last)
                stuck = ~was_reduced & (own.value <= old_value)
                reduce = few | stuck
                eta[reduce] = eta[reduce] / 2
                delta[reduce], gradient[reduce] = own.delta[reduce], at_best[reduce]
                before[reduce], value[reduce] = own.delta[reduce], own.value[reduce]
                was_reduced, old_value, last = reduce, own.value.clone(), k
                improved.zero_()
        best.offer(own.delta, own.value)
