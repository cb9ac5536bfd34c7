"""A linear learned part, for the toy problems with closed forms."""

import torch
from torch import Tensor, nn

from sgdj.config.types import Count
from sgdj.networks.base import LearnedPart


class Linear(LearnedPart):
    """Θ x on the flattened image, plus x if residual; Θ starts at zero.

    Parameters
    ----------
    size
        Number of entries n of the image.
    residual
        Add the input, as a proximal map needs to start from the identity.
    """

    def __init__(self, size: Count, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.weight = nn.Parameter(torch.zeros(size, size))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Θ x, plus x if residual."""
        out = (x.flatten(1) @ self.weight.mT).view_as(x)
        return out + x if self.residual else out
