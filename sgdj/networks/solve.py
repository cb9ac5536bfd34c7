"""Solve the regularised normal equations of an operator, differentiably."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from sgdj.operators.base import Operator

Map = Callable[[Tensor], Tensor]
#: What is told the largest relative residual ‖b - M x‖ / ‖b‖ of a solve that its steps did not finish.
Unfinished = Callable[[float], None]
_ENOUGH = 10  # units of rounding to which a residual is brought


def conjugate_gradients(
    matrix: Callable[[Tensor], Tensor], b: Tensor, steps: int, unfinished: Unfinished | None = None
) -> Tensor:
    """Solve M x = b for a Hermitian positive definite M, each sample by itself (Hestenes & Stiefel, 1952).

    A sample is done once its residual is at rounding. Where b is not finite, the whole sample of x is NaN.

    Parameters
    ----------
    matrix
        Product with M of images (B, C, H, W), in which samples do not influence each other.
    b
        Right-hand side, shape (B, C, H, W), real or complex.
    steps
        Most steps to take.
    unfinished
        Called once, if a sample is not done after these steps.

    Returns
    -------
    Tensor
        Solution x, in the shape of b.
    """

    def dot(one: Tensor, other: Tensor) -> Tensor:
        return (one.conj() * other).real.flatten(1).sum(1).view(-1, 1, 1, 1)

    square = start = dot(b, b)
    x, r, p = torch.zeros_like(b) + torch.zeros_like(start).masked_fill(~start.isfinite(), torch.nan), b, b
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
    else:
        if unfinished is not None and (square > enough).any():
            unfinished(float(torch.where(square > enough, square / start, 0).max().sqrt()))
    return x


class _System(FunctionCtx):
    saved_tensors: tuple[Tensor, Tensor]
    operator: Operator
    steps: int
    penalty: Map
    unfinished: Unfinished | None


class _Solution(torch.autograd.Function):
    """Map b and λ to (AᴴA + λP)⁻¹ b; the derivative is such a solution, too, and can be differentiated again."""

    @staticmethod
    def forward(
        ctx: _System,
        b: Tensor,
        weight: Tensor,
        operator: Operator,
        steps: int,
        penalty: Map,
        unfinished: Unfinished | None,
    ) -> Tensor:
        x = conjugate_gradients(lambda v: operator.gram(v) + weight * penalty(v), b, steps, unfinished)
        ctx.save_for_backward(x, weight)
        ctx.operator, ctx.steps, ctx.penalty, ctx.unfinished = operator, steps, penalty, unfinished
        return x

    @staticmethod
    def backward(ctx: _System, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        x, weight = ctx.saved_tensors
        v = solve(ctx.operator, gradient, weight, ctx.steps, ctx.penalty, ctx.unfinished)
        return v, -(v.conj() * ctx.penalty(x)).real.sum(), None, None, None, None


def _same(x: Tensor) -> Tensor:
    return x


def solve(
    operator: Operator,
    b: Tensor,
    weight: Tensor,
    steps: int,
    penalty: Map = _same,
    unfinished: Unfinished | None = None,
) -> Tensor:
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
    unfinished
        Told the residual of a solve, this one or its gradient's, that its steps did not finish.

    Returns
    -------
    Tensor
        Solution, in the shape of b.
    """
    found: Tensor = _Solution.apply(b, weight, operator, steps, penalty, unfinished)
    return found
