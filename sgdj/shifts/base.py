"""A shift changes the problem before it is measured; an attack changes the measurement after."""

from abc import ABC, abstractmethod

from sgdj.data.batch import Problem


class Shift(ABC):
    """Map from an in-distribution problem to an out-of-distribution one."""

    @property
    @abstractmethod
    def level(self) -> float:
        """Strength of the shift, for tables and curves."""

    @abstractmethod
    def __call__(self, problem: Problem) -> Problem:
        """The shifted problem; masks and noise draws stay those of the clean one."""
