"""The reference that every network has to beat: the starting point of its iteration."""

from torch import Tensor

from sgdj.networks.base import Perturb, Reconstructor
from sgdj.operators.base import Operator


class StartingPoint(Reconstructor):
    """Return the estimate before the first iteration, x₀: Aᴴy (the zero-filled image in MRI) or y.

    Parameters
    ----------
    start
        "adjoint" for Aᴴy, "measurement" for y.
    """

    def __init__(self, start: str = "adjoint") -> None:
        super().__init__()
        self.start = start

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Return Aᴴy or y, as `start` says."""
        return operator.adjoint(y) if self.start == "adjoint" else y
