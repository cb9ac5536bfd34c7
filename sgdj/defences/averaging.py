"""Average the reconstructions of several noisy measurements."""

import torch
from torch import Tensor

from sgdj.config.types import Count, NonNegative, Seed
from sgdj.defences.base import Defence, fixed_draw
from sgdj.networks.base import Reconstructor
from sgdj.operators.base import Operator


class Averaging(Defence):
    r"""Randomised smoothing (Cohen et al., 2019) at test, :math:`\hat x = \tfrac1n \sum_i H_\theta(y + w_i)`.

    Parameters
    ----------
    sigma
        Standard deviation of w_i per real entry, in the unit of y, on the measured entries.
    passes
        Number n of noisy passes that are averaged.
    seed
        Seed of the fixed draws w_i.
    """

    def __init__(self, sigma: NonNegative, passes: Count, seed: Seed = 0) -> None:
        self.sigma, self.passes, self.seed = sigma, passes, seed

    def reconstruct(self, network: Reconstructor, y: Tensor, operator: Operator) -> Tensor:
        """Return the mean reconstruction of the noisy measurements, shape (B, C, H, W)."""
        noise = (fixed_draw(self.seed, y[:1], i) for i in range(self.passes))
        noisy = (y + operator.restrict(self.sigma * w.expand_as(y)) for w in noise)
        return torch.stack([network(one, operator) for one in noisy]).mean(0)
