"""Describe how measurements come about: which operator a volume gets, and how much noise.

An operator is physics alone. An acquisition is the protocol around it: it builds the operator that fits an image size
and the volumes in a batch, and states the noise level.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sgdj.config.types import Acceleration, Count, NonEmpty, NonNegative, Positive, Share
from sgdj.config.undersampling import is_reachable, unreachable
from sgdj.draws import Draws
from sgdj.errors import InputError, SettingError
from sgdj.operators.base import Operator, Support
from sgdj.operators.convolution import Convolution
from sgdj.operators.fourier import CartesianFourier
from sgdj.operators.identity import Identity
from sgdj.operators.masks import fastmri_mask, gaussian_density, line_mask, upstream_density
from sgdj.operators.wavelets import ricker, rotate_phase


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

    def normalise(self, x: Tensor) -> Tensor:
        """Scale images (B, C, H, W) to the unit in which noise and budgets are stated."""
        return x

    def stored_peak(self, x: Tensor, samples: Sequence[str], draws: Draws) -> Tensor | None:
        """Return what images and stored noise are divided by, beyond `normalise`.

        Parameters
        ----------
        x
            Images (B, C, H, W) that `normalise` returned.
        samples
            Id of each image, length B.
        draws
            Random numbers of the data, for the stored noise.

        Returns
        -------
        Tensor or None
            One divisor for each sample, shape (B, 1, 1, 1); None if there is nothing to divide by.
        """
        return None

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
    scaling
        Measurement whose largest magnitude a sample is divided by: "clean", without noise, or "noisy", with its stored
        noise (the authors' code). Then stored measurements have maximum magnitude 1 with their noise, which is divided
        too, and noise that is drawn anew for a test is not.
    """

    length: Count
    width: Positive
    phase: float = 0.0
    scaling: Literal["clean", "noisy"] = "clean"

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Return the convolution down the columns; one serves the whole batch."""
        return _ricker_convolution(self.length, self.width, self.phase, shape[0])

    def normalise(self, x: Tensor) -> Tensor:
        """Scale each sample so that its noise-free measurement has maximum magnitude 1."""
        y = _ricker_convolution(self.length, self.width, self.phase, x.shape[-2]).forward(x)
        return x / y.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)

    def stored_peak(self, x: Tensor, samples: Sequence[str], draws: Draws) -> Tensor | None:
        """Return the largest magnitude of each noisy measurement if that is the scale, else None."""
        if self.scaling == "clean":
            return None
        y = _ricker_convolution(self.length, self.width, self.phase, x.shape[-2]).forward(x)
        y = y + self.noise * draws.normal("noise", samples, y)
        return y.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)


@dataclass(frozen=True, kw_only=True)
class CartesianAcquisition(Acquisition):
    """Undersample Cartesian k-space line by line (single-coil MRI).

    Parameters
    ----------
    noise
        Standard deviation of the noise per real and per imaginary entry of k-space, where the volume's maximum is 1.
    mask
        "gaussian" (density that falls off from the centre, exact number of lines), fastMRI's "random" and
        "equispaced", or "upstream" (the authors' density, drawn with replacement; always the same mask).
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
    mask_lines
        A mask of one's own, in place of all that is drawn: 1 for each sampled line and 0 for others, from the first row
        or column of centred k-space to the last; also as an array, see `sgdj.operators.masks.line_mask`.
    mask_file
        NPY, NPZ or HDF5 file of such a mask, which `sgdj.data.line_masks.built_acquisition` reads.

    Raises
    ------
    SettingError
        If the centre alone holds more lines than the acceleration allows, or `mask_lines` is no mask of lines.
    """

    mask: Literal["gaussian", "random", "equispaced", "upstream"]
    acceleration: Acceleration
    center_fraction: Share
    axis: Literal["columns", "rows"]
    masks: Literal["fixed", "per_volume"]
    mask_adjoint: bool
    noise_support: Support = "measured"
    mask_lines: tuple[int, ...] | None = None
    mask_file: NonEmpty | None = None

    def __post_init__(self) -> None:
        if self.mask_lines is not None:
            if self.mask_file is not None:
                raise SettingError("mask_file", "mask_lines gives a mask, too", "set one of them to null")
            object.__setattr__(self, "mask_lines", line_mask(np.asarray(self.mask_lines), self.axis))
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

        Raises
        ------
        InputError
            If a mask is given, and it has another number of lines.
        """
        if self.mask_file is not None:
            raise InputError("the mask was not read", "operator.mask_file", "build it with sgdj.data.line_masks")
        if self.mask_lines is not None:
            return self._given(count)
        name = volume if self.masks == "per_volume" else ""
        if self.mask == "upstream":
            drawn = upstream_density(count, self.acceleration, self.center_fraction)
        elif self.mask == "gaussian":
            rng = draws.generator("mask", name)
            drawn = gaussian_density(count, self.acceleration, self.center_fraction, rng)
        else:
            seed = tuple(map(ord, name)) or (draws.seed,)
            drawn = fastmri_mask(self.mask, count, self.acceleration, self.center_fraction, seed)
        return torch.from_numpy(drawn)

    def _given(self, count: int) -> Tensor:
        given = torch.tensor(self.mask_lines, dtype=torch.bool)
        if len(given) != count:
            what, mend = (
                f"the mask has {len(given)} lines and the image {count} {self.axis}",
                f"give one of {count} lines",
            )
            raise InputError(what, "operator.mask_lines or operator.mask_file", mend)
        return given

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Return the Fourier operator with the mask of each volume."""
        axis = -1 if self.axis == "columns" else -2
        if self.masks == "fixed":
            mask = self.lines(shape[axis], "", draws)
        else:
            mask = torch.stack([self.lines(shape[axis], volume, draws) for volume in volumes])
        return CartesianFourier(mask, axis, self.mask_adjoint)
