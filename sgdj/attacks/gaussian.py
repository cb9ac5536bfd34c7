"""Random noise of the attack's norm: the average case beside the worst."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sgdj.attacks.base import Attack
from sgdj.data.batch import Batch
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws


@dataclass(eq=False, kw_only=True)
class Gaussian(Attack):
    """White Gaussian noise on the support, scaled to norm ε exactly."""

    def __call__(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Draw δ of norm ε_i, independently for each sample."""
        noise = draws.normal("attack", batch.samples, batch.y, "gaussian")
        noise = self.restrict(noise, batch.operator)
        norm = self.ball.norm(noise)
        return self.budget(batch.y) * (noise / norm.clamp_min(torch.finfo(norm.dtype).tiny))
