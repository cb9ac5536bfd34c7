"""An attack without gradients, to find out whether gradients hide something."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sgdj.attacks.iterative import Best, Hill, Iterative
from sgdj.data.batch import Batch
from sgdj.draws import Draws


@dataclass(eq=False, kw_only=True)
class SPSA(Iterative):
    r"""Simultaneous-perturbation ascent (Spall, 1992; as an attack: Uesato et al., 2018), forward passes only.

    Each step estimates the gradient by central differences along random directions and ascends with a step that falls
    from 2ε to ε/10. The first start is the best of `directions` random points rather than zero.

    Parameters
    ----------
    epsilon, rho, support, norm, steps, restarts, random_start, goal, average
        See `Iterative`.
    directions
        Random directions per step.
    width
        Length of a difference, in units of ε.
    """

    directions: int
    width: float

    @property
    def passes(self) -> int:
        """Two per direction and step, one to look at each step, the start, the random points."""
        return (self.steps * (2 * self.directions + 1) + 1 + self.directions + self.random_start) * self.average

    def _random(self, batch: Batch, hill: Hill, draws: Draws, *keys: int) -> Tensor:
        copies = len(batch) // len(set(batch.samples))
        names = [f"{sample}/{i // (len(batch) // copies)}" for i, sample in enumerate(batch.samples)]
        return self.ball.steepest(hill.restrict(draws.normal("attack", names, batch.y, "spsa", *keys)))

    @torch.no_grad()
    def climb(self, hill: Hill, start: Tensor, best: Best, batch: Batch, draws: Draws) -> None:
        """The iteration."""
        first = Best(start, hill.mean(start))
        for i in range(self.directions):
            point = hill.budget * self._random(batch, hill, draws, -1, i)
            first.offer(point, hill.mean(point))
        best.offer(first.delta, first.value)
        delta, reach = first.delta, self.width * hill.budget
        for k in range(self.steps):
            gradient = torch.zeros_like(delta)
            for i in range(self.directions):
                u = self._random(batch, hill, draws, k, i)
                slope = hill.mean(delta + reach * u) - hill.mean(delta - reach * u)
                gradient += slope.view(-1, *[1] * (u.ndim - 1)) * u
            size = 2.0 * (0.05 ** (k / max(self.steps - 1, 1)))
            delta = self.ball.project(delta + size * hill.budget * self.ball.steepest(gradient), hill.budget)
            best.offer(delta, hill.mean(delta))
