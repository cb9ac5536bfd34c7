"""Convolve images with a wavelet along one axis."""

import torch
from torch import Tensor

from sgdj.operators.base import Operator


def checked(kernel: Tensor, axis: int) -> Tensor:
    """Return the kernel, which must be a real vector; the axis must be -1 or -2.

    Parameters
    ----------
    kernel
        Wavelet h, a real vector of shape (L,).
    axis
        Image axis to convolve along.

    Returns
    -------
    Tensor
        The kernel itself.

    Raises
    ------
    ValueError
        If the kernel is not a real vector or the axis is neither -1 nor -2.
    """
    if kernel.ndim != 1 or kernel.is_complex() or kernel.numel() == 0:
        raise ValueError(f"the kernel must be a real vector, got {kernel.shape=} {kernel.dtype=}")
    if axis not in (-1, -2):
        raise ValueError(f"the axis must be -1 or -2, got {axis=}")
    return kernel


class Convolution(Operator):
    r"""Convolution of every column (or row) with a wavelet, zero padded, of unchanged length.

    .. math:: y_i = \sum_j h_{i - j + c}\, x_j, \qquad c = \lfloor (L - 1) / 2 \rfloor,

    the definition of ``scipy.signal.convolve(..., mode="same")``. The map is one fixed n x n matrix T along the axis,
    so that A, Aᴴ and AᴴA are matrix products with T, Tᵀ and TᵀT.

    Parameters
    ----------
    kernel
        Wavelet h, a real vector of shape (L,).
    size
        Length n of the image along the axis, in samples.
    axis
        Image axis to convolve along: -2 (down each column, as for seismic traces) or -1.

    Raises
    ------
    ValueError
        If the kernel is not a real vector or the axis is neither -1 nor -2.
    """

    def __init__(self, kernel: Tensor, size: int, axis: int = -2) -> None:
        self.kernel, self.size, self.axis = checked(kernel, axis), size, axis
        length = kernel.numel()
        lag = torch.arange(size)[:, None] - torch.arange(size)[None, :] + (length - 1) // 2
        inside = (lag >= 0) & (lag < length)
        matrix = torch.where(inside, kernel.double()[lag.clamp(0, length - 1)], 0.0)
        self._matrices = {"forward": matrix, "adjoint": matrix.T.contiguous(), "gram": matrix.T @ matrix}
        self._norm = float(torch.linalg.matrix_norm(matrix, ord=2))
        self._cast: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def _apply(self, name: str, x: Tensor) -> Tensor:
        if x.shape[self.axis] != self.size:
            raise ValueError(f"expected {self.size} samples along axis {self.axis}, got {tuple(x.shape)}")
        key = (name, x.dtype, x.device)
        if key not in self._cast:
            self._cast[key] = self._matrices[name].to(device=x.device, dtype=x.dtype)
        matrix = self._cast[key]
        return matrix @ x if self.axis == -2 else x @ matrix.mT

    def forward(self, x: Tensor) -> Tensor:
        """Apply T along the axis; the shape is unchanged."""
        return self._apply("forward", x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply Tᵀ (correlation with the wavelet) along the axis; the shape is unchanged."""
        return self._apply("adjoint", y)

    def gram(self, x: Tensor) -> Tensor:
        """Apply TᵀT along the axis, as one matrix product."""
        return self._apply("gram", x)

    def norm(self) -> float:
        """Return the largest singular value of T."""
        return self._norm

    def singular_values(self) -> Tensor:
        """Return the singular values of T, in float64."""
        return torch.linalg.svdvals(self._matrices["forward"]).flip(0)
