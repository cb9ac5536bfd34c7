"""Checks shared by several test files."""

from dataclasses import replace

import torch
from torch import Tensor

from sgdj.config.settings import Evaluation
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.operators import Operator


def evaluation(**changed: object) -> Evaluation:
    """What an evaluation measures by default, without the published PGD, but for some settings."""
    return replace(load(parse([])).settings.evaluation, **{"pgd_steps": None} | changed)


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product <a, b>, linear in b."""
    return torch.vdot(a.flatten(), b.flatten())


def assert_adjoint(operator: Operator, x: Tensor, y: Tensor, tolerance: float = 1e-10) -> None:
    """Check <Ax, y> = <x, Aᴴy> for a y that need not lie in the range of A; shapes first."""
    ax, ahy = operator.forward(x), operator.adjoint(y)
    assert ax.shape == y.shape
    assert ahy.shape == x.shape
    left, right = inner(ax, y), inner(x.to(ahy.dtype), ahy)
    scale = float(ax.norm() * y.norm())
    assert scale > 0
    assert abs(complex(left) - complex(right)) <= tolerance * scale


def dense(operator: Operator, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return the matrix of A, column by column."""
    size = int(torch.tensor(shape).prod())
    columns = [operator.forward(e.reshape(1, *shape)).flatten() for e in torch.eye(size, dtype=dtype)]
    return torch.stack(columns, dim=1)


class _Backward(torch.autograd.Function):
    """Identity map with a given rule for its backward pass."""

    @staticmethod
    def forward(ctx, x, rule):
        ctx.rule = rule
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return ctx.rule(gradient), None


def detached(x):
    return x.detach()


def without_grad(x):
    with torch.no_grad():
        return x.clone()


def constant_gradient_of_zero(x):
    return _Backward.apply(x, torch.zeros_like)


def nan_gradient(x):
    return _Backward.apply(x, lambda gradient: gradient * torch.nan)


def huge_gradient(x):
    return _Backward.apply(x, lambda gradient: gradient * 1e30)


def failing_backward(x):
    return _Backward.apply(x, lambda gradient: {}["gone"])


def other_graph(x):
    """Return a tensor whose graph does not lead to y."""
    return x.detach() * torch.ones((), requires_grad=True)


#: Maps of an image to itself that leave no usable gradient.
CUTS = (detached, without_grad, constant_gradient_of_zero, nan_gradient, huge_gradient, failing_backward, other_graph)
