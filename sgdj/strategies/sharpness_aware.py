"""Sharpness-aware minimisation: train on the worst weights nearby."""

import torch
from torch import Tensor
from torch.func import functional_call

from sgdj.config.types import NonNegative
from sgdj.data.batch import Batch
from sgdj.metrics.image import squared_error
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy


class SharpnessAware(Strategy):
    r"""Sharpness-aware minimisation (Foret et al., 2021), :math:`\max_{\|e\|_2 \le \rho} \mathrm{MSE}(\theta + e)`.

    To first order the maximum is at :math:`e = \rho\, g / \|g\|`, g the gradient at θ. The gradient that trains is the
    one at θ + e, in which e counts as a constant. With several processes each has the e of its own samples, as the
    paper does it.

    Parameters
    ----------
    rho
        Radius ρ of the ball of weights, all of the network's together.
    """

    def __init__(self, rho: NonNegative) -> None:
        self.rho = rho

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error of the shifted weights, a scalar."""
        weights = {name: w for name, w in reconstructor.named_parameters() if w.requires_grad}
        here = squared_error(reconstructor(batch.y, batch.operator), batch.x).mean()
        gradients = torch.autograd.grad(here, list(weights.values()), allow_unused=True)
        known = [torch.zeros_like(w) if g is None else g for w, g in zip(weights.values(), gradients, strict=True)]
        norm = torch.nn.utils.get_total_norm(known).clamp_min(torch.finfo(here.dtype).tiny)
        shifted = {name: w + self.rho / norm * g for (name, w), g in zip(weights.items(), known, strict=True)}
        there: Tensor = functional_call(reconstructor, shifted, (batch.y, batch.operator))
        return squared_error(there, batch.x).mean()
