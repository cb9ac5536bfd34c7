"""Search for a perturbation by forward passes alone."""

import torch
from torch import Tensor

from sgdj.attacks.ball import Ball
from sgdj.attacks.hill import Best, Hill
from sgdj.data.batch import Batch
from sgdj.runtime.draws import Draws


@torch.no_grad()
def climb_without_gradients(
    hill: Hill,
    ball: Ball,
    start: Tensor,
    best: Best,
    batch: Batch,
    draws: Draws,
    *,
    steps: int,
    directions: int,
    width: float,
) -> None:
    """Look at random points, then ascend along central differences in random directions (Spall, 1992).

    Parameters
    ----------
    hill
        Objective to climb, one value per sample.
    ball
        Norm ball to stay in.
    start
        Perturbation to start from, if it is better than every random point; shape of y.
    best
        Record of the best δ so far; every point is offered to it.
    batch
        Samples under attack; there may be several copies of each.
    draws
        Random numbers for points and directions.
    steps
        Number of steps, of a length that falls from 2ε to ε/10.
    directions
        Number of random points at first, and of random directions per step.
    width
        Length of a difference, in units of ε.
    """
    copies = len(batch) // len(set(batch.samples))
    names = [f"{sample}/{i // (len(batch) // copies)}" for i, sample in enumerate(batch.samples)]

    def random(*keys: int) -> Tensor:
        return ball.steepest(hill.restrict(draws.normal("attack", names, batch.y, "spsa", *keys)))

    first = Best(start, hill.mean(start))
    for i in range(directions):
        point = hill.budget * random(-1, i)
        first.offer(point, hill.mean(point))
    best.offer(first.delta, first.value)
    delta, reach = first.delta, width * hill.budget
    for k in range(steps):
        gradient = torch.zeros_like(delta)
        for i in range(directions):
            u = random(k, i)
            slope = hill.mean(delta + reach * u) - hill.mean(delta - reach * u)
            slope = torch.where(torch.isfinite(slope), slope, 0.0)
            gradient += slope.view(-1, *[1] * (u.ndim - 1)) * u
        size = 2.0 * (0.05 ** (k / max(steps - 1, 1)))
        delta = ball.project(delta + size * hill.budget * ball.steepest(gradient), hill.budget)
        best.offer(delta, hill.mean(delta))
