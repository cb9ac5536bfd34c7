"""fastMRI's U-Net as a learned part."""

from torch import Tensor

from sgdj.config.types import Count
from sgdj.networks.base import LearnedPart
from sgdj.networks.channels import from_channels, to_channels


class UNet(LearnedPart):
    """U-Net (Ronneberger et al., 2015) in fastMRI's form (Zbontar et al., 2018), its module unchanged.

    Parameters
    ----------
    channels
        Number of real channels of the image: 1, or 2 for a complex one.
    layers
        Number of times that the image is halved and doubled again.
    features
        Number of channels of the first layer; each halving doubles it.
    residual
        Whether to add the input to the output.
    """

    def __init__(self, channels: Count, layers: Count, features: Count, residual: bool) -> None:
        from fastmri.models import Unet  # imported where it is used: it is slow to load

        super().__init__()
        self.residual = residual
        self.body = Unet(in_chans=channels, out_chans=channels, chans=features, num_pool_layers=layers)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return U-Net(x), plus x if residual, of the shape of x (B, C, H, W)."""
        out = from_channels(self.body(to_channels(x)), x)
        return out + x if self.residual else out
