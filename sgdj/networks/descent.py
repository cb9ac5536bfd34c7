r"""Layers that bring no two images further apart: steps down a learned convex function.

Each is :math:`h(x) = x - 2\, W^T \psi(W x)` with ‖W‖ ≤ 1 and ψ nondecreasing with slope at most 1. Its derivative
:math:`I - 2\, W^T D W`, 0 ≤ D ≤ I, has eigenvalues in [-1, 1], so that ‖h(a) - h(b)‖ ≤ ‖a - b‖. Here ψ clips to
[-λ, λ], the derivative of Huber's function: what W finds is removed where it is small, and shrunk where it is large. Of
a complex image, features come in pairs, of which the modulus is clipped.
"""

from abc import ABC, abstractmethod
from math import cos, pi

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

#: Frequencies per axis on which the norm of a convolution is taken in training.
FREQUENCIES = 64
_THRESHOLD = 0.03  # λ at the start, in the unit of the image
_SPREAD = 0.1  # of the random part of first filters, relative to their norm
_SMALL = 1e-12


def cosines(side: int) -> Tensor:
    """Return the filters of the two-dimensional cosine transform, from low to high frequency, without the constant.

    Parameters
    ----------
    side
        Side k of the filters in pixels.

    Returns
    -------
    Tensor
        Filters of norm 1, shape (k² - 1, k, k).
    """
    place = torch.arange(side)
    wave = torch.cos(pi * (place + 0.5) * place[:, None] / side)
    wave = wave / torch.linalg.vector_norm(wave, dim=1, keepdim=True)
    order = torch.argsort((place.square() + place[:, None].square()).flatten(), stable=True)
    return torch.einsum("ai,bj->abij", wave, wave).flatten(0, 1)[order[1:]]


class Descent(nn.Module, ABC):
    """Step down a learned convex function; the base of its dense and its convolutional form.

    Parameters
    ----------
    weight
        First value of the linear map W, before it is scaled; its first axis counts features.
    pairs
        Whether two features at a time are clipped as one vector of the plane.
    """

    def __init__(self, weight: Tensor, pairs: bool = False) -> None:
        super().__init__()
        self.pairs = pairs
        self.weight = nn.Parameter(weight)
        self.threshold = nn.Parameter(torch.full((len(weight) // (2 if pairs else 1),), _THRESHOLD).log())
        self.strength = nn.Parameter(torch.zeros(()))

    @abstractmethod
    def bound(self) -> Tensor:
        """Return an upper bound of the squared norm of the unscaled map, at every image size."""

    @abstractmethod
    def norm(self, shape: tuple[int, int]) -> float:
        """Return ‖W‖ or an upper bound of it for images of a size (H, W), in the precision of the weights."""

    def scaled(self) -> Tensor:
        """Return W, of norm at most √strength ≤ 1."""
        return self.weight * torch.sqrt(torch.sigmoid(self.strength) / self.bound().clamp_min(_SMALL))

    def clip(self, found: Tensor) -> Tensor:
        """Clip features, shape (B, F, ...), to their thresholds."""
        limit = self.threshold.exp().view(-1, *[1] * (found.ndim - 2))
        if not self.pairs:
            return torch.minimum(torch.maximum(found, -limit), limit)
        plane = found.unflatten(1, (-1, 2))
        length = torch.sqrt(plane.square().sum(2) + _SMALL)  # never below the length: it clips a little more
        return (plane * (limit / length).clamp(max=1).unsqueeze(2)).flatten(1, 2)


class DenseDescent(Descent):
    """Step down a convex function of a vector.

    Parameters
    ----------
    size
        Number of entries of the vector.
    features
        Number of rows of W.
    """

    def __init__(self, size: int, features: int) -> None:
        super().__init__(torch.randn(features, size) / size**0.5)

    def bound(self) -> Tensor:
        """Return the squared largest singular value."""
        return torch.linalg.matrix_norm(self.weight, ord=2).square()

    def norm(self, shape: tuple[int, int]) -> float:
        """Return ‖W‖, whatever the shape."""
        return float(torch.linalg.matrix_norm(self.scaled().detach(), ord=2))

    def forward(self, x: Tensor) -> Tensor:
        """Return h(x) for vectors x of shape (B, n)."""
        W = self.scaled()
        return x - 2 * self.clip(x @ W.mT) @ W


class ConvolutionalDescent(Descent):
    """Step down a convex function of an image, with zero padding.

    The squared norm is the largest eigenvalue, over all frequencies, of the C x C matrices of the kernel's transform.
    In training it is taken on a grid of n x n frequencies and divided by cos²(π (k - 1) / n), which bounds a
    trigonometric polynomial of degree k - 1 between them (Ehlich & Zeller, 1964): the bound holds at every image size.

    Parameters
    ----------
    channels
        Number of channels C of the image, 1 or 2.
    features
        Number of filters.
    kernel
        Side k of the filters in pixels, odd.
    pairs
        Whether the two channels are a complex image, and features come in pairs.
    """

    def __init__(self, channels: int, features: int, kernel: int, pairs: bool = False) -> None:
        weight = torch.randn(features, channels, kernel, kernel) * _SPREAD / kernel
        waves = cosines(kernel)
        for f in range(features if len(waves) else 0):
            weight[f, f % channels] += waves[f // channels % len(waves)]
        super().__init__(weight, pairs)
        self.padding = kernel // 2

    def _largest(self, weight: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return the largest squared singular value of the kernel's transform on a grid of frequencies."""
        turned = weight.transpose(0, 1)
        correlation = conv2d(turned, turned, padding=weight.shape[-1] - 1)  # of every pair of channels
        transform = torch.fft.rfft2(correlation, s=grid)
        first = transform[0, 0].abs()
        if len(transform) == 1:
            return first.max()
        second, mixed = transform[1, 1].abs(), transform[0, 1]
        root = torch.sqrt(((first - second) / 2).square() + mixed.real.square() + mixed.imag.square() + _SMALL)
        return ((first + second) / 2 + root).max()

    def bound(self) -> Tensor:
        """Return the squared norm over all frequencies, from above."""
        between = cos(pi * (self.weight.shape[-1] - 1) / FREQUENCIES)
        return self._largest(self.weight, (FREQUENCIES, FREQUENCIES)) / between**2

    def norm(self, shape: tuple[int, int]) -> float:
        """Return the norm of the circular convolution on the grid padded by k - 1: it bounds that of zero padding."""
        side = self.weight.shape[-1]
        rows, columns = (max(n + side - 1, 2 * side - 1) for n in shape)
        return float(self._largest(self.scaled().detach(), (rows, columns)).sqrt())

    def forward(self, x: Tensor) -> Tensor:
        """Return h(x) for images x of shape (B, C, H, W)."""
        W = self.scaled()
        return x - 2 * conv_transpose2d(self.clip(conv2d(x, W, padding=self.padding)), W, padding=self.padding)
