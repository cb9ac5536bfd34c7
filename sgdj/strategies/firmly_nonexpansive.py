"""Penalise learned proximal maps that are not firmly nonexpansive."""

import torch
from torch import Tensor

from sgdj.config.types import Count, Fraction, NonNegative
from sgdj.data.batch import Batch
from sgdj.errors import SettingError
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.networks.unrolled import Part, Unrolled
from sgdj.operators.acquisition import Acquisition
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy
from sgdj.strategies.spectral import spectral_norm


class FirmlyNonexpansive(Strategy):
    r"""Penalty of Pesquet et al. (2021), :math:`\lambda\,\mathbb{E}\max(\|\nabla Q(\tilde x)\|, 1 - \epsilon)^2`.

    Q = 2 D - I reflects the learned map D, which is firmly nonexpansive, a resolvent of a monotone operator, where Q is
    nonexpansive. :math:`\tilde x = \varrho x + (1 - \varrho) \hat x` lies between reference and reconstruction, with
    one random ϱ for each sample. Learned parts that are no proximal map are refused.

    Parameters
    ----------
    weight
        Weight λ of the penalty, relative to the mean squared error per entry.
    margin
        Distance ε from 1 below which a norm is not lowered further.
    steps
        Number of power iterations, each with two products.
    """

    def __init__(self, weight: NonNegative, margin: Fraction, steps: Count) -> None:
        self.weight, self.margin, self.steps = weight, margin, steps

    def check(self, reconstructor: Reconstructor, acquisition: Acquisition) -> None:
        """Refuse a network whose learned part is no proximal map."""
        if not (isinstance(reconstructor, Unrolled) and reconstructor.proximal):
            what = "the learned part of this architecture is no proximal map"
            raise SettingError("", what, "choose architecture=prox")

    def norms(self, part: Part, x: Tensor, batch: Batch, draws: Draws) -> Tensor:
        """Return the norm of the Jacobian of 2 D - I at x (B, C, H, W) of each sample, shape (B,), with its graph."""
        x = x.detach().requires_grad_(True)
        made = 2 * part(x, batch.y) - x
        return spectral_norm(made, x, draws.normal("jitter", batch.samples, x, "reflected"), self.steps)

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error plus the penalty, a scalar."""
        assert isinstance(reconstructor, Unrolled)  # as it was checked
        made = reconstructor(batch.y, batch.operator)
        shares = [draws.generator("jitter", sample, "between").random() for sample in batch.samples]
        share = torch.tensor(shares, dtype=batch.x.real.dtype, device=batch.x.device).view(-1, 1, 1, 1)
        between = share * batch.x + (1 - share) * made
        parts = list(dict.fromkeys(reconstructor.parts()))
        norms = torch.stack([self.norms(part, between, batch, draws) for part in parts])
        penalty = norms.clamp_min(1 - self.margin).square().mean()
        return squared_error(made, batch.x).mean() + self.weight * penalty
