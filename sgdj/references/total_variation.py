"""Total variation, the reference for piecewise constant images."""

from torch import Tensor

from sgdj.references.differences import divergence, gradient
from sgdj.references.sparse import Sparse


class TotalVariation(Sparse):
    r"""Total variation (Rudin, Osher & Fatemi, 1992), isotropic: :math:`\sum_j \sqrt{|D_1 x|_j^2 + |D_2 x|_j^2}`.

    Of a complex image the differences are complex, and their moduli count. See `Sparse` for objective and method.
    """

    bound = 8.0

    def analyse(self, x: Tensor) -> Tensor:
        """Return the differences of x (B, C, H, W), shape (2, B, C, H, W)."""
        return gradient(x)

    def synthesise(self, p: Tensor) -> Tensor:
        """Apply the adjoint of the differences."""
        return divergence(p)

    def squares(self, p: Tensor) -> Tensor:
        """Return the squared length of the gradient at every pixel, shape (1, B, C, H, W)."""
        return (p * p.conj()).real.sum(0, keepdim=True)
