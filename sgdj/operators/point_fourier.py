"""Measure Cartesian MRI point by point, as with two directions of phase encoding."""

import torch
from torch import Tensor

from sgdj.operators.fourier import SampledFourier


class PointFourier(SampledFourier):
    """Point-sampled Fourier operator :math:`A = M F`.

    M keeps the sampled points; see `SampledFourier` for F. The shifts cancel in the gram operator
    :math:`A^H A = F^H M F`, once the mask is shifted instead.

    Parameters
    ----------
    mask
        Sampled points, boolean, shape (H, W), or (B, H, W) for one mask per sample.
    mask_adjoint
        False leaves M out of the adjoint; see `SampledFourier`.

    Raises
    ------
    ValueError
        If the mask has another rank or samples nothing.
    """

    def __init__(self, mask: Tensor, mask_adjoint: bool = True) -> None:
        if mask.ndim not in (2, 3):
            raise ValueError(f"the mask must have shape (H, W) or (B, H, W), got {mask.shape=}")
        mask = mask.bool()
        if not mask.flatten(-2).any(-1).all():
            raise ValueError("the mask samples no point")
        self.points = mask
        super().__init__(mask if mask.ndim == 2 else mask[:, None], mask_adjoint)
        self._weight = torch.fft.ifftshift(self._mask, dim=(-2, -1)).float()

    def _check(self, x: Tensor) -> None:
        if x.shape[-2:] != self.points.shape[-2:]:
            raise ValueError(f"expected {tuple(self.points.shape[-2:])} points, got {tuple(x.shape)}")

    def gram(self, x: Tensor) -> Tensor:
        """Apply AᴴA by two 2-D transforms without shifts."""
        self._check(x)
        return torch.fft.ifft2(self._weight * torch.fft.fft2(x))

    def acceleration(self) -> Tensor:
        """Return the actual R = points / sampled points, shape () or (B,)."""
        flat = self.points.flatten(-2)
        return flat.shape[-1] / flat.sum(-1)

    def sampled(self) -> Tensor:
        """Return the sampled points, shape (1, H, W) or (B, H, W)."""
        return self.points if self.points.ndim == 3 else self.points[None]

    def resampled(self, mask: Tensor) -> "PointFourier":
        """Return the operator of other points, boolean, shape (B, H, W)."""
        return PointFourier(mask, self.mask_adjoint)

    def repeat(self, count: int) -> "PointFourier":
        """Return the operator with the masks repeated like the batch."""
        if self.points.ndim == 2:
            return self
        return PointFourier(self.points.repeat(count, 1, 1), self.mask_adjoint)

    def take(self, index: int) -> "PointFourier":
        """Return the operator with the mask of the sample at `index`."""
        if self.points.ndim == 2:
            return self
        return PointFourier(self.points[index : index + 1], self.mask_adjoint)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "PointFourier":
        """Return the operator with its masks on `device`."""
        return PointFourier(self.points.to(device, non_blocking=non_blocking), self.mask_adjoint)
