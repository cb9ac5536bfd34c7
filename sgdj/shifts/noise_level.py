"""Measure with more noise than in training."""

from dataclasses import replace

from sgdj.config.types import NonNegative
from sgdj.data.batch import Problem
from sgdj.shifts.base import Shift


class NoiseLevel(Shift):
    """Multiply the standard deviation of the measurement noise by `factor`; the same draw, scaled.

    Parameters
    ----------
    factor
        Multiple of the acquisition's noise level.
    """

    parameter = "factor"

    def __init__(self, factor: NonNegative) -> None:
        self.factor = factor

    def __call__(self, problem: Problem) -> Problem:
        """Scale the noise of the acquisition."""
        acquisition = replace(problem.acquisition, noise=self.factor * problem.acquisition.noise)
        return replace(problem, acquisition=acquisition)
