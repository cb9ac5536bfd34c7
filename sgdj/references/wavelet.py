"""Sparsity of wavelet coefficients."""

import torch
from torch import Tensor

from sgdj.config.types import Count, NonNegative, Positive
from sgdj.errors import InputError
from sgdj.references.sparse import Sparse


def _split(x: Tensor, axis: int) -> Tensor:
    """Put sums of pairs, then differences, along an axis; both over √2."""
    first, second = x.unflatten(axis, (-1, 2)).unbind(axis)
    return torch.cat([first + second, first - second], dim=axis) / 2**0.5


def _join(x: Tensor, axis: int) -> Tensor:
    """Invert the map `_split`."""
    sums, differences = x.chunk(2, dim=axis)
    pairs = torch.stack([sums + differences, sums - differences], dim=axis) / 2**0.5
    return pairs.flatten(axis - 1, axis)


class WaveletL1(Sparse):
    r"""Wavelet ℓ₁ (Chambolle et al., 1998): the sum of magnitudes of all Haar coefficients but the coarsest.

    Each level halves the axes that can still be halved; an image with two odd sides is refused. See `Sparse` for
    objective and method.

    Parameters
    ----------
    weight
        Weight λ of the magnitudes.
    ridge
        Weight μ of the squared norm, which makes the minimiser unique where something is not measured.
    iterations
        Number of iterations of the solver.
    levels
        Number of levels of the transform.
    """

    def __init__(self, weight: Positive, ridge: NonNegative = 1e-3, iterations: Count = 100, levels: Count = 3) -> None:
        super().__init__(weight, ridge, iterations)
        self.levels = levels

    def _corners(self, shape: torch.Size) -> list[tuple[int, int, list[int]]]:
        """List height, width and halved axes of each level."""
        height, width = shape[-2:]
        if height % 2 and width % 2:
            what = f"no side of {height} x {width} images can be halved, so that no wavelet would be penalised"
            raise InputError(what, "reconstructor", "use images with an even side, or sgdj.references:TotalVariation")
        found = []
        for _ in range(self.levels):
            axes = [axis for axis, n in ((-2, height), (-1, width)) if n % 2 == 0]
            found.append((height, width, axes))
            height, width = (height // 2 if -2 in axes else height), (width // 2 if -1 in axes else width)
        return found

    def transform(self, x: Tensor) -> Tensor:
        """Return all coefficients of x (B, C, H, W), in the shape of x; an orthogonal map."""
        out = x
        for height, width, axes in self._corners(x.shape):
            corner = out[..., :height, :width]
            for axis in axes:
                corner = _split(corner, axis)
            out = torch.cat([torch.cat([corner, out[..., :height, width:]], -1), out[..., height:, :]], -2)
        return out

    def inverse(self, c: Tensor) -> Tensor:
        """Return the image of coefficients (B, C, H, W)."""
        out = c
        for height, width, axes in reversed(self._corners(c.shape)):
            corner = out[..., :height, :width]
            for axis in reversed(axes):
                corner = _join(corner, axis)
            out = torch.cat([torch.cat([corner, out[..., :height, width:]], -1), out[..., height:, :]], -2)
        return out

    def _details(self, c: Tensor) -> Tensor:
        """Set the coarsest coefficients to zero."""
        height, width, axes = self._corners(c.shape)[-1]
        keep = torch.ones(c.shape[-2:], dtype=torch.bool, device=c.device)
        keep[: height // 2 if -2 in axes else height, : width // 2 if -1 in axes else width] = False
        return c * keep

    def analyse(self, x: Tensor) -> Tensor:
        """Return the coefficients of x (B, C, H, W), the coarsest set to zero."""
        return self._details(self.transform(x))

    def synthesise(self, p: Tensor) -> Tensor:
        """Apply the adjoint of `analyse`."""
        return self.inverse(self._details(p))

    def squares(self, p: Tensor) -> Tensor:
        """Return the squared modulus of each coefficient."""
        return (p * p.conj()).real
