"""A network that knows nothing of the measurement: one learned map of the starting point."""

from typing import Literal

from torch import Tensor

from sgdj.config.types import Count
from sgdj.networks.base import Perturb, Reconstructor
from sgdj.networks.unet import UNet
from sgdj.operators.base import Operator


class BlackBox(Reconstructor):
    r"""Post-processing :math:`\hat x = \mathrm{UNet}_\theta(x_0)` (Jin et al., 2017), with fastMRI's U-Net.

    It has no iterations, so that jitter has no place in it.

    Parameters
    ----------
    channels
        Number of real channels of the image: 1, or 2 for a complex one.
    layers
        Number of times that the image is halved and doubled again.
    features
        Number of channels of the first layer; each halving doubles it.
    residual
        Whether to add x_0 to the output.
    start
        Image x_0 that it is given, "adjoint" for Aᴴy or "measurement" for y.
    """

    jittered = False

    def __init__(
        self,
        channels: Count,
        layers: Count,
        features: Count,
        residual: bool,
        start: Literal["adjoint", "measurement"],
    ) -> None:
        super().__init__()
        self.learned, self.start = UNet(channels, layers, features, residual), start

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Return the network's output for x_0, shape (B, C, H, W)."""
        made: Tensor = self.learned(operator.adjoint(y) if self.start == "adjoint" else y, y)
        return made
