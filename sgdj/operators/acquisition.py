"""Describe how measurements come about: which operator a volume gets, and how much noise.

An operator is physics alone. An acquisition is the protocol around it: it builds the operator that fits an image size
and the volumes in a batch, and states the noise level.
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
from sgdj.operators.coil_maps import birdcage
from sgdj.operators.convolution import Convolution
from sgdj.operators.fourier import CartesianFourier
from sgdj.operators.identity import Identity
from sgdj.operators.masks import fastmri_mask, gaussian_density
from sgdj.operators.multi_coil import MultiCoil
from sgdj.operators.wavelets import ricker, rotate_phase


@dataclass(frozen=True, kw_only=True)
class Acquired:
    """Hold what data bring of their own acquisition; None is simulated.

    Parameters
    ----------
    maps
        Coil sensitivities, complex, shape (C, H, W) of an image, (B, C, H, W) of a batch.
    """

    maps: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Memory that it takes, in bytes."""
        return 0 if self.maps is None else self.maps.nbytes

    @staticmethod
    def stack(images: Sequence["Acquired | None"]) -> "Acquired | None":
        """Collect what belongs to the images of a batch; None unless each of them has something of its own."""
        found = [one for one in images if one is not None]
        if len(found) < len(images):
            return None
        maps = [one.maps for one in found if one.maps is not None]
        return Acquired(maps=torch.stack(maps) if len(maps) == len(found) else None)


@dataclass(frozen=True, kw_only=True)
class Acquisition(ABC):
    """State the measurement protocol of a task; the base of all acquisitions.

    Parameters
    ----------
    noise
        Standard deviation of the measurement noise, per real entry (per real and per imaginary entry if complex), in
        the unit of `normalise`.
    """

    noise: NonNegative

    @abstractmethod
    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Build the operator of a batch.

        Parameters
        ----------
        shape
            Image size (H, W) in samples.
        volumes
            Name of the volume of each sample, length B; masks may depend on it.
        draws
            Random numbers of the data, for masks.

        Returns
        -------
        Operator
            Operator for images of shape (B, C, H, W).
        """

    def with_acquired(self, operator: Operator, acquired: Acquired) -> Operator:
        """Put what the data hold of their own acquisition in the place of what `operator` simulates.

        Parameters
        ----------
        operator
            Operator that `operator` has built for the batch.
        acquired
            What was acquired with the images of the batch.

        Returns
        -------
        Operator
            Operator that the images are measured with; by default the simulated one.
        """
        return operator

    def normalise(self, x: Tensor) -> Tensor:
        """Scale images (B, C, H, W) to the unit in which noise and budgets are stated."""
        return x

    def on_support(self, noise: Tensor, operator: Operator) -> Tensor:
        """Restrict noise (shaped like a measurement) to the entries where this protocol has any: the measured ones."""
        return operator.restrict(noise)


@dataclass(frozen=True, kw_only=True)
class IdentityAcquisition(Acquisition):
    """Observe the image itself, with noise (denoising).

    Parameters
    ----------
    noise
        Standard deviation of the noise per entry, in the unit of the image.
    """

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Return the identity, whatever the size and the volumes."""
        return Identity()


@lru_cache(maxsize=8)
def _ricker_convolution(length: int, width: float, phase: float, size: int) -> Convolution:
    return Convolution(rotate_phase(ricker(length, width), phase), size, axis=-2)


