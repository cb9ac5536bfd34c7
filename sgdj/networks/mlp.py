"""A small nonlinear learned part, for the toy problem in the plane."""

from itertools import pairwise

from torch import Tensor, nn

from sgdj.config.types import Count
from sgdj.networks.base import LearnedPart


class MLP(LearnedPart):
    """Fully connected network on the flattened image, with SiLU between its layers.

    Parameters
    ----------
    size
        Number of entries of the image.
    layers
        Hidden layers.
    features
        Their width.
    residual
        Add the input, as a proximal map needs to start from the identity.
    """

    def __init__(self, size: Count, layers: Count, features: Count, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        widths = [size, *[features] * layers]
        body: list[nn.Module] = []
        for before, after in pairwise(widths):
            body += [nn.Linear(before, after), nn.SiLU()]
        self.body = nn.Sequential(*body, nn.Linear(features, size))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """MLP(x), plus x if residual."""
        out = self.body(x.flatten(1)).view_as(x)
        return out + x if self.residual else out
