"""Multiply with the Jacobian of a reconstruction with respect to its measurement."""

import torch
from torch import Tensor

from sgdj.data.batch import Batch
from sgdj.networks.base import Reconstructor


class Jacobian:
    """Exact products with J = ∂x̂/∂y on the measured entries, at one batch of measurements; J itself is not stored.

    For complex tensors J is real-linear only: they stand for the vector of their real and imaginary entries, and the
    adjoint is that of the real inner product.

    Parameters
    ----------
    reconstructor
        Network whose samples do not influence each other.
    batch
        Measurements y with their operator.

    Attributes
    ----------
    output
        Reconstruction x̂ of the batch, shape (B, C, H, W).
    """

    def __init__(self, reconstructor: Reconstructor, batch: Batch) -> None:
        self._operator = batch.operator
        self._y = batch.y.detach().requires_grad_(True)
        with torch.enable_grad():
            self._made = reconstructor(self._y, batch.operator)
            self._dummy = torch.zeros_like(self._made, requires_grad=True)
            (self._back,) = torch.autograd.grad(self._made, self._y, self._dummy, create_graph=True)
        self.output = self._made.detach()

    def forward(self, u: Tensor) -> Tensor:
        """Return J u, an image, as the derivative of the adjoint product, which every layer supports."""
        (product,) = torch.autograd.grad(self._back, self._dummy, u, retain_graph=True)
        return product.detach()

    def adjoint(self, v: Tensor) -> Tensor:
        """Return Jᵀ v, of the shape of y and zero where nothing is measured."""
        (product,) = torch.autograd.grad(self._made, self._y, v, retain_graph=True)
        return self._operator.restrict(product.detach())
