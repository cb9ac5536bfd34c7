"""Define what a shift is: it changes the problem before it is measured; an attack changes the measurement after."""

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import replace
from typing import Self, TypeVar

from sgdj.data.batch import Problem
from sgdj.errors import InputError
from sgdj.operators.acquisition import Acquisition

A = TypeVar("A", bound=Acquisition)


class Shift(ABC):
    """Map from an in-distribution problem to an out-of-distribution one."""

    parameter: str
    """Name of the setting that is the shift's level."""

    @property
    def level(self) -> float:
        """Strength of the shift, for tables and curves; 0 if the setting is None."""
        return float(getattr(self, self.parameter) or 0.0)

    def at(self, level: float) -> Self:
        """Return the same shift at another level."""
        other = copy(self)
        setattr(other, self.parameter, level)
        return other

    @abstractmethod
    def __call__(self, problem: Problem) -> Problem:
        """Return the shifted problem; masks and noise draws stay those of the clean one."""


def needed(problem: Problem, kind: type[A], otherwise: str, task: str) -> A:
    """Return the acquisition of a problem, which must be of one kind.

    Parameters
    ----------
    problem
        Problem that a shift is applied to.
    kind
        Class that the acquisition must belong to.
    otherwise
        What is wrong with another acquisition, for the message.
    task
        Task to suggest in the message.

    Returns
    -------
    Acquisition
        Acquisition of the problem, of class `kind`.

    Raises
    ------
    InputError
        If the acquisition is of another class.
    """
    if not isinstance(problem.acquisition, kind):
        raise InputError(otherwise, "shift", f"use it with task={task}")
    return problem.acquisition


def measured_with(problem: Problem, acquisition: Acquisition, told: bool) -> Problem:
    """Measure with another acquisition; unless `told`, the network goes on with the operator of training."""
    return replace(problem, acquisition=acquisition, assumed=None if told else problem.acquisition)
