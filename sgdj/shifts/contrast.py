"""Change the contrast of the same object."""

from dataclasses import replace

import torch

from sgdj.config.types import Positive
from sgdj.data.batch import Problem
from sgdj.shifts.base import Shift


class Contrast(Shift):
    """Raise magnitudes to the power γ; phase and sign are kept, and each image's maximum.

    Parameters
    ----------
    gamma
        Exponent γ; below 1, weak structures (tissues, reflectors) become stronger relative to strong ones.
    """

    parameter = "gamma"

    def __init__(self, gamma: Positive) -> None:
        self.gamma = gamma

    def __call__(self, problem: Problem) -> Problem:
        """Return the problem with changed magnitudes."""
        magnitude = problem.x.abs()
        top = magnitude.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
        factor = (magnitude / top).clamp_min(1e-12) ** (self.gamma - 1)
        return replace(problem, x=torch.where(magnitude > 0, problem.x * factor, problem.x))
