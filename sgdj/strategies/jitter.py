"""SGD jittering, and SPGD jittering on a proximal network."""

import math
from typing import Literal

import torch
from torch import Tensor

from sgdj.config.types import NonNegative
from sgdj.data.batch import Batch
from sgdj.errors import SettingError
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Perturb, Reconstructor
from sgdj.networks.noise import NoiseScale, deviation
from sgdj.operators.acquisition import Acquisition
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy


class Jitter(Strategy):
    r"""Noise in the gradient of every iteration, :math:`\mathbb{E}\|H_\theta(y; w_0 \dots w_{K-1}) - x\|^2`.

    On `GradientDescent` this is SGD jittering, on `ProximalGradient` SPGD jittering (Guan & Davenport, 2025). The
    noise is fresh for every sample and every epoch.

    Parameters
    ----------
    sigma
        Noise level σ; its unit depends on `noise_scale`.
    noise_scale
        How σ sets the standard deviation of w_k per real entry, z_k being the iterate after the data step:

        - "relative": :math:`\sigma \max_j |z_{k,j}|` of each sample, detached;
        - "absolute": :math:`\sigma / \sqrt n`, n the real entries of a sample, so that
          :math:`\mathbb{E}\|w_k\|^2 = \sigma^2` (the paper's equation);
        - "upstream": :math:`\sigma \max z_k`, the signed maximum over the whole batch and both parts of a complex
          image, which carries gradient (the authors' code).
    last_iteration
        Whether the last iteration is jittered too; in a gradient network that noise lands on the output.
    validation
        Whether the validation in training is jittered too, as in the authors' code.
    draw
        "fresh": every iteration has a draw of its own; "shared": all iterations of a pass share one, as if the gradient
        had one wrong offset.
    level
        "fixed": σ; "random": every sample and epoch draws its level evenly between 0 and σ, as denoisers for unknown
        noise levels are trained (Zhang et al., 2017); "annealed": σ falls to 0 by half a cosine over the epochs, as
        noise in gradients is annealed (Neelakantan et al., 2015).
    """

    def __init__(
        self,
        sigma: NonNegative,
        noise_scale: NoiseScale,
        last_iteration: bool,
        validation: bool = False,
        draw: Literal["fresh", "shared"] = "fresh",
        level: Literal["fixed", "random", "annealed"] = "fixed",
    ) -> None:
        self.sigma, self.noise_scale = sigma, noise_scale
        self.last_iteration, self.validation = last_iteration, validation
        self.draw, self.level = draw, level
        self._share = 1.0

    def check(self, reconstructor: Reconstructor, acquisition: Acquisition) -> None:
        """Refuse a network without iterations."""
        if not reconstructor.jittered:
            what = "this architecture has no iterations to jitter"
            raise SettingError("", what, "choose another strategy, or architecture=gd")

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Set the share of σ that an annealed level has in this epoch."""
        self._share = (1 + math.cos(math.pi * epoch / epochs)) / 2 if self.level == "annealed" else 1.0

    def _levels(self, batch: Batch, draws: Draws) -> Tensor | float:
        """Return the noise level of this epoch, or of each sample, shape (B, 1, 1, 1)."""
        if self.level != "random":
            return self.sigma if self.level == "fixed" else self._share * self.sigma
        shares = [draws.generator("jitter", sample, "level").random() for sample in batch.samples]
        return torch.tensor(shares, dtype=batch.x.real.dtype, device=batch.x.device).view(-1, 1, 1, 1) * self.sigma

    def deviation(self, z: Tensor) -> Tensor | float:
        """Return the standard deviation of w_k per real entry at level σ, given z_k of shape (B, C, H, W)."""
        return deviation(self.sigma, self.noise_scale, z)

    def perturb(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Perturb:
        """Return the function that draws the noise w_k of each iteration for this batch."""
        last = getattr(reconstructor, "iterations", 0) - 1
        sigma = self._levels(batch, draws)

        def perturb(k: int, x: Tensor, z: Tensor) -> Tensor:
            drawn = draws.normal("jitter", batch.samples, z, 0 if self.draw == "shared" else k)
            w = deviation(sigma, self.noise_scale, z) * drawn
            return w if self.last_iteration or k != last else torch.zeros_like(w)

        return perturb

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error of the jittered iteration, a scalar."""
        perturb = self.perturb(reconstructor, batch, draws)
        return squared_error(reconstructor(batch.y, batch.operator, perturb), batch.x).mean()

    def validation_perturb(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Perturb | None:
        """Return the noise of training if validation is jittered, else None."""
        return self.perturb(reconstructor, batch, draws) if self.validation else None
