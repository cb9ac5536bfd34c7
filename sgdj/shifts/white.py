"""Change the image by white noise."""

from dataclasses import replace

from sgdj.config.types import NonNegative
from sgdj.data.batch import Problem
from sgdj.shifts.base import Shift


class White(Shift):
    r"""Add g ~ N(0, s² I) to the image, so that the reference is x + g: the change of the theory's Theorem 7.4.

    Parameters
    ----------
    std
        Standard deviation s per real entry (per real and per imaginary entry if complex), in the image's scale; 0.05 in
        the authors' code.
    """

    parameter = "std"

    def __init__(self, std: NonNegative) -> None:
        self.std = std

    def __call__(self, problem: Problem) -> Problem:
        """Add a draw of its own to every image; the same at every level, scaled."""
        g = problem.draws.normal("shift", problem.samples, problem.x, "white")
        return replace(problem, x=problem.x + self.std * g)
