"""Write the unrolled networks as the paper's authors do: the same arithmetic and weights, computed in another way.

Complex images are two real channels. Each iteration transforms in two dimensions with shifts, computes Aᴴy again and,
with jitter, the data step twice; the adjoint of the Fourier operator does not mask; noise is kept in a list.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from sgdj.networks import ProximalGradient, Unrolled

#: Standard normal noise in the shape of a tensor.
Noise = Callable[[Tensor], Tensor]


def to_two_channels(x: Tensor) -> Tensor:
    """Turn (B, 1, H, W), complex, into (B, 2, H, W), real and contiguous."""
    return torch.cat([x.real, x.imag], dim=1)


def to_complex(x: Tensor) -> Tensor:
    """Turn (B, 2, H, W), real, into (B, 1, H, W), complex."""
    return torch.complex(x[:, :1], x[:, 1:])


class AuthorsFourier:
    """Masked Fourier transform between two-channel images; its `adjoint` lets through what lies off the mask.

    Parameters
    ----------
    lines
        Sampled columns, boolean, shape (n,).
    """

    def __init__(self, lines: Tensor) -> None:
        self.mask = lines

    def _centred(self, x: Tensor, transform: Any) -> Tensor:
        x = torch.fft.ifftshift(to_complex(x), dim=(-2, -1))
        return to_two_channels(torch.fft.fftshift(transform(x, norm="ortho"), dim=(-2, -1)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the measurement A x."""
        return self.mask * self._centred(x, torch.fft.fft2)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the inverse transform of y, which is not masked."""
        return self._centred(y, torch.fft.ifft2)


class AuthorsNetwork(nn.Module):
    """Their iteration, with a copy of a network's weights.

    Parameters
    ----------
    network
        Whose body, step size, start and number of iterations are taken.
    physics
        `AuthorsFourier`, or `scripts.benchmarks.plain.PlainConvolution`.
    two_inputs
        Whether the body sees the measurement too (their seismic network).
    sigma
        Level of the jitter; its deviation is σ times the largest entry of the batch after the data step.
    """

    def __init__(self, network: Unrolled, physics: Any, two_inputs: bool, sigma: float) -> None:
        super().__init__()
        self.learned, self.step = deepcopy(network.learned), deepcopy(network.step)
        self.iterations, self.start, self.proximal = (
            network.iterations, network.start, isinstance(network, ProximalGradient)
        )  # fmt: skip
        self.physics, self.two_inputs, self.sigma = physics, two_inputs, sigma

    def _data_step(self, x: Tensor, y: Tensor) -> Tensor:
        physics = self.physics
        return x - self.step() * (physics.adjoint(physics.forward(x)) - physics.adjoint(y))

    def _cnn(self, x: Tensor, y: Tensor) -> Tensor:
        out = self.learned.body(torch.cat([y, x], dim=1) if self.two_inputs else x)
        return out + x if self.learned.residual else out

    def forward(self, y: Tensor, noise: Noise | None = None) -> Tensor:
        """Reconstruct y, with jitter if `noise` is given."""
        x, kept = self.physics.adjoint(y) if self.start == "adjoint" else y, []
        for _ in range(self.iterations):
            w = torch.zeros(())
            if noise is not None:
                w = self.sigma * self._data_step(x, y).max() * noise(x)
                kept.append(w)
            if self.proximal:
                x = self._cnn(self._data_step(x, y) - self.step() * w, y)
            else:
                x = self._data_step(x, y) - self.step() * (self._cnn(x, y) + w)
        return x
