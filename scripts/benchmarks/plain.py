"""The plain implementation that speed is measured against, and results are checked against.

It has the same network modules and the same numbers, without what makes the package fast: two 2-D transforms with
shifts in every iteration, Aᴴy computed again each time, `backward()` through all weights inside the attack, nothing
cached.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv_transpose1d

from sgdj.networks import GradientDescent, Reconstructor


def _centred(x: Tensor, transform: Any) -> Tensor:
    x = torch.fft.ifftshift(x, dim=(-2, -1))
    return torch.fft.fftshift(transform(x, norm="ortho"), dim=(-2, -1))


class PlainFourier:
    """Masked, centred, orthonormal 2-D Fourier transform.

    Parameters
    ----------
    lines
        Sampled columns, boolean, shape (n,).
    """

    def __init__(self, lines: Tensor) -> None:
        self.mask = lines.float()

    def forward(self, x: Tensor) -> Tensor:
        """Measure images: A x."""
        return self.mask * _centred(x, torch.fft.fft2)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the adjoint: Aᴴ y."""
        return _centred(self.mask * y, torch.fft.ifft2)


class PlainConvolution:
    """Zero-padded convolution of every column.

    Parameters
    ----------
    kernel
        Wavelet with an odd number of taps.
    """

    def __init__(self, kernel: Tensor) -> None:
        self.kernel = kernel

    def _columns(self, x: Tensor) -> Tensor:
        return x.transpose(-1, -2).reshape(-1, 1, x.shape[-2])

    def _image(self, columns: Tensor, like: Tensor) -> Tensor:
        return columns.reshape(*like.shape[:-2], like.shape[-1], like.shape[-2]).transpose(-1, -2)

    def forward(self, x: Tensor) -> Tensor:
        """Measure images: A x."""
        flipped = self.kernel.to(x).flip(0)[None, None]
        return self._image(conv1d(self._columns(x), flipped, padding=self.kernel.numel() // 2), x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the adjoint: Aᴴ y."""
        flipped = self.kernel.to(y).flip(0)[None, None]
        return self._image(conv_transpose1d(self._columns(y), flipped, padding=self.kernel.numel() // 2), y)


class Plain(Reconstructor):
    """The iteration of a gradient network, as one would first write it.

    Parameters
    ----------
    network
        Network whose modules, step size and K are used.
    """

    def __init__(self, network: GradientDescent) -> None:
        super().__init__()
        self.network = network

    def forward(self, y: Tensor, operator: Any, perturb: Any = None) -> Tensor:
        """Reconstruct x̂ from y."""
        network, x = self.network, operator.adjoint(y)
        for k in range(network.iterations):
            residual = operator.adjoint(operator.forward(x)) - operator.adjoint(y)
            f = network.learned(x, y)
            if perturb is not None:
                f = f + perturb(k, x, x - network.step() * residual)
            x = x - network.step() * (residual + f)
        return x


def squared_error(estimate: Tensor, x: Tensor) -> Tensor:
    """Compute the mean |x̂ - x|² of each sample, shape (B,)."""
    return (estimate - x).abs().square().flatten(1).mean(1)


def pgd(network: Reconstructor, x: Tensor, y: Tensor, operator: Any, rho: float, steps: int, size: float) -> Tensor:
    """Run projected gradient ascent with a per-sample ℓ₂ budget; returns the best iterate of each sample."""

    def norm(v: Tensor) -> Tensor:
        return v.abs().square().sum(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)

    budget = rho * norm(y)
    delta = torch.zeros_like(y)
    best, highest = delta, torch.full((len(y),), -torch.inf)
    for step in range(steps + 1):
        delta = delta.detach().requires_grad_(True)
        error = squared_error(network(y + delta, operator), x)
        better = error > highest
        highest = torch.where(better, error, highest).detach()
        best = torch.where(better.view(-1, 1, 1, 1), delta, best).detach()
        if step == steps:
            return best
        error.sum().backward()  # type: ignore[no-untyped-call]
        assert delta.grad is not None
        gradient = operator.mask * delta.grad if hasattr(operator, "mask") else delta.grad
        delta = delta + size * budget * gradient / norm(gradient)
        delta = delta * (budget / norm(delta)).clamp_max(1.0)
    raise AssertionError
