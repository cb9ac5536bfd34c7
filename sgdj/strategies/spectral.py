"""Estimate the largest singular value of a Jacobian so that it can be trained on."""

from collections.abc import Callable

import torch
from torch import Tensor

from sgdj.attacks.ball import sample_norm, unit


def spectral_norm(
    made: Tensor, x: Tensor, start: Tensor, steps: int, restrict: Callable[[Tensor], Tensor] = lambda x: x
) -> Tensor:
    r"""Return the largest singular value of J = ∂made/∂x of each sample by power iteration, with its graph.

    The vectors are constants; the last product :math:`\|J^T u\|` carries the gradient.

    Parameters
    ----------
    made
        Output, shape (B, ...), with the graph that leads back to `x`.
    x
        Input that requires a gradient, shape (B, ...); samples do not influence each other.
    start
        Random vectors to start from, in the shape of `x`.
    steps
        Number of power iterations, each with one product J and one Jᵀ.
    restrict
        Projection to the entries of `x` that count.

    Returns
    -------
    Tensor
        Singular value of each sample, shape (B,), real.
    """
    dummy = torch.zeros_like(made, requires_grad=True)
    (back,) = torch.autograd.grad(made, x, dummy, create_graph=True)
    v = unit(restrict(start))
    for _ in range(steps):
        (forward,) = torch.autograd.grad(back, dummy, v, retain_graph=True)  # J v: the derivative of u -> Jᵀ u
        u = unit(forward)
        (adjoint,) = torch.autograd.grad(made, x, u, retain_graph=True)
        v = unit(restrict(adjoint))
    (last,) = torch.autograd.grad(made, x, u, create_graph=True)
    return sample_norm(restrict(last)).flatten()
