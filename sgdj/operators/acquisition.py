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
from sgdj.config.undersampling import POINT_MASKS, Mask, unsuitable
from sgdj.errors import InputError, SettingError
from sgdj.operators.base import Operator, Support
from sgdj.operators.coil_maps import birdcage
from sgdj.operators.convolution import Convolution
from sgdj.operators.fourier import CartesianFourier
from sgdj.operators.identity import Identity
from sgdj.operators.long_convolution import LongConvolution
from sgdj.operators.masks import (
    fastmri_mask,
    gaussian_density,
    line_mask,
    partial_fourier,
    point_mask,
    sampled_points,
    upstream_density,
)
from sgdj.operators.multi_coil import MultiCoil
from sgdj.operators.point_fourier import PointFourier
from sgdj.operators.wavelets import checked_wavelet, ricker, rotate_phase
from sgdj.runtime.draws import Draws


@dataclass(frozen=True, kw_only=True)
class Acquired:
    """Hold what data bring of their own acquisition; None is simulated.

    Parameters
    ----------
    maps
        Coil sensitivities, complex, shape (C, H, W) of an image, (B, C, H, W) of a batch.
    mask
        Sampled columns (W,) or points (H, W) of k-space, boolean; (B, W) or (B, H, W) of a batch.
    """

    maps: Tensor | None = None
    mask: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Memory that it takes, in bytes."""
        return sum(tensor.nbytes for tensor in (self.maps, self.mask) if tensor is not None)

    @staticmethod
    def stack(images: Sequence["Acquired | None"]) -> "Acquired | None":
        """Collect what belongs to the images of a batch; None unless each of them has something of its own."""
        found = [one for one in images if one is not None]
        if len(found) < len(images):
            return None
        maps = [one.maps for one in found if one.maps is not None]
        masks = [one.mask for one in found if one.mask is not None]
        if len({mask.ndim for mask in masks}) > 1:  # lines beside points: the lines are points, too
            (shape,) = {mask.shape for mask in masks if mask.ndim == 2}
            masks = [mask.expand(shape) for mask in masks]
        return Acquired(
            maps=torch.stack(maps) if len(maps) == len(found) else None,
            mask=torch.stack(masks) if len(masks) == len(found) else None,
        )


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


#: Longest image, in samples, whose convolution is a matrix product; beyond, transforms take less time and memory.
LONGEST_MATRIX = 1024


@lru_cache(maxsize=8)
def _convolution(acquisition: "ConvolutionAcquisition", size: int) -> Operator:
    kernel = acquisition.kernel()
    return Convolution(kernel, size) if size <= LONGEST_MATRIX else LongConvolution(kernel, size)


@dataclass(frozen=True, kw_only=True)
class ConvolutionAcquisition(Acquisition):
    """Convolve reflectivity trace by trace with a wavelet, Ricker's or one's own (seismic deconvolution).

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
    wavelet
        A wavelet of one's own, in place of Ricker's: its taps, as `sgdj.operators.wavelets.checked_wavelet` takes them.
    wavelet_file
        NPY, NPZ, HDF5 or text file of such a wavelet, which `sgdj.data.acquisition_files.built_acquisition` reads.

    Raises
    ------
    SettingError
        If `wavelet` is none, or two wavelets are given.
    """

    length: Count
    width: Positive
    phase: float = 0.0
    scaling: Literal["clean", "noisy"] = "clean"
    wavelet: tuple[float, ...] | None = None
    wavelet_file: NonEmpty | None = None

    def __post_init__(self) -> None:
        if self.wavelet is None:
            return
        if self.wavelet_file is not None:
            raise SettingError("wavelet_file", "wavelet gives a wavelet, too", "set one of them to null")
        object.__setattr__(self, "wavelet", checked_wavelet(self.wavelet))

    def kernel(self) -> Tensor:
        """Return the wavelet, with its phase.

        Returns
        -------
        Tensor
            Taps, shape (L,), float64.

        Raises
        ------
        InputError
            If it is in a file that was not read.
        """
        if self.wavelet_file is not None:
            raise InputError("the wavelet was not read", "operator.wavelet_file", "see sgdj.data.acquisition_files")
        if self.wavelet is None:
            return rotate_phase(ricker(self.length, self.width), self.phase)
        return rotate_phase(torch.tensor(self.wavelet, dtype=torch.float64), self.phase)

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Return the convolution down the columns; one serves the whole batch."""
        return _convolution(self, shape[0])

    def normalise(self, x: Tensor) -> Tensor:
        """Scale each sample so that its noise-free measurement has maximum magnitude 1."""
        y = _convolution(self, x.shape[-2]).forward(x)
        return x / y.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)

    def stored_peak(self, x: Tensor, samples: Sequence[str], draws: Draws) -> Tensor | None:
        """Return the largest magnitude of each noisy measurement if that is the scale, else None."""
        if self.scaling == "clean":
            return None
        y = _convolution(self, x.shape[-2]).forward(x)
        y = y + self.noise * draws.normal("noise", samples, y)
        return y.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)


