"""Checks shared by several test files."""

import torch
from torch import Tensor

from sgdj.operators import Operator


def inner(a: Tensor, b: Tensor) -> Tensor:
    """<a, b>, linear in b."""
    return torch.vdot(a.flatten(), b.flatten())


def assert_adjoint(operator: Operator, x: Tensor, y: Tensor, tolerance: float = 1e-10) -> None:
    """<Ax, y> = <x, Aᴴy> for a y that need not lie in the range of A; shapes first."""
    ax, ahy = operator.forward(x), operator.adjoint(y)
    assert ax.shape == y.shape
    assert ahy.shape == x.shape
    left, right = inner(ax, y), inner(x.to(ahy.dtype), ahy)
    scale = float(ax.norm() * y.norm())
    assert scale > 0
    assert abs(complex(left) - complex(right)) <= tolerance * scale


def dense(operator: Operator, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Matrix of A, column by column."""
    size = int(torch.tensor(shape).prod())
    columns = [operator.forward(e.reshape(1, *shape)).flatten() for e in torch.eye(size, dtype=dtype)]
    return torch.stack(columns, dim=1)
