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
        Number of hidden layers.
    features
        Number of units of each hidden layer.
    residual
        Whether to add the input, as a proximal map needs to start from the identity.
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
        """Return MLP(x), plus x if residual, of the shape of x."""
        out = self.body(x.flatten(1)).view_as(x)
        return out + x if self.residual else out
