"""The learned part of the seismic networks, a CNN of two inputs."""

import torch
from torch import Tensor, nn

from sgdj.config.types import Count
from sgdj.networks.base import LearnedPart
from sgdj.networks.channels import channels_last, check_groups


class SeismicCNN(LearnedPart):
    """CNN of iterate and measurement: three 3 x 3 layers with GroupNorm and ReLU, then 3 x 3 and 1 x 1.

    Weights start at a tenth of Kaiming's, as in the authors' code.

    Parameters
    ----------
    features
        Number of channels of the hidden layers, a multiple of `groups` (the paper: 32).
    groups
        Number of groups of the normalisation (the paper: 4).
    residual
        Whether to add the iterate to the output (the authors do not, in either form).
    """

    def __init__(self, features: Count, groups: Count, residual: bool) -> None:
        super().__init__()
        check_groups(features, groups)
        self.residual = residual
        body: list[nn.Module] = []
        channels = 2
        for _ in range(3):
            body += [nn.Conv2d(channels, features, 3, padding=1), nn.GroupNorm(groups, features), nn.ReLU(inplace=True)]
            channels = features
        body += [nn.Conv2d(features, 1, 3, padding=1), nn.Conv2d(1, 1, 1)]
        self.body = nn.Sequential(*body)
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                with torch.no_grad():
                    layer.weight.mul_(0.1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return CNN(y, x), plus x if residual; x and y are real, of shape (B, 1, H, W)."""
        out = self.body(channels_last(torch.stack([y[:, 0], x[:, 0]], dim=-1)))
        return out + x if self.residual else out
