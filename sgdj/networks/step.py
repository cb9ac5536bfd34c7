"""The step size η of an unrolled network."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from sgdj.config.types import Positive


class StepSize(nn.Module):
    r"""One step size for all iterations, kept in its valid range by its parametrisation.

    Parameters
    ----------
    rule
        "exp": :math:`\eta = c\, e^{e}` (the authors' MRI network); "sigmoid": :math:`\eta = c\,\sigma(e)` (their
        seismic network), which can never exceed c; plain gradient descent is stable for :math:`\eta < 2 / \|A\|^2`.
    scale
        Factor c, positive.
    initial
        Starting value of the exponent e.
    learned
        Whether training may change e.
    """

    def __init__(self, rule: Literal["exp", "sigmoid"], scale: Positive, initial: float, learned: bool) -> None:
        super().__init__()
        self.rule, self.scale = rule, scale
        self.exponent = nn.Parameter(torch.tensor(float(initial)), requires_grad=learned)

    def forward(self) -> Tensor:
        """Return η, a positive scalar."""
        return self.scale * (torch.exp(self.exponent) if self.rule == "exp" else torch.sigmoid(self.exponent))

    def extra_repr(self) -> str:
        """State rule, scale and η for the printed network."""
        eta = math.nan if self.exponent.is_meta else float(self().detach())
        return f"rule={self.rule}, scale={self.scale}, eta={eta:.4g}"
