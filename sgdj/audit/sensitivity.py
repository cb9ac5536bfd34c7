"""Measure how strongly a reconstruction reacts to small changes of its measurement."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sgdj.attacks.ball import sample_norm, unit
from sgdj.audit.jacobian import Jacobian
from sgdj.data.batch import Batch
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws


@dataclass(frozen=True)
class Sensitivity:
    """Properties of the Jacobian J = ∂x̂/∂y on the measured entries, per sample.

    Parameters
    ----------
    largest
        Largest singular value of J, shape (B,): the worst local amplification.
    frobenius
        ‖J‖_F / √m with m the number of real entries measured, shape (B,): the amplification of white noise.
    """

    largest: Tensor
    frobenius: Tensor


def sensitivity(
    reconstructor: Reconstructor, batch: Batch, draws: Draws, iterations: int = 20, probes: int = 10
) -> Sensitivity:
    """Compute the largest singular value by power iteration on JᴴJ, the Frobenius norm by Hutchinson's estimator.

    Both use exact products with J and its adjoint, none stored.

    Parameters
    ----------
    reconstructor
        Network whose samples do not influence each other.
    batch
        Measurements y with their operator.
    draws
        Random numbers of the directions.
    iterations
        Number of steps of the power method.
    probes
        Number of random directions of the estimator; its relative error falls with their square root.

    Returns
    -------
    Sensitivity
        Both quantities, per sample.
    """
    operator, jacobian = batch.operator, Jacobian(reconstructor, batch)
    u = unit(operator.restrict(draws.normal("attack", batch.samples, batch.y, "power")))
    value = torch.zeros(len(batch), device=batch.y.device)
    for _ in range(iterations):
        image = jacobian.forward(u)
        value = sample_norm(image).flatten()
        u = unit(jacobian.adjoint(image))
    total, entries = torch.zeros_like(value), torch.zeros_like(value)
    ones = operator.restrict(torch.ones_like(batch.y)).abs().flatten(1).sum(1)
    entries = ones * (2 if batch.y.is_complex() else 1)
    for i in range(probes):
        probe = operator.restrict(draws.normal("attack", batch.samples, batch.y, "probe", i))
        total += sample_norm(jacobian.forward(probe)).flatten().square()
    return Sensitivity(value, (total / probes / entries).sqrt())
