"""Undersample k-space in another way than in training."""

from dataclasses import replace
from typing import Literal

from sgdj.config.types import Acceleration, Share
from sgdj.config.undersampling import Mask
from sgdj.data.batch import Problem
from sgdj.operators.acquisition import CartesianAcquisition
from sgdj.shifts.base import Shift, measured_with, needed


class Sampling(Shift):
    """Change the undersampling of k-space; masks that files hold are replaced by drawn ones.

    Parameters
    ----------
    acceleration
        Number of lines of the full grid per sampled line; None keeps the value of training.
    center_fraction
        Share of all lines that is fully sampled around the centre; None keeps the value of training.
    mask
        Density of the sampled lines, as in `CartesianAcquisition`; None keeps that of training.
    axis
        Image axis that is undersampled, "columns" or "rows"; None keeps that of training.
    told
        True: the network is given the new operator (a known change of A); False: it is not (a model mismatch).

    Raises
    ------
    InputError
        When called, if the operator is no Cartesian one.
    """

    parameter = "acceleration"

    def __init__(
        self,
        acceleration: Acceleration | None,
        center_fraction: Share | None,
        mask: Mask | None,
        axis: Literal["columns", "rows"] | None,
        told: bool,
    ) -> None:
        self.acceleration, self.center_fraction, self.told = acceleration, center_fraction, told
        self.mask, self.axis = mask, axis

    def __call__(self, problem: Problem) -> Problem:
        """Replace the protocol of the measurement."""
        acquisition = needed(problem, CartesianAcquisition, "only k-space is undersampled", "mri")
        given = {name: getattr(self, name) for name in ("acceleration", "center_fraction", "mask", "axis")}
        changes = {name: value for name, value in given.items() if value is not None}
        if changes and acquisition.masks == "stored":
            acquisition = replace(acquisition, masks="per_volume")
        if changes:  # a mask of the user's own gives way to one that is drawn
            changes |= {"mask_lines": None, "mask_points": None, "mask_file": None}
        return measured_with(problem, replace(acquisition, **changes), self.told)
