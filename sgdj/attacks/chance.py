"""What random perturbations do, so that an attack that does less is recognised."""

import torch
from torch import Tensor

from sgdj.attacks.ball import Ball
from sgdj.attacks.hill import Best, Hill
from sgdj.data.batch import Batch
from sgdj.runtime.draws import Draws

DRAWS = 20
_TIE = 1e-6  # relative difference of objectives that rounding explains


@torch.no_grad()
def strongest_draw(hill: Hill, ball: Ball, batch: Batch, draws: Draws) -> Best:
    """Find the most harmful of `DRAWS` random perturbations on the surface of the ball, for each sample.

    Parameters
    ----------
    hill
        The objective, with its budget.
    ball
        The ball that perturbations are confined to.
    batch
        Measurements, whose samples name the random directions.
    draws
        Source of the random directions.

    Returns
    -------
    Best
        δ of every sample, in the shape of the measurements, and its objective, shape (B,).
    """
    best = Best(torch.zeros_like(batch.y), torch.full((len(batch),), -torch.inf, device=batch.y.device))
    for i in range(DRAWS):
        noise = draws.normal("attack", batch.samples, batch.y, "chance", i)
        delta = hill.budget * ball.steepest(hill.restrict(noise))
        best.offer(delta, hill.mean(delta))
    return best


def is_weaker(value: Tensor, chance: Tensor) -> Tensor:
    """Tell whether an attack's objective is below that of random draws by more than rounding; boolean, shape (B,)."""
    return value + _TIE * value.abs() < chance
