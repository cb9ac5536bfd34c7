"""Whether a sample's reconstruction depends on the samples that are reconstructed with it."""

import torch
from torch import Tensor

from sgdj.data.batch import Batch
from sgdj.networks.base import Reconstructor

#: Largest relative difference that rounding explains: kernels sum in another order for another number of samples.
ROUNDING = 1e-4


def neighbour_dependence(reconstructor: Reconstructor, batch: Batch, count: int = 3) -> float:
    """Largest relative change of x̂ when a sample is reconstructed alone, with its neighbours, or beside its double.

    Parameters
    ----------
    reconstructor, batch
        What is tried, on what.
    count
        Samples that are tried.

    Raises
    ------
    InputError
        If somebody else's reconstructor cannot reconstruct a sample alone.
    """
    worst = 0.0
    with torch.no_grad():
        together = reconstructor(batch.y, batch.operator)
        for i in range(min(count, len(batch))):
            y, operator = batch.y[i : i + 1], batch.operator.take(i)
            alone = reconstructor(y, operator)
            beside = reconstructor(torch.cat([y, 2 * y]), operator.repeat(2))
            worst = max(worst, *(_change(other, alone) for other in (together[i : i + 1], beside[:1])))
    return worst


def _change(one: Tensor, other: Tensor) -> float:
    """‖one - other‖ / ‖other‖ over finite entries; infinite where only one of them is finite."""
    finite = torch.isfinite(other)
    if not torch.equal(finite, torch.isfinite(one)):
        return torch.inf
    difference, norm = (torch.linalg.vector_norm(x[finite]) for x in (one - other, other))
    return float(difference / norm.clamp_min(torch.finfo(norm.dtype).tiny))


def is_repeatable(reconstructor: Reconstructor, batch: Batch) -> bool:
    """Whether two passes give the same bits; NaN counts as equal to NaN."""
    with torch.no_grad():
        one, other = (reconstructor(batch.y, batch.operator) for _ in range(2))
    return bool(((one == other) | (one.isnan() & other.isnan())).all())