@lru_cache(maxsize=64)
def _points(
    kind: str, shape: tuple[int, int], acceleration: float, center_fraction: float, draws: Draws, name: str
) -> Tensor:
    rng = draws.generator("mask", name)
    return torch.from_numpy(sampled_points(kind, shape, acceleration, center_fraction, rng))


@dataclass(frozen=True, kw_only=True)
class CartesianAcquisition(Acquisition):
    """Undersample Cartesian k-space by lines or by points (single-coil MRI).

    Parameters
    ----------
    noise
        Standard deviation of the noise per real and per imaginary entry of k-space, where the volume's maximum is 1.
    mask
        Of lines: "gaussian" (density that falls off from the centre, exact number of lines), fastMRI's "random" and
        "equispaced", "upstream" (the authors' density, drawn with replacement; always the same mask), or
        "partial_fourier" (one half of k-space and the centre of the other). Of points, for two
        directions of phase encoding: "points" (uniform density), "variable_density", or "elliptical" (the same without
        the corners of k-space).
    acceleration
        R, the number of lines or points of the full grid per sampled one, at least 1.
    center_fraction
        Share of all lines or points that is fully sampled around the centre, between 0 and 1.
    axis
        Image axis along which lines are left out: "columns" (fastMRI's convention) or "rows" (the authors' code).
    masks
        "fixed": one mask for all volumes, as in the paper; "per_volume": a mask drawn from each volume's name;
        "stored": the mask that each volume's file holds.
    mask_adjoint
        False reproduces the authors' unmasked adjoint; see `CartesianFourier`.
    noise_support
        "measured": noise on the sampled lines; "full": noise on all of k-space (the authors' code), which matters with
        their adjoint only.
    mask_lines
        A mask of one's own, in place of all that is drawn: 1 for each sampled line and 0 for others, from the first row
        or column of centred k-space to the last; also as an array, see `sgdj.operators.masks.line_mask`.
    mask_points
        The same of points: 1 for each sampled one of centred k-space, a row of values for each row of the image.
    mask_file
        NPY, NPZ or HDF5 file of either mask, which `sgdj.data.acquisition_files.built_acquisition` reads.

    Raises
    ------
    SettingError
        If the mask cannot have this acceleration with this centre, `mask_lines` is no mask of lines, `mask_points`
        none of points, or two masks are given.
    """

    mask: Mask
    acceleration: Acceleration
    center_fraction: Share
    axis: Literal["columns", "rows"]
    masks: Literal["fixed", "per_volume", "stored"]
    mask_adjoint: bool
    noise_support: Support = "measured"
    mask_lines: tuple[int, ...] | None = None
    mask_points: tuple[tuple[int, ...], ...] | None = None
    mask_file: NonEmpty | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("mask_lines", "mask_points", "mask_file") if getattr(self, name) is not None]
        if len(given) > 1:
            raise SettingError(given[-1], f"{given[0]} gives a mask, too", "set one of them to null")
        if self.mask_lines is not None:
            object.__setattr__(self, "mask_lines", line_mask(np.asarray(self.mask_lines), self.axis))
        if self.mask_points is not None:
            object.__setattr__(self, "mask_points", point_mask(np.asarray(self.mask_points)))
        if self.masks == "stored" and given:
            raise SettingError("masks", "a mask is given, too", "set {key}.masks=fixed")
        wrong = unsuitable(self.mask, self.acceleration, self.center_fraction)
        if wrong is not None:
            raise SettingError(*wrong)

    @property
    def by_points(self) -> bool:
        """Whether single points are sampled rather than lines."""
        drawn = self.mask_lines is None and self.mask_file is None
        return self.mask_points is not None or (drawn and self.mask in POINT_MASKS)

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
            raise InputError("the mask was not read", "operator.mask_file", "build it with sgdj.data.acquisition_files")
        if self.mask_lines is not None:
            return self._given(count)
        name = volume if self.masks == "per_volume" else ""
        if self.mask == "partial_fourier":
            drawn = partial_fourier(count, self.acceleration, self.center_fraction)
        elif self.mask == "upstream":
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

    def points(self, shape: tuple[int, int], volume: str, draws: Draws) -> Tensor:
        """Draw the sampled points of a volume, boolean, shape (H, W); see `lines`."""
        if self.mask_points is not None:
            given = torch.tensor(self.mask_points, dtype=torch.bool)
            if given.shape != shape:
                what = f"the mask has {given.shape[0]} x {given.shape[1]} points and the image {shape[0]} x {shape[1]}"
                raise InputError(what, "operator.mask_points or operator.mask_file", "give one of the image's size")
            return given
        name = volume if self.masks == "per_volume" else ""
        return _points(self.mask, shape, self.acceleration, self.center_fraction, draws, name)

    def operator(self, shape: tuple[int, int], volumes: Sequence[str], draws: Draws) -> Operator:
        """Return the Fourier operator with the mask of each volume."""
        per_volume = self.masks == "per_volume"
        if self.by_points:
            drawn = [self.points(shape, volume, draws) for volume in (volumes if per_volume else ("",))]
            return PointFourier(torch.stack(drawn) if per_volume else drawn[0], self.mask_adjoint)
        axis = -1 if self.axis == "columns" else -2
        if not per_volume:
            mask = self.lines(shape[axis], "", draws)
        else:
            mask = torch.stack([self.lines(shape[axis], volume, draws) for volume in volumes])
        return CartesianFourier(mask, axis, self.mask_adjoint)

    def with_acquired(self, operator: Operator, acquired: Acquired) -> Operator:
        """Put the masks that the files hold in the place of the drawn one, where `masks` is "stored".

        Parameters
        ----------
        operator
            Operator with a drawn mask.
        acquired
            What was acquired with the images of the batch.

        Returns
        -------
        Operator
            Operator with the mask of each volume's file.

        Raises
        ------
        InputError
            If masks of files are wanted and there are none.
        """
        if self.masks != "stored":
            return operator
        if acquired.mask is None:
            raise InputError("the files hold no mask", "operator.masks=stored", "set operator.masks=per_volume")
        if acquired.mask.ndim == 2:
            return CartesianFourier(acquired.mask, -1, self.mask_adjoint)
        return PointFourier(acquired.mask, self.mask_adjoint)


@lru_cache(maxsize=8)
def _birdcage(coils: int, shape: tuple[int, int]) -> Tensor:
    return birdcage(coils, shape).to(torch.complex64)


@dataclass(frozen=True, kw_only=True)
class MultiCoilAcquisition(CartesianAcquisition):
    """Undersample the Cartesian k-space of several coils (parallel MRI).

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
        """Put the data's own sensitivities and masks in the place of the simulated ones."""
        assert isinstance(operator, MultiCoil)  # it comes from `operator`
        encoding = super().with_acquired(operator.encoding, acquired)
        return MultiCoil(encoding, operator.maps if acquired.maps is None else acquired.maps)
