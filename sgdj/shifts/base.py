"""A shift changes the problem before it is measured; an attack changes the measurement after."""

from abc import ABC, abstractmethod
from dataclasses import replace

from sgdj.data.batch import Problem
from sgdj.operators.acquisition import Acquisition


class Shift(ABC):
    """Map from an in-distribution problem to an out-of-distribution one."""

    @property
    @abstractmethod
    def level(self) -> float:
        """Strength of the shift, for tables and curves."""

    @abstractmethod
    def __call__(self, problem: Problem) -> Problem:
        """The shifted problem; masks and noise draws stay those of the clean one."""


def measured_with(problem: Problem, acquisition: Acquisition, told: bool) -> Problem:
    """Measure otherwise; if it is not told, the network goes on with the operator of training."""
    return replace(problem, acquisition=acquisition, assumed=None if told else problem.acquisition)
