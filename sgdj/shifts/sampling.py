"""Another undersampling than that of training."""

from dataclasses import replace
from typing import Literal

from sgdj.config.types import Acceleration, Share
from sgdj.data.batch import Problem
from sgdj.operators.acquisition import CartesianAcquisition
from sgdj.shifts.base import Shift, measured_with, needed


class Sampling(Shift):
    """Another undersampling of k-space.

    Parameters
    ----------
    acceleration, center_fraction, mask, axis
        See `CartesianAcquisition`; None keeps the value of training.
    told
        True: the network is given the new operator (a known change of A); False: it is not (a model mismatch).
    """

    parameter = "acceleration"

    def __init__(
        self,
        acceleration: Acceleration | None,
        center_fraction: Share | None,
        mask: Literal["gaussian", "random", "equispaced"] | None,
        axis: Literal["columns", "rows"] | None,
        told: bool,
    ) -> None:
        self.acceleration, self.center_fraction, self.told = acceleration, center_fraction, told
        self.mask, self.axis = mask, axis

    def __call__(self, problem: Problem) -> Problem:
        """Change the protocol.

        Raises
        ------
        InputError
            If the operator is no Cartesian one.
        """
        acquisition = needed(problem, CartesianAcquisition, "only k-space is undersampled", "mri")
        given = {name: getattr(self, name) for name in ("acceleration", "center_fraction", "mask", "axis")}
        changes = {name: value for name, value in given.items() if value is not None}
        return measured_with(problem, replace(acquisition, **changes), self.told)
