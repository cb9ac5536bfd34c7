"""A linear learned part, for the toy problems with closed forms."""

import torch
from torch import Tensor, nn

from sgdj.config.types import Count
from sgdj.networks.base import LearnedPart


class Linear(LearnedPart):
    """Linear map Θ of the flattened image, plus the image if residual; Θ starts at zero.

    Parameters
    ----------
    size
        Number of entries n of the image.
    residual
        Whether to add the input, as a proximal map needs to start from the identity.
    """

    def __init__(self, size: Count, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.weight = nn.Parameter(torch.zeros(size, size))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return Θ x, plus x if residual, of the shape of x."""
        out = (x.flatten(1) @ self.weight.mT).view_as(x)
        return out + x if self.residual else out
