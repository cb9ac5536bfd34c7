"""Add a detail of a kind that no training image has."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from sgdj.config.types import Count, Fraction
from sgdj.data.batch import Problem
from sgdj.shifts.base import Shift


def draw_detail(patch: Tensor, contrast: float, mode: str) -> None:
    """Draw a detail into a view of an image, in place.

    Parameters
    ----------
    patch
        View of the image where the detail lies, real or complex; it is overwritten.
    contrast
        Value of the detail, in the image's scale.
    mode
        How the value is put in: "brighten", "set" or "parts"; see `Detail`.
    """
    if mode == "set":
        patch.fill_(contrast)
    elif mode == "parts" and patch.is_complex():
        torch.view_as_real(patch).clamp_(min=contrast)
    elif mode == "parts":
        patch.clamp_(min=contrast)
    else:
        magnitude = patch.abs()
        direction = torch.where(magnitude > 0, patch / magnitude.clamp_min(1e-12), torch.ones_like(patch))
        patch.copy_(torch.where(magnitude < contrast, contrast * direction, patch))


class Detail(Shift):
    """Draw a rectangle of constant contrast at one stated place.

    The authors draw a bright line of 1 x 20 pixels at (150, 150) of 320 x 320 into MR images, and a block of 1 x 10
    samples of value -0.1 at (140, 170) of 352 samples into reflectivity.

    Parameters
    ----------
    row
        Upper edge, as a share of the image's height.
    column
        Left edge, as a share of the image's width.
    height
        Height in pixels; what lies outside the image is cut off.
    width
        Width in pixels; what lies outside the image is cut off.
    contrast
        Value of the detail, in the image's scale.
    mode
        "brighten": raise the magnitude to at least `contrast`, keeping the phase; "set": replace the value; "parts":
        raise real and imaginary part each to at least `contrast` (the authors' code).
    """

    parameter = "contrast"

    def __init__(
        self,
        row: Fraction,
        column: Fraction,
        height: Count,
        width: Count,
        contrast: float,
        mode: Literal["brighten", "set", "parts"],
    ) -> None:
        self.row, self.column, self.height, self.width = row, column, height, width
        self.contrast, self.mode = contrast, mode

    def region(self, shape: tuple[int, int]) -> "tuple[slice[int, int, None], slice[int, int, None]]":
        """Return rows and columns of the detail in an image of `shape` (H, W)."""
        top, left = round(self.row * shape[0]), round(self.column * shape[1])
        return slice(top, top + self.height), slice(left, left + self.width)

    def __call__(self, problem: Problem) -> Problem:
        """Draw the detail into every image."""
        x = problem.x.clone()
        rows, columns = self.region((x.shape[-2], x.shape[-1]))
        draw_detail(x[..., rows, columns], self.contrast, self.mode)
        region = torch.zeros(x.shape, dtype=torch.bool)
        region[..., rows, columns] = True
        return replace(problem, x=x, region=region)
