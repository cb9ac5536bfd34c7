"""Define what a reconstructor and its learned part are."""

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from torch import Tensor, nn

from sgdj.operators.base import Operator


class Perturb(Protocol):
    """Noise that a training strategy puts into iteration k of an unrolled network.

    It is called with the iterate x_k and the iterate z_k after the data step, both (B, C, H, W).
    """

    def __call__(self, k: int, x: Tensor, z: Tensor) -> Tensor:
        """Return the noise w_k of iteration `k` (from 0), of the shape of x."""
        ...


class Reconstructor(nn.Module, ABC):
    """Differentiable map from measurements to images, (y, operator) -> x̂ of shape (B, C, H, W).

    Attributes
    ----------
    jittered
        Whether there are iterations that `perturb` reaches.
    proximal
        Whether its learned part stands for a proximal map: an image in, an image out.
    twice
        Whether its derivative by y can be differentiated by the weights.
    """

    jittered: ClassVar[bool] = True
    proximal: ClassVar[bool] = False
    twice: ClassVar[bool] = True

    @property
    def undefended(self) -> "Reconstructor | None":
        """The same network without the defence around it, whose attacks are worth a try; None without a defence."""
        return None

    def forget(self) -> None:
        """Forget what was noted so far, for notes that tell of one evaluation alone; most networks note nothing."""
        return

    @abstractmethod
    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Reconstruct x̂ (B, C, H, W) from a measurement; without `perturb` nothing is random.

        Parameters
        ----------
        y
            Measurement, of the shape that `operator.forward` returns.
        operator
            Forward operator A of this batch.
        perturb
            Noise of each iteration, in training only.

        Returns
        -------
        Tensor
            Reconstruction x̂ of shape (B, C, H, W).
        """


class LearnedPart(nn.Module, ABC):
    """The learned gradient f_θ or proximal map prox_θ of an unrolled network, shared by all iterations."""

    @abstractmethod
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Map the iterate x (B, C, H, W) to an image of the same shape and dtype; y is the measurement."""
