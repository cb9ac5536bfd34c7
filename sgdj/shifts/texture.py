"""Add stripes of a kind that no training image has."""

from dataclasses import replace

import numpy as np
import torch

from sgdj.config.types import Positive, Share
from sgdj.data.batch import Problem
from sgdj.shifts.base import Shift


class Texture(Shift):
    """Add a patch of stripes, turned at random, at a random place in each image.

    Parameters
    ----------
    period
        Period of the stripes, in pixels.
    size
        Side of the patch, as a share of the image's shorter side.
    contrast
        Amplitude of the stripes around the image's own values, in the image's scale.
    """

    parameter = "contrast"

    def __init__(self, period: Positive, size: Share, contrast: float) -> None:
        self.period, self.size, self.contrast = period, size, contrast

    def __call__(self, problem: Problem) -> Problem:
        """Add the stripes; complex images keep their phase."""
        x, region = problem.x.clone(), torch.zeros(problem.x.shape, dtype=torch.bool)
        height, width = x.shape[-2:]
        side = max(2, round(self.size * min(height, width)))
        for image, inside, sample in zip(x[:, 0], region[:, 0], problem.samples, strict=True):
            rng = problem.draws.generator("shift", "texture", sample)
            top, left = (int(rng.integers(max(n - side, 0) + 1)) for n in (height, width))
            v, u = np.mgrid[:side, :side]
            angle = rng.uniform(0, np.pi)
            wave = np.sin(2 * np.pi * (u * np.cos(angle) + v * np.sin(angle)) / self.period)
            stripes = torch.from_numpy(self.contrast * wave).to(image.abs().dtype)
            place = (slice(top, top + side), slice(left, left + side))
            patch = image[place]
            direction = torch.where(patch != 0, patch / patch.abs().clamp_min(1e-12), torch.ones_like(patch))
            image[place] = patch + stripes[: patch.shape[0], : patch.shape[1]] * direction
            inside[place] = True
        return replace(problem, x=x, region=region)
