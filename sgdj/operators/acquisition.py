"""How measurements come about: which operator a volume gets, and how much noise.

An operator is physics alone. An acquisition is the protocol around it: it builds the operator that fits an image
size and the volumes in a batch, and states the noise level.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from sgdj.config.types import Acceleration, Count, NonNegative, Positive, Share
from sgdj.config.undersampling import is_reachable, unreachable
from sgdj.draws import Draws
from sgdj.errors import SettingError
from sgdj.operators.base import Operator, Support
from sgdj.operators.convolution import Convolution
from sgdj.operators.fourier import CartesianFourier
from sgdj.operators.identity import Identity
from sgdj.operators.masks import fastmri_mask, gaussian_density
from sgdj.operators.wavelets import ricker, rotate_phase


@dataclass(frozen=True, kw_only=True)
class Acquisition(ABC):
    """Base of the acquisitions.

    Parameters
    ----------
    noise
        Standard deviation per real entry of the measurement (per real and per imaginary entry if complex).
    """

    noise: NonNegative

    @abstractmethod
    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Operator for a batch of images of `shape` (H, W) from `volumes` (one name per sample)."""

    def normalise(self, x: Tensor) -> Tensor:
        """Scale images (B, C, H, W) to the unit in which noise and budgets are stated."""
        return x

    def on_support(self, noise: Tensor, operator: Operator) -> Tensor:
        """Noise where this protocol has any: on the measured entries."""
        return operator.restrict(noise)


@dataclass(frozen=True, kw_only=True)
class IdentityAcquisition(Acquisition):
    """Noisy images."""

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """The identity."""
        return Identity()


@lru_cache(maxsize=8)
def _ricker_convolution(length: int, width: float, phase: float, size: int) -> Convolution:
    return Convolution(rotate_phase(ricker(length, width), phase), size, axis=-2)


@dataclass(frozen=True, kw_only=True)
class ConvolutionAcquisition(Acquisition):
    """Reflectivity convolved trace by trace with a Ricker wavelet.

    Parameters
    ----------
    length
        Number of taps (51 in the authors' code).
    width
        Ricker width a, in samples (4 in the authors' code).
    phase
        Constant phase rotation of the wavelet in degrees.
    """

    length: Count
    width: Positive
    phase: float = 0.0

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Convolution down the columns; one for the whole batch."""
        return _ricker_convolution(self.length, self.width, self.phase, shape[0])

    def normalise(self, x: Tensor) -> Tensor:
        """Scale each sample so that its noise-free measurement has maximum magnitude 1."""
        y = _ricker_convolution(self.length, self.width, self.phase, x.shape[-2]).forward(x)
        return x / y.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)


@dataclass(frozen=True, kw_only=True)
class CartesianAcquisition(Acquisition):
    """Undersampled Cartesian k-space.

    Parameters
    ----------
    mask
        "gaussian" (density falling off from the centre, exact line count), or fastMRI's "random" and "equispaced".
    acceleration
        R, lines of the full grid per sampled line.
    center_fraction
        Share of all lines that is fully sampled around the centre.
    axis
        "columns" (fastMRI's convention) or "rows" (the authors' code).
    masks
        "fixed": one mask for all volumes, as in the paper; "per_volume": a mask drawn from each volume's name.
    mask_adjoint
        False reproduces the authors' unmasked adjoint; see `CartesianFourier`.
    noise_support
        "measured", or "full": noise on all of k-space (the authors' code), which matters with their adjoint only.

    Raises
    ------
    SettingError
        If the centre alone holds more lines than the acceleration allows.
    """

    mask: Literal["gaussian", "random", "equispaced"]
    acceleration: Acceleration
    center_fraction: Share
    axis: Literal["columns", "rows"]
    masks: Literal["fixed", "per_volume"]
    mask_adjoint: bool
    noise_support: Support = "measured"

    def __post_init__(self) -> None:
        if not is_reachable(self.acceleration, self.center_fraction):
            raise SettingError("center_fraction", *unreachable(self.acceleration, self.center_fraction))

    def on_support(self, noise: Tensor, operator: Operator) -> Tensor:
        """Noise on the measured entries, or everywhere."""
        return operator.restrict(noise) if self.noise_support == "measured" else noise

    def lines(self, count: int, volume: str, draws: Draws) -> Tensor:
        """Sampled lines of a volume, boolean, shape (count,)."""
        name = volume if self.masks == "per_volume" else ""
        if self.mask == "gaussian":
            rng = draws.generator("mask", name)
            drawn = gaussian_density(count, self.acceleration, self.center_fraction, rng)
        else:
            seed = tuple(map(ord, name)) or (draws.seed,)
            drawn = fastmri_mask(self.mask, count, self.acceleration, self.center_fraction, seed)
        return torch.from_numpy(drawn)

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Fourier operator with the mask of each volume."""
        axis = -1 if self.axis == "columns" else -2
        if self.masks == "fixed":
            mask = self.lines(shape[axis], "", draws)
        else:
            mask = torch.stack([self.lines(shape[axis], volume, draws) for volume in volumes])
        return CartesianFourier(mask, axis, self.mask_adjoint)
