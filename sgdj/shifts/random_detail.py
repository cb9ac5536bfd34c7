"""Add strokes at random places."""

from dataclasses import replace
from typing import Literal

from sgdj.config.types import Count
from sgdj.data.batch import Problem
from sgdj.shifts.base import Shift
from sgdj.shifts.detail import draw_detail


class RandomDetail(Shift):
    """Draw horizontal or vertical strokes, one pixel wide, at places drawn for each sample.

    Parameters
    ----------
    count
        Number of strokes per image.
    length
        Length of a stroke in pixels, cut off at the image's edge.
    contrast
        Value of the strokes, in the image's scale.
    mode
        How the value is put in, "brighten", "set" or "parts"; see `Detail`.
    """

    parameter = "contrast"

    def __init__(self, count: Count, length: Count, contrast: float, mode: Literal["brighten", "set", "parts"]) -> None:
        self.count, self.length, self.contrast, self.mode = count, length, contrast, mode

    def __call__(self, problem: Problem) -> Problem:
        """Draw the strokes into every image."""
        x = problem.x.clone()
        for image, sample in zip(x, problem.samples, strict=True):
            rng = problem.draws.generator("shift", "random_detail", sample)
            for _ in range(self.count):
                row, column = (int(rng.integers(n)) for n in image.shape[-2:])
                height, width = (1, self.length) if rng.random() < 0.5 else (self.length, 1)
                draw_detail(image[:, row : row + height, column : column + width], self.contrast, self.mode)
        return replace(problem, x=x, region=x != problem.x)
