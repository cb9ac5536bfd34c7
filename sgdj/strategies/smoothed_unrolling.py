"""Smoothed unrolling: average noisy passes of the learned part in every iteration."""

import torch
from torch import Tensor

from sgdj.config.types import Count, NonNegative
from sgdj.data.batch import Batch
from sgdj.errors import SettingError
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.networks.noise import NoiseScale, deviation
from sgdj.networks.unrolled import Part, Unrolled
from sgdj.operators.acquisition import Acquisition
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy


class SmoothedUnrolling(Strategy):
    r"""SMUG (Liang et al., 2023): every learned part becomes :math:`\mathbb{E}_w\, f_\theta(x_k + w)`.

    The mean over a few draws takes the place of the learned part in training. At test the defence of the same name does
    the same with fixed draws; ``strategy=smug`` chooses it, and ``defence=none`` leaves it out.

    Parameters
    ----------
    sigma
        Noise level σ of w per real entry; its unit depends on `noise_scale`.
    noise_scale
        How σ is scaled by the learned part's input; see `sgdj.networks.noise.deviation`.
    passes
        Number of noisy passes that are averaged.
    stability
        Weight of SMUG's second term, the mean of :math:`\|\mathbb{E}_w f_\theta(x_k + w) - f_\theta(x)\|^2` over the
        iterations, x being the reference.
    """

    def __init__(
        self, sigma: NonNegative, noise_scale: NoiseScale, passes: Count, stability: NonNegative = 0.0
    ) -> None:
        self.sigma, self.noise_scale, self.passes, self.stability = sigma, noise_scale, passes, stability

    def check(self, reconstructor: Reconstructor, acquisition: Acquisition) -> None:
        """Refuse a network without iterations; the second term needs all of them at hand."""
        if not isinstance(reconstructor, Unrolled):
            what = "this architecture has no unrolled iterations to smooth"
            raise SettingError("", what, "choose another strategy, or architecture=gd")
        if self.stability and reconstructor.checkpointing:
            what = "the second term needs every iteration, which checkpointing drops"
            raise SettingError("stability", what, "set it to 0, or architecture.checkpointing=false")

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error of the smoothed iteration, plus the second term, a scalar."""
        assert isinstance(reconstructor, Unrolled)  # as it was checked
        apart: list[Tensor] = []

        def smooth(k: int, part: Part, x: Tensor, y: Tensor) -> Tensor:
            width = deviation(self.sigma, self.noise_scale, x)
            drawn = (draws.normal("jitter", batch.samples, x, k, i) for i in range(self.passes))
            mean = torch.stack([part(x + width * w, y) for w in drawn]).mean(0)
            if self.stability:
                apart.append(squared_error(mean, part(batch.x, y)).mean())
            return mean

        loss = squared_error(reconstructor(batch.y, batch.operator, smooth=smooth), batch.x).mean()
        return loss + self.stability * torch.stack(apart).mean() if apart else loss
