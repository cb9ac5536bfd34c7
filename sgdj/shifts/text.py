"""Write a word into images that had none in training."""

from dataclasses import replace
from functools import lru_cache
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from sgdj.config.types import NonEmpty
from sgdj.data.batch import Problem
from sgdj.shifts.base import Shift
from sgdj.shifts.detail import draw_detail


@lru_cache(maxsize=8)
def _letters(text: str, height: int) -> npt.NDArray[np.bool_]:
    """Draw the text about `height` pixels high; returns a boolean array, True where ink is."""
    from PIL import Image, ImageDraw, ImageFont  # imported where it is used: it is slow to load

    font = ImageFont.load_default(height)
    left, top, right, bottom = font.getbbox(text)
    canvas = Image.new("L", (int(right - left) + 1, int(bottom - top) + 1))
    ImageDraw.Draw(canvas).text((-left, -top), text, fill=255, font=font)
    return np.asarray(canvas) > 127


class Text(Shift):
    """Write a word at a random place in each image, cut off at its edge.

    Parameters
    ----------
    text
        Word to write, printable characters.
    height
        Height of the font, in pixels.
    contrast
        Value of the letters, in the image's scale.
    """

    parameter = "contrast"

    def __init__(self, text: NonEmpty, height: Annotated[int, Field(ge=4)], contrast: float) -> None:
        self.text, self.height, self.contrast = text, height, contrast

    def __call__(self, problem: Problem) -> Problem:
        """Write the word; complex images keep their phase."""
        x, region = problem.x.clone(), torch.zeros(problem.x.shape, dtype=torch.bool)
        ink = torch.from_numpy(_letters(self.text, self.height).copy())
        for image, inside, sample in zip(x[:, 0], region[:, 0], problem.samples, strict=True):
            rng = problem.draws.generator("shift", "text", sample)
            room = [max(n - m, 0) for n, m in zip(image.shape, ink.shape, strict=True)]
            top, left = (int(rng.integers(r + 1)) for r in room)
            target = inside[top : top + ink.shape[0], left : left + ink.shape[1]]
            target.copy_(ink[: target.shape[0], : target.shape[1]])
            letters = image[inside]
            draw_detail(letters, self.contrast, "brighten" if image.is_complex() else "set")
            image[inside] = letters
        return replace(problem, x=x, region=region)