@dataclass(frozen=True, kw_only=True)
class ConvolutionAcquisition(Acquisition):
    """Convolve reflectivity trace by trace with a Ricker wavelet (seismic deconvolution).

    Parameters
    ----------
    noise
        Standard deviation of the noise per entry, where the largest noise-free magnitude is 1.
    length
        Number of taps of the wavelet (51 in the authors' code).
    width
        Ricker width a, in samples (4 in the authors' code); see `sgdj.operators.wavelets.ricker`.
    phase
        Constant phase rotation of the wavelet, in degrees.
    """

    length: Count
    width: Positive
    phase: float = 0.0

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Return the convolution down the columns; one serves the whole batch."""
        return _ricker_convolution(self.length, self.width, self.phase, shape[0])

    def normalise(self, x: Tensor) -> Tensor:
        """Scale each sample so that its noise-free measurement has maximum magnitude 1."""
        y = _ricker_convolution(self.length, self.width, self.phase, x.shape[-2]).forward(x)
        return x / y.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)


@dataclass(frozen=True, kw_only=True)
class CartesianAcquisition(Acquisition):
    """Undersample Cartesian k-space line by line (single-coil MRI).

    Parameters
    ----------
    noise
        Standard deviation of the noise per real and per imaginary entry of k-space, where the volume's maximum is 1.
    mask
        "gaussian" (density that falls off from the centre, exact number of lines), or fastMRI's "random" and
        "equispaced".
    acceleration
        R, the number of lines of the full grid per sampled line, at least 1.
    center_fraction
        Share of all lines that is fully sampled around the centre, between 0 and 1.
    axis
        Image axis that is undersampled: "columns" (fastMRI's convention) or "rows" (the authors' code).
    masks
        "fixed": one mask for all volumes, as in the paper; "per_volume": a mask drawn from each volume's name.
    mask_adjoint
        False reproduces the authors' unmasked adjoint; see `CartesianFourier`.
    noise_support
        "measured": noise on the sampled lines; "full": noise on all of k-space (the authors' code), which matters with
        their adjoint only.

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
        """Restrict noise to the sampled lines, or leave it on all of k-space, as `noise_support` says."""
        return operator.restrict(noise) if self.noise_support == "measured" else noise

    def lines(self, count: int, volume: str, draws: Draws) -> Tensor:
        """Draw the sampled lines of a volume.

        Parameters
        ----------
        count
            Number of lines n of the full grid.
        volume
            Name of the volume; it counts only if `masks` is "per_volume".
        draws
            Random numbers of the data.

        Returns
        -------
        Tensor
            Boolean mask of the sampled lines, shape (n,).
        """
        name = volume if self.masks == "per_volume" else ""
        if self.mask == "gaussian":
            rng = draws.generator("mask", name)
            drawn = gaussian_density(count, self.acceleration, self.center_fraction, rng)
        else:
            seed = tuple(map(ord, name)) or (draws.seed,)
            drawn = fastmri_mask(self.mask, count, self.acceleration, self.center_fraction, seed)
        return torch.from_numpy(drawn)

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Return the Fourier operator with the mask of each volume."""
        axis = -1 if self.axis == "columns" else -2
        if self.masks == "fixed":
            mask = self.lines(shape[axis], "", draws)
        else:
            mask = torch.stack([self.lines(shape[axis], volume, draws) for volume in volumes])
        return CartesianFourier(mask, axis, self.mask_adjoint)


@lru_cache(maxsize=8)
def _birdcage(coils: int, shape: tuple[int, int]) -> Tensor:
    return birdcage(coils, shape).to(torch.complex64)


@dataclass(frozen=True, kw_only=True)
class MultiCoilAcquisition(CartesianAcquisition):
    """Undersample the Cartesian k-space of several coils line by line (parallel MRI).

    Every coil has the same mask and noise of its own. Data with coils of their own are measured with their
    sensitivities; for others coils are simulated.

    Parameters
    ----------
    coils
        Number of simulated coils, on a circle around the image; see `sgdj.operators.coil_maps.birdcage`. With one, the
        operator is that of a single coil.
    noise, mask, acceleration, center_fraction, axis, masks, mask_adjoint, noise_support
        Undersampling and noise of each coil; see `CartesianAcquisition`.
    """

    coils: Count

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Return the Fourier operator with the mask of each volume, behind simulated coils."""
        return MultiCoil(super().operator(shape, volumes, draws), _birdcage(self.coils, shape))

    def with_acquired(self, operator: Operator, acquired: Acquired) -> Operator:
        """Put the data's own sensitivities in the place of the simulated ones."""
        if acquired.maps is None or not isinstance(operator, MultiCoil):
            return operator
        return MultiCoil(operator.encoding, acquired.maps)
