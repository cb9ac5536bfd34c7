"""Another seismic wavelet than that of training."""

from dataclasses import replace

from sgdj.config.types import Positive
from sgdj.data.batch import Problem
from sgdj.operators.acquisition import ConvolutionAcquisition
from sgdj.shifts.base import Shift, measured_with, needed


class Wavelet(Shift):
    """Another seismic wavelet.

    Parameters
    ----------
    width
        Ricker width a in samples; its peak frequency is inversely proportional to it. None keeps that of training.
    phase
        Constant phase rotation in degrees.
    told
        See `Sampling`.
    """

    def __init__(self, width: Positive | None, phase: float, told: bool) -> None:
        self.width, self.phase, self.told = width, phase, told
        self.parameter = "phase" if phase else "width"

    def __call__(self, problem: Problem) -> Problem:
        """Change the wavelet.

        Raises
        ------
        InputError
            If the operator is no convolution.
        """
        acquisition = needed(problem, ConvolutionAcquisition, "only seismic data has a wavelet", "seismic")
        width = acquisition.width if self.width is None else self.width
        return measured_with(problem, replace(acquisition, width=width, phase=self.phase), self.told)
