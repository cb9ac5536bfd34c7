"""Measure with another seismic wavelet than in training."""

from dataclasses import replace

from sgdj.config.types import Positive
from sgdj.data.batch import Problem
from sgdj.operators.acquisition import ConvolutionAcquisition
from sgdj.shifts.base import Shift, measured_with, needed


class Wavelet(Shift):
    """Change the seismic wavelet.

    Parameters
    ----------
    width
        Ricker width a in samples; its peak frequency is inversely proportional to it. A wavelet of one's own gives way
        to it. None keeps the wavelet of training.
    phase
        Constant phase rotation of the wavelet, in degrees.
    told
        Whether the network is given the new operator; see `Sampling`.

    Raises
    ------
    InputError
        When called, if the operator is no convolution.
    """

    def __init__(self, width: Positive | None, phase: float, told: bool) -> None:
        self.width, self.phase, self.told = width, phase, told
        self.parameter = "phase" if phase else "width"

    def __call__(self, problem: Problem) -> Problem:
        """Replace the wavelet of the measurement."""
        acquisition = needed(problem, ConvolutionAcquisition, "only seismic data has a wavelet", "seismic")
        if self.width is not None:
            acquisition = replace(acquisition, width=self.width, wavelet=None)
        return measured_with(problem, replace(acquisition, phase=self.phase), self.told)
