"""Change the phase of the same object."""

from dataclasses import replace

import torch

from sgdj.config.types import NonNegative
from sgdj.data.batch import Problem
from sgdj.data.smooth import smooth_phase
from sgdj.errors import InputError
from sgdj.shifts.base import Shift


class Phase(Shift):
    """Add a further smooth random phase to complex images, of the kind that coils and field inhomogeneity leave.

    Parameters
    ----------
    strength
        Multiple of the usual strength; see `sgdj.data.smooth.smooth_phase`.

    Raises
    ------
    InputError
        When called, if the images are real.
    """

    parameter = "strength"

    def __init__(self, strength: NonNegative) -> None:
        self.strength = strength

    def __call__(self, problem: Problem) -> Problem:
        """Turn the phase of every image."""
        if not problem.x.is_complex():
            raise InputError("real images have no phase", "shift", "use it with task=mri")
        shape = (problem.x.shape[-2], problem.x.shape[-1])
        turns = [
            torch.from_numpy(smooth_phase(shape, problem.draws.generator("shift", "phase", sample)))
            for sample in problem.samples
        ]
        phase = self.strength * torch.stack(turns)[:, None]
        return replace(problem, x=problem.x * torch.polar(torch.ones_like(phase), phase).to(problem.x.dtype))
