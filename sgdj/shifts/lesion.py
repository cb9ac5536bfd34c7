"""Add a tumour-like mass of a kind that no training image has."""

from dataclasses import replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from sgdj.config.types import Fraction, NonNegative
from sgdj.data.batch import Problem
from sgdj.data.smooth import smooth_noise
from sgdj.shifts.base import Shift

_HARMONICS = np.arange(2, 6)  # harmonics of the outline; lower ones only move and scale it
_OBJECT = 0.15  # magnitude, relative to the image's maximum, that counts as object

_Image = npt.NDArray[np.float32] | npt.NDArray[np.float64]


class Lesion(Shift):
    """Draw a mass with irregular outline, heterogeneous inside and bright rim, one per image, within the object.

    It stands in for the tumour images of Guan & Davenport (2025), which cannot be redistributed. Place, size, outline
    and texture are drawn for each sample; the phase of a complex image is kept.

    Parameters
    ----------
    radius
        Mean radius, as a share of the image's shorter side.
    contrast
        Mean of the magnitude inside, in the image's scale.
    texture
        Standard deviation of the magnitude inside, in the image's scale.
    """

    parameter = "contrast"

    def __init__(self, radius: Annotated[float, Field(gt=0, le=0.5)], contrast: Fraction, texture: NonNegative) -> None:
        self.radius, self.contrast, self.texture = radius, contrast, texture

    def draw(self, magnitude: _Image, rng: np.random.Generator) -> tuple[_Image, _Image]:
        """Draw the opacity and the magnitude of a lesion for an image of shape (H, W); both have that shape."""
        shape = magnitude.shape
        radius = self.radius * min(shape) * rng.uniform(0.8, 1.25)
        from scipy.ndimage import distance_transform_edt  # imported where it is used: it is slow to load

        depth = distance_transform_edt(magnitude > _OBJECT * magnitude.max())
        inside = np.argwhere(depth >= min(radius, depth.max()))
        row, column = inside[rng.integers(len(inside))]
        v, u = np.mgrid[: shape[0], : shape[1]] - np.array([row, column]).reshape(2, 1, 1)
        distance, angle = np.hypot(v, u), np.arctan2(v, u)
        strength, phase = rng.normal(0, 0.25, 4) / _HARMONICS, rng.uniform(0, 2 * np.pi, 4)
        waves = np.cos(_HARMONICS[:, None, None] * angle + phase[:, None, None])
        outline = radius * (1 + np.tensordot(strength, waves, 1))
        opacity = np.clip(outline - distance + 0.5, 0, 1)
        rim = np.exp(-(((distance / outline.clip(1e-6) - 0.85) / 0.15) ** 2))
        inner = self.contrast + self.texture * (smooth_noise(rng, shape, radius / 4) + rim)
        return opacity, np.clip(inner, 0, 1)

    def __call__(self, problem: Problem) -> Problem:
        """Draw a lesion into every image."""
        x, region = problem.x.clone(), torch.zeros(problem.x.shape, dtype=torch.bool)
        for image, inside, sample in zip(x[:, 0], region[:, 0], problem.samples, strict=True):
            rng = problem.draws.generator("shift", "lesion", sample)
            magnitude = image.abs()
            opacity, inner = (torch.from_numpy(a).to(magnitude) for a in self.draw(magnitude.numpy(), rng))
            direction = torch.where(magnitude > 0, image / magnitude.clamp_min(1e-12), torch.ones_like(image))
            image.copy_(direction * ((1 - opacity) * magnitude + opacity * inner))
            inside.copy_(opacity > 0)
        return replace(problem, x=x, region=region)
