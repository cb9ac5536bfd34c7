"""Solve the regularised normal equations of an operator, differentiably."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from sgdj.operators.base import Operator

Map = Callable[[Tensor], Tensor]
_ENOUGH = 10  # units of rounding to which a residual is brought


def conjugate_gradients(matrix: Callable[[Tensor], Tensor], b: Tensor, steps: int) -> Tensor:
    """Solve M x = b for a Hermitian positive definite M, each sample by itself (Hestenes & Stiefel, 1952).

    A sample is done once its residual is at rounding.

    Parameters
    ----------
    matrix
        Product with M of images (B, C, H, W), in which samples do not influence each other.
    b
        Right-hand side, shape (B, C, H, W), real or complex.
    steps
        Most steps to take.

    Returns
    -------
    Tensor
        Solution x, in the shape of b.
    """

    def dot(one: Tensor, other: Tensor) -> Tensor:
        return (one.conj() * other).real.flatten(1).sum(1).view(-1, 1, 1, 1)

    x, r, p = torch.zeros_like(b), b, b
    square = dot(r, r)
    enough = square * (_ENOUGH * torch.finfo(square.dtype).eps) ** 2
    for _ in range(steps):
        active = square > enough
        if not active.any():
            break
        product = matrix(p)
        step = torch.where(active, square / torch.where(active, dot(p, product), 1), 0)
        x, r = x + step * p, r - step * product
        before, square = square, dot(r, r)
        p = r + torch.where(active, square / torch.where(active, before, 1), 0) * p
    return x


class _System(FunctionCtx):
    saved_tensors: tuple[Tensor, Tensor]
    operator: Operator
    steps: int
    penalty: Map


class _Solution(torch.autograd.Function):
    """Map b and λ to (AᴴA + λP)⁻¹ b; the derivative is such a solution, too, and can be differentiated again."""

    @staticmethod
    def forward(ctx: _System, b: Tensor, weight: Tensor, operator: Operator, steps: int, penalty: Map) -> Tensor:
        x = conjugate_gradients(lambda v: operator.gram(v) + weight * penalty(v), b, steps)
        ctx.save_for_backward(x, weight)
        ctx.operator, ctx.steps, ctx.penalty = operator, steps, penalty
        return x

    @staticmethod
    def backward(ctx: _System, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x, weight = ctx.saved_tensors
        v = solve(ctx.operator, gradient, weight, ctx.steps, ctx.penalty)
        return v, -(v.conj() * ctx.penalty(x)).real.sum(), None, None, None


def _same(x: Tensor) -> Tensor:
    return x


def solve(operator: Operator, b: Tensor, weight: Tensor, steps: int, penalty: Map = _same) -> Tensor:
    r"""Return :math:`(A^H A + \lambda P)^{-1} b` by conjugate gradients.

    The gradient is that of the exact solution, by a solve of its own (Aggarwal et al., 2019).

    Parameters
    ----------
    operator
        Forward operator A of the batch.
    b
        Right-hand side, shape (B, C, H, W).
    weight
        Weight λ, a positive scalar.
    steps
        Most steps of the solver.
    penalty
        Product with a Hermitian positive semidefinite P of images; the identity unless it is given.

    Returns
    -------
    Tensor
        Solution, in the shape of b.
    """
    found: Tensor = _Solution.apply(b, weight, operator, steps, penalty)
    return found
