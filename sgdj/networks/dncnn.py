"""DnCNN, the learned part of the MRI and denoising networks."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from sgdj.config.types import Count
from sgdj.networks.base import LearnedPart
from sgdj.networks.channels import check_groups, from_channels, to_channels


class DnCNN(LearnedPart):
    """Convolutional denoiser (Zhang et al., 2017) with GroupNorm in place of BatchNorm.

    Parameters
    ----------
    channels
        Number of real channels of the image: 1, or 2 for a complex one.
    layers
        Number of 3 x 3 convolutions, at least 3 (the paper: 8).
    features
        Number of channels of the hidden layers, a multiple of `groups` (the paper: 64).
    groups
        Number of groups of the normalisation (the paper: 4).
    residual
        Whether to add the input to the output. The proximal network needs it; in the gradient network it adds
        shrinkage, as in the authors' code.
    """

    def __init__(
        self, channels: Count, layers: Annotated[int, Field(ge=3)], features: Count, groups: Count, residual: bool
    ) -> None:
        super().__init__()
        check_groups(features, groups)
        self.residual = residual
        body: list[nn.Module] = [nn.Conv2d(channels, features, 3, padding=1, bias=False), nn.ReLU(inplace=True)]
        for _ in range(layers - 2):
            body += [
                nn.Conv2d(features, features, 3, padding=1, bias=False),
                nn.GroupNorm(groups, features),
                nn.ReLU(inplace=True),
            ]
        body.append(nn.Conv2d(features, channels, 3, padding=1, bias=False))
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return CNN(x), plus x if residual, of the shape of x (B, C, H, W)."""
        out = from_channels(self.body(to_channels(x)), x)
        return out + x if self.residual else out
