"""Check what a certificate takes for granted of an operator, and list its singular values."""

import torch
from torch import Tensor

from sgdj.certificates.bounds import Spectrum
from sgdj.errors import CheckFailed
from sgdj.operators.base import Operator

_PRECISE = 1e-4  # operators may compute in single precision


def _inner(a: Tensor, b: Tensor) -> float:
    """Return the real inner product of two tensors of one shape."""
    return float((a.conj() * b).real.sum())


def spectrum(operator: Operator, like: Tensor) -> Spectrum:
    """Return the range of the singular values of an operator whose adjoint is true.

    Parameters
    ----------
    operator
        Operator of the images.
    like
        Image, shape (B, C, H, W), real or complex.

    Returns
    -------
    Spectrum
        Singular values, or bounds of them.

    Raises
    ------
    CheckFailed
        If the adjoint is not that of A, AᴴA is not their product, or ‖A‖ is larger than the operator says.
    """
    generator = torch.Generator().manual_seed(0)

    def drawn(shape: torch.Size, dtype: torch.dtype) -> Tensor:
        return torch.randn(shape, dtype=dtype, generator=generator).to(like.device)

    x = drawn(like.shape, like.dtype)
    ax = operator.forward(x)
    y = drawn(ax.shape, ax.dtype)  # not only where something is measured: a perturbation may lie anywhere
    back = operator.adjoint(y)
    back = back.real if back.is_complex() and not x.is_complex() else back
    scale = float(torch.linalg.vector_norm(ax) * torch.linalg.vector_norm(y))
    if abs(_inner(ax, y) - _inner(x, back)) > _PRECISE * scale:
        raise CheckFailed(
            "no theorem applies: the operator's adjoint is not the true one, <Ax, y> differs from <x, Aᴴy>: "
            "set operator.mask_adjoint=true, or mend its adjoint"
        )
    gram = operator.adjoint(ax)
    if float(torch.linalg.vector_norm(operator.gram(x) - gram)) > _PRECISE * float(torch.linalg.vector_norm(gram)):
        raise CheckFailed("no theorem applies: the operator's gram is not its adjoint after forward: mend it")
    norm = operator.norm()
    for _ in range(10):  # power iteration is a lower bound: it can refuse a norm, never give one
        x = operator.gram(x) / torch.linalg.vector_norm(x)
    reached = float(torch.linalg.vector_norm(x)) ** 0.5
    if reached > norm * (1 + _PRECISE):
        raise CheckFailed(
            f"no theorem applies: ‖A‖ = {norm:.6g} is stated, and {reached:.6g} is reached: mend its norm"
        )
    values = operator.singular_values()
    if values is None:
        return Spectrum(0.0, norm)
    listed = tuple(float(s) for s in values)
    return Spectrum(min(listed), max(norm, *listed), listed)
