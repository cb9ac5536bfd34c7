"""SGD jittering, and SPGD jittering on a proximal network."""

import math
from typing import Literal

import torch
from torch import Tensor

from sgdj.config.types import NonNegative
from sgdj.data.batch import Batch
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Perturb, Reconstructor
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy


class Jitter(Strategy):
    r"""Noise in the gradient of every iteration, :math:`\mathbb{E}\|H_\theta(y; w_0 \dots w_{K-1}) - x\|^2`.

    On `GradientDescent` this is SGD jittering, on `ProximalGradient` SPGD jittering (Guan & Davenport, 2025). The
    noise is fresh for every iteration and every sample.

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
    """

    def __init__(
        self,
        sigma: NonNegative,
        noise_scale: Literal["relative", "absolute", "upstream"],
        last_iteration: bool,
        validation: bool = False,
    ) -> None:
        self.sigma, self.noise_scale = sigma, noise_scale
        self.last_iteration, self.validation = last_iteration, validation

    def deviation(self, z: Tensor) -> Tensor | float:
        """Return the standard deviation of w_k per real entry, given z_k of shape (B, C, H, W)."""
        if self.noise_scale == "absolute":
            entries = z[0].numel() * (2 if z.is_complex() else 1)
            return self.sigma / math.sqrt(entries)
        if self.noise_scale == "relative":
            return self.sigma * z.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
        return self.sigma * (torch.view_as_real(z) if z.is_complex() else z).max()

    def perturb(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Perturb:
        """Return the function that draws the noise w_k of each iteration for this batch."""
        last = getattr(reconstructor, "iterations", 0) - 1

        def perturb(k: int, x: Tensor, z: Tensor) -> Tensor:
            w = self.deviation(z) * draws.normal("jitter", batch.samples, z, k)
            return w if self.last_iteration or k != last else torch.zeros_like(w)

        return perturb

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error of the jittered iteration, a scalar."""
        perturb = self.perturb(reconstructor, batch, draws)
        return squared_error(reconstructor(batch.y, batch.operator, perturb), batch.x).mean()

    def validation_perturb(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Perturb | None:
        """Return the noise of training if validation is jittered, else None."""
        return self.perturb(reconstructor, batch, draws) if self.validation else None
