"""Another undersampling than that of training."""

from dataclasses import replace
from typing import Any, Literal

from sgdj.data.batch import Problem
from sgdj.errors import InputError
from sgdj.operators.acquisition import CartesianAcquisition
from sgdj.shifts.base import Shift, measured_with


class Sampling(Shift):
    """Another undersampling of k-space.

    Parameters
    ----------
    acceleration, center_fraction, mask, axis
        See `CartesianAcquisition`; None keeps the value of training.
    told
        True: the network is given the new operator (a known change of A); False: it is not (a model mismatch).
    """

    def __init__(
        self,
        acceleration: float | None,
        center_fraction: float | None,
        mask: Literal["gaussian", "random", "equispaced"] | None,
        axis: Literal["columns", "rows"] | None,
        told: bool,
    ) -> None:
        self.acceleration, self.told = acceleration, told
        given = {"acceleration": acceleration, "center_fraction": center_fraction, "mask": mask, "axis": axis}
        self.changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}

    @property
    def level(self) -> float:
        """The acceleration, or 0 if it is kept."""
        return self.acceleration or 0.0

    def __call__(self, problem: Problem) -> Problem:
        """Change the protocol.

        Raises
        ------
        InputError
            If the operator is no Cartesian one.
        """
        if not isinstance(problem.acquisition, CartesianAcquisition):
            raise InputError("only k-space is undersampled", "shift", "use it with task=mri")
        return measured_with(problem, replace(problem.acquisition, **self.changes), self.told)
