"""Measure single-coil Cartesian MRI: a masked, centred, orthonormal 2-D Fourier transform."""

from abc import abstractmethod

import torch
from torch import Tensor

from sgdj.operators.base import Operator

_PLANE = (-2, -1)


def kspace_of(x: Tensor) -> Tensor:
    """Apply the centred orthonormal 2-D FFT over the last two axes."""
    k = torch.fft.ifftshift(x, dim=_PLANE)
    return torch.fft.fftshift(torch.fft.fft2(k, norm="ortho"), dim=_PLANE)


def image_of(k: Tensor) -> Tensor:
    """Apply the centred orthonormal 2-D inverse FFT over the last two axes."""
    shifted = torch.fft.ifftshift(k, dim=_PLANE)
    return torch.fft.fftshift(torch.fft.ifft2(shifted, norm="ortho"), dim=_PLANE)


class SampledFourier(Operator):
    """Sampled Fourier operator :math:`A = M F`, whatever M keeps of k-space.

    F is the centred orthonormal transform of fastMRI (``ifftshift``, ``fft2``, ``fftshift``).

    Parameters
    ----------
    mask
        What is sampled, boolean, in a shape that k-space (B, 1, H, W) broadcasts with.
    mask_adjoint
        False leaves M out of the adjoint, as the authors' code does. Then k-space entries outside the mask reach the
        image, and the map is no longer the adjoint of A.
    """

    def __init__(self, mask: Tensor, mask_adjoint: bool) -> None:
        self._mask, self.mask_adjoint = mask, mask_adjoint

    @abstractmethod
    def _check(self, x: Tensor) -> None:
        """Refuse an image or k-space that the mask does not fit."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the sampled k-space, complex, of the shape of x, exactly zero off the mask."""
        self._check(x)
        return self.restrict(kspace_of(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the zero-filled image, complex, of the shape of y."""
        self._check(y)
        return image_of(self.restrict(y) if self.mask_adjoint else y)

    def norm(self) -> float:
        """Return 1: F is unitary, and M a projection that keeps something."""
        return 1.0

    def singular_values(self) -> Tensor:
        """Return 1, and 0 where something is left out."""
        return torch.tensor([1.0] if bool(self._mask.all()) else [0.0, 1.0], dtype=torch.float64)

    def restrict(self, y: Tensor) -> Tensor:
        """Set y to zero where nothing is sampled (never to -0.0, which a product would leave)."""
        return torch.where(self._mask, y, torch.zeros((), dtype=y.dtype, device=y.device))


class CartesianFourier(SampledFourier):
    """Line-sampled Fourier operator :math:`A = M F`.

    M keeps the sampled lines; see `SampledFourier` for F. Because M is constant along the other axis, the gram operator
    needs a 1-D transform only: :math:`A^H A = F_a^H M F_a` along the undersampled axis a. The shifts cancel in it, once
    the mask is shifted instead.

    Parameters
    ----------
    mask
        Sampled lines, boolean, shape (n,), or (B, n) for one mask per sample.
    axis
        Image axis that the mask undersamples: -1 for columns (the fastMRI convention), -2 for rows.
    mask_adjoint
        False leaves M out of the adjoint; see `SampledFourier`.

    Raises
    ------
    ValueError
        If the mask has another rank, samples nothing, or the axis is neither -1 nor -2.
    """

    def __init__(self, mask: Tensor, axis: int = -1, mask_adjoint: bool = True) -> None:
        if mask.ndim not in (1, 2):
            raise ValueError(f"the mask must have shape (n,) or (B, n), got {mask.shape=}")
        if axis not in (-1, -2):
            raise ValueError(f"the axis must be -1 or -2, got {axis=}")
        mask = mask.bool()
        if not mask.any(-1).all():
            raise ValueError("the mask samples no line")
        self.lines, self.axis = mask, axis
        super().__init__(self._along_axis(mask), mask_adjoint)
        self._weight = self._along_axis(torch.fft.ifftshift(mask, dim=-1)).float()

    def _along_axis(self, lines: Tensor) -> Tensor:
        lines = lines[..., None, :] if self.axis == -1 else lines[..., :, None]
        return lines if lines.ndim == 2 else lines[:, None]

    def _check(self, x: Tensor) -> None:
        n = self.lines.shape[-1]
        if x.shape[self.axis] != n:
            raise ValueError(f"expected {n} lines along axis {self.axis}, got {tuple(x.shape)}")

    def gram(self, x: Tensor) -> Tensor:
        """Apply AᴴA by two 1-D transforms along the undersampled axis."""
        self._check(x)
        return torch.fft.ifft(self._weight * torch.fft.fft(x, dim=self.axis), dim=self.axis)

    def acceleration(self) -> Tensor:
        """Return the actual R = lines / sampled lines, shape () or (B,)."""
        return self.lines.shape[-1] / self.lines.sum(-1)

    def sampled(self) -> Tensor:
        """Return the sampled lines, shape (1, n) or (B, n)."""
        return self.lines if self.lines.ndim == 2 else self.lines[None]

    def resampled(self, mask: Tensor) -> "CartesianFourier":
        """Return the operator of other lines, boolean, shape (B, n)."""
        return CartesianFourier(mask, self.axis, self.mask_adjoint)

    def repeat(self, count: int) -> "CartesianFourier":
        """Return the operator with the masks repeated like the batch."""
        if self.lines.ndim == 1:
            return self
        return CartesianFourier(self.lines.repeat(count, 1), self.axis, self.mask_adjoint)

    def take(self, index: int) -> "CartesianFourier":
        """Return the operator with the mask of the sample at `index`."""
        if self.lines.ndim == 1:
            return self
        return CartesianFourier(self.lines[index : index + 1], self.axis, self.mask_adjoint)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "CartesianFourier":
        """Return the operator with its masks on `device`."""
        return CartesianFourier(self.lines.to(device, non_blocking=non_blocking), self.axis, self.mask_adjoint)
