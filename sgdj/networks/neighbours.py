"""Check that a sample's reconstruction does not depend on the other samples of its batch."""

import torch
from torch import Tensor

from sgdj.networks.base import Reconstructor
from sgdj.operators.base import Operator

#: Largest relative difference that rounding explains: kernels sum in another order for another number of samples.
ROUNDING = 1e-4


def neighbour_dependence(reconstructor: Reconstructor, y: Tensor, operator: Operator, count: int = 3) -> float:
    """Measure how much x̂ changes when a sample is reconstructed alone, in its batch, or beside its double.

    Parameters
    ----------
    reconstructor
        Network to check, in evaluation mode.
    y
        Measurements of a batch, shape (B, ...).
    operator
        Operator of the batch.
    count
        Number of samples to try, from the first.

    Returns
    -------
    float
        Largest ‖x̂ - x̂_alone‖ / ‖x̂_alone‖ over the samples tried; infinite where only one of the two is finite.

    Raises
    ------
    InputError
        If a reconstructor from outside the project cannot reconstruct a sample alone.
    """
    worst = 0.0
    with torch.no_grad():
        together = reconstructor(y, operator)
        for i in range(min(count, len(y))):
            own, itself = y[i : i + 1], operator.take(i)
            alone = reconstructor(own, itself)
            beside = reconstructor(torch.cat([own, 2 * own]), itself.repeat(2))
            worst = max(worst, *(_change(other, alone) for other in (together[i : i + 1], beside[:1])))
    return worst


def _change(one: Tensor, other: Tensor) -> float:
    """Return ‖one - other‖ / ‖other‖ over finite entries; infinite where only one of them is finite."""
    finite = torch.isfinite(other)
    if not torch.equal(finite, torch.isfinite(one)):
        return torch.inf
    difference, norm = (torch.linalg.vector_norm(x[finite]) for x in (one - other, other))
    return float(difference / norm.clamp_min(torch.finfo(norm.dtype).tiny))


def is_repeatable(reconstructor: Reconstructor, y: Tensor, operator: Operator) -> bool:
    """Check whether two passes give the same bits; NaN counts as equal to NaN."""
    with torch.no_grad():
        one, other = (reconstructor(y, operator) for _ in range(2))
    return bool(((one == other) | (one.isnan() & other.isnan())).all())
