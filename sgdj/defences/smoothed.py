"""Average noisy passes of the learned part in every iteration."""

import torch
from torch import Tensor

from sgdj.config.types import Count, NonNegative, Seed
from sgdj.defences.base import Defence, fixed_draw
from sgdj.errors import SettingError
from sgdj.networks.base import Reconstructor
from sgdj.networks.noise import NoiseScale, deviation
from sgdj.networks.unrolled import Part, Unrolled
from sgdj.operators.acquisition import Acquisition
from sgdj.operators.base import Operator


class SmoothedIterations(Defence):
    r"""SMUG (Liang et al., 2023) at test: every learned part becomes :math:`\tfrac1n \sum_i f_\theta(x_k + w_{k,i})`.

    Parameters
    ----------
    sigma
        Noise level σ of w per real entry; its unit depends on `noise_scale`.
    noise_scale
        How σ is scaled by the learned part's input; see `sgdj.networks.noise.deviation`.
    passes
        Number n of noisy passes that are averaged.
    seed
        Seed of the fixed draws.
    """

    def __init__(self, sigma: NonNegative, noise_scale: NoiseScale, passes: Count, seed: Seed = 0) -> None:
        self.sigma, self.noise_scale, self.passes, self.seed = sigma, noise_scale, passes, seed

    def check(self, reconstructor: Reconstructor, acquisition: Acquisition) -> None:
        """Refuse a network without unrolled iterations."""
        if not isinstance(reconstructor, Unrolled):
            raise SettingError("", "this architecture has no unrolled iterations to smooth", "set defence=none")

    def reconstruct(self, network: Reconstructor, y: Tensor, operator: Operator) -> Tensor:
        """Return the reconstruction of the smoothed iterations, shape (B, C, H, W)."""
        assert isinstance(network, Unrolled)  # as it was checked

        def smooth(k: int, part: Part, x: Tensor, y: Tensor) -> Tensor:
            width = deviation(self.sigma, self.noise_scale, x, constant=False)
            drawn = (fixed_draw(self.seed, x[:1], k, i) for i in range(self.passes))
            return torch.stack([part(x + width * w, y) for w in drawn]).mean(0)

        return network(y, operator, smooth=smooth)
