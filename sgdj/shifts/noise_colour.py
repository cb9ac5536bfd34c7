"""Correlate the measurement noise, at the strength of training."""

from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from sgdj.data.batch import Problem
from sgdj.shifts.base import Shift


class NoiseColour(Shift):
    r"""Give the noise a power spectrum :math:`\propto (f + f_1)^{-\beta}` along an axis, at unchanged variance.

    Parameters
    ----------
    exponent
        Spectral exponent β: 1 is pink, 2 red, negative values blue; f_1 is the lowest frequency of the axis.
    axis
        Axis of the measurement to correlate along: -1 or -2.
    """

    parameter = "exponent"

    def __init__(self, exponent: Annotated[float, Field(ge=-4, le=4)], axis: Literal[-1, -2]) -> None:
        self.exponent, self.axis = exponent, axis

    def colour(self, noise: Tensor) -> Tensor:
        """Filter white noise (B, C, H, W) of unit variance per real entry."""
        n = noise.shape[self.axis]
        frequency = torch.fft.fftfreq(n, dtype=torch.float64).abs() + 1 / n
        gain = frequency ** (-self.exponent / 2)
        gain = (gain / gain.square().mean().sqrt()).to(noise.real.dtype if noise.is_complex() else noise.dtype)
        gain = gain.to(noise.device)
        gain = gain if self.axis == -1 else gain[:, None]
        out = torch.fft.ifft(gain * torch.fft.fft(noise, dim=self.axis), dim=self.axis)
        return out if noise.is_complex() else out.real

    def __call__(self, problem: Problem) -> Problem:
        """Let the measurement filter its noise; the draw stays that of the clean problem."""
        return replace(problem, colour=self.colour)
