"""The reference that every network has to beat: its own starting point."""

from torch import Tensor

from sgdj.networks.base import Perturb, Reconstructor
from sgdj.operators.base import Operator


class StartingPoint(Reconstructor):
    """The estimate before the first iteration, x₀: Aᴴy (the zero-filled image in MRI) or y."""

    def __init__(self, start: str = "adjoint") -> None:
        super().__init__()
        self.start = start

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Aᴴy or y."""
        return operator.adjoint(y) if self.start == "adjoint" else y
