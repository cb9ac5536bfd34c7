"""Randomised smoothing: train the average prediction over noisy measurements."""

import torch
from torch import Tensor

from sgdj.config.types import Count, NonNegative
from sgdj.data.batch import Batch
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy


class Smoothing(Strategy):
    r"""Randomised smoothing (Cohen et al., 2019), :math:`\mathbb{E}\|\tfrac1n \sum_i H_\theta(y + w_i) - x\|^2`.

    At test the defence of the same name averages over fixed draws; ``strategy=smoothing`` chooses it, and
    ``defence=none`` leaves it out.

    Parameters
    ----------
    sigma
        Standard deviation of w_i per real entry, in the unit of y, on the measured entries.
    passes
        Number n of noisy passes that are averaged.
    """

    def __init__(self, sigma: NonNegative, passes: Count) -> None:
        self.sigma, self.passes = sigma, passes

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error of the average prediction, a scalar."""
        noise = (draws.normal("jitter", batch.samples, batch.y, i) for i in range(self.passes))
        noisy = (batch.y + batch.operator.restrict(self.sigma * w) for w in noise)
        mean = torch.stack([reconstructor(y, batch.operator) for y in noisy]).mean(0)
        return squared_error(mean, batch.x).mean()
