"""The learned part of the seismic networks, a CNN of two inputs."""

from typing import Literal

import torch
from torch import Tensor, nn

from sgdj.config.types import Count
from sgdj.networks.base import LearnedPart
from sgdj.networks.channels import channels_last, check_groups


class SeismicCNN(LearnedPart):
    """CNN of iterate and measurement: three 3 x 3 layers with GroupNorm and ReLU, then 3 x 3 and 1 x 1.

    Weights start at a tenth of Kaiming's. With "fan_in", the default, the first layer's are 4 times and the last 3 x 3
    layer's 0.18 times as large as those of the authors' code, which has "fan_out".

    Parameters
    ----------
    features
        Number of channels of the hidden layers, a multiple of `groups` (the paper: 32).
    groups
        Number of groups of the normalisation (the paper: 4).
    residual
        Whether to add the iterate to the output (the authors do not, in either form).
    initialisation
        Fan that scales the initial weights, which are Kaiming normal divided by 10: "fan_in" with slope 0, or "fan_out"
        with slope 0.001 (the authors' code). Biases start at PyTorch's values.
    """

    def __init__(
        self,
        features: Count,
        groups: Count,
        residual: bool,
        initialisation: Literal["fan_in", "fan_out"] = "fan_in",
    ) -> None:
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
                slope = 0.001 if initialisation == "fan_out" else 0.0
                nn.init.kaiming_normal_(layer.weight, slope, initialisation)
                with torch.no_grad():
                    layer.weight.mul_(0.1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return CNN(y, x), plus x if residual; x and y are real, of shape (B, 1, H, W)."""
        out = self.body(channels_last(torch.stack([y[:, 0], x[:, 0]], dim=-1)))
        return out + x if self.residual else out
