"""Turn and scale the object."""

import math
from dataclasses import replace

import torch
from torch.nn.functional import affine_grid, grid_sample

from sgdj.config.types import Positive
from sgdj.data.batch import Problem
from sgdj.shifts.base import Shift


class Geometry(Shift):
    """Rotate and scale about the image's centre, bilinearly; what comes from outside the image is zero.

    Parameters
    ----------
    angle
        Rotation in degrees, counter-clockwise as displayed.
    zoom
        Magnification; above 1 the object becomes larger.
    """

    def __init__(self, angle: float, zoom: Positive) -> None:
        self.angle, self.zoom = angle, zoom
        self.parameter = "angle" if angle else "zoom"

    def __call__(self, problem: Problem) -> Problem:
        """Resample the real and the imaginary part."""
        x = problem.x
        channels = torch.view_as_real(x)[:, 0].permute(0, 3, 1, 2) if x.is_complex() else x
        height, width = channels.shape[-2:]
        c, s = math.cos(math.radians(self.angle)) / self.zoom, math.sin(math.radians(self.angle)) / self.zoom
        # grid coordinates run from -1 to 1 on both axes, whatever their lengths
        theta = torch.tensor([[c, -s * height / width, 0.0], [s * width / height, c, 0.0]], dtype=channels.dtype)
        grid = affine_grid(theta.expand(len(x), 2, 3), list(channels.shape), align_corners=False)
        moved = grid_sample(channels.contiguous(), grid, align_corners=False)
        if x.is_complex():
            moved = torch.view_as_complex(moved.permute(0, 2, 3, 1).contiguous())[:, None]
        return replace(problem, x=moved)
