"""Objectives of attacks, one value per sample."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from sgdj.data.batch import Batch
from sgdj.errors import InputError
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor

Goal = Literal["squared_error", "magnitude_error", "region_error", "output_change"]
Objective = Callable[[Tensor], Tensor]


def objective(goal: Goal, reconstructor: Reconstructor, batch: Batch) -> Objective:
    """Return the quantity that an attack makes large, as a function of the reconstruction.

    Parameters
    ----------
    goal
        "squared_error": mean |x̂ - x|²; "magnitude_error": mean (|x̂| - |x|)²; "region_error": mean |x̂ - x|² over
        `batch.region`, such as a lesion; "output_change": mean |x̂ - x̂(y)|², which needs no reference. The gradient of
        the last is zero at δ = 0, so it needs a random start.
    reconstructor
        Network under attack; called once, for "output_change".
    batch
        References x and measurements y, with their operator.

    Returns
    -------
    Objective
        Function of x̂ (B, C, H, W) that returns one value per sample, shape (B,).

    Raises
    ------
    InputError
        If a region is wanted and the batch has none.
    """
    if goal == "squared_error":
        return lambda output: squared_error(output, batch.x)
    if goal == "magnitude_error":
        return lambda output: squared_error(output.abs(), batch.x.abs())
    if goal == "region_error":
        region = batch.region
        if region is None:
            raise InputError(
                "the data has no region", "attack.goal", "combine it with a shift that has one: lesion, line"
            )
        share = region.flatten(1).float().mean(1).clamp_min(1e-12)
        return lambda output: squared_error(output * region, batch.x * region) / share
    with torch.no_grad():
        clean = reconstructor(batch.y, batch.operator)
    return lambda output: squared_error(output, clean)
