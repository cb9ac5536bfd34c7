"""Draw sections with another layering than in training."""

from dataclasses import replace

import torch

from sgdj.config.types import Positive
from sgdj.data.batch import Problem, scaled
from sgdj.data.layered import layered_section
from sgdj.operators.acquisition import ConvolutionAcquisition
from sgdj.shifts.base import Shift, needed


class Layers(Shift):
    """Draw new sections of the same size whose layers are thinner or thicker.

    Parameters
    ----------
    thickness
        Multiple of the mean layer thickness in training, beyond two samples; 1 gives new sections of the same kind.

    Raises
    ------
    InputError
        When called, if the operator is no convolution.
    """

    parameter = "thickness"

    def __init__(self, thickness: Positive) -> None:
        self.thickness = thickness

    def __call__(self, problem: Problem) -> Problem:
        """Draw a section for every sample."""
        needed(problem, ConvolutionAcquisition, "only seismic sections have layers", "seismic")
        height, width = problem.x.shape[-2:]
        rngs = (problem.draws.generator("shift", "layers", sample) for sample in problem.samples)
        drawn = [torch.from_numpy(layered_section(height, width, rng, self.thickness)) for rng in rngs]
        return scaled(replace(problem, x=torch.stack(drawn)[:, None].to(problem.x)))
