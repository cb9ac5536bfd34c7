"""Find fixed points, and differentiate through them without their iterations."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

Map = Callable[[Tensor], Tensor]
_MEMORY = 5  # iterates that Anderson's method combines


@dataclass(frozen=True)
class Found:
    """Fixed point of a map, as far as it was reached.

    Parameters
    ----------
    x
        Point x of the smallest residual, shape (B, C, H, W).
    residual
        Largest ‖T(x) - x‖ / ‖T(x)‖ over the samples.
    steps
        Number of evaluations of T.
    """

    x: Tensor
    residual: float
    steps: int


def _flat(x: Tensor) -> Tensor:
    return (torch.view_as_real(x) if x.is_complex() else x).flatten(1)


def _mixed(points: list[Tensor], residuals: list[Tensor]) -> Tensor:
    """Combine the points, of each sample by itself, so that the combined residual is smallest; the weights add to 1."""
    apart = torch.stack([_flat(r) for r in residuals], dim=1)
    products = apart @ apart.mT
    scale = products.diagonal(dim1=1, dim2=2).sum(1).clamp_min(torch.finfo(products.dtype).tiny)
    unit = torch.eye(len(points), dtype=products.dtype, device=products.device)
    products = products / scale[:, None, None] + 10 * torch.finfo(products.dtype).eps * unit
    weights = torch.linalg.solve(products, torch.ones_like(products[..., :1]))
    weights = weights / weights.sum(1, keepdim=True)
    shape = (-1, 1, *[1] * (points[0].ndim - 1))
    return sum(w.view(shape)[:, 0] * p for w, p in zip(weights.unbind(1), points, strict=True))


@torch.no_grad()
def fixed_point(update: Map, x: Tensor, tolerance: float, most: int, solver: Literal["anderson", "plain"]) -> Found:
    """Iterate until every sample is at its fixed point, to a tolerance; a sample that is there stays there.

    Parameters
    ----------
    update
        Map T of images (B, C, H, W), in which samples do not influence each other.
    x
        Point to start from, shape (B, C, H, W).
    tolerance
        Largest residual ‖T(x) - x‖ / ‖T(x)‖ of a sample that is done.
    most
        Most evaluations of T.
    solver
        "plain": x ← T(x); "anderson": a combination of the last few (Anderson, 1965; Walker & Ni, 2011).

    Returns
    -------
    Found
        The best point that was reached of each sample.
    """
    best, smallest = x, torch.full((len(x),), torch.inf, dtype=x.real.dtype, device=x.device)
    points: list[Tensor] = []
    residuals: list[Tensor] = []
    steps = 0
    while steps < most:
        made, steps = update(x), steps + 1
        sizes = [torch.linalg.vector_norm(_flat(v), dim=1) for v in (made - x, made)]
        residual = sizes[0] / sizes[1].clamp_min(torch.finfo(x.real.dtype).tiny)
        better = (residual < smallest) & ~(smallest <= tolerance)
        spread = better.view(-1, *[1] * (x.ndim - 1))
        best, smallest = torch.where(spread, x, best), torch.where(better, residual, smallest)
        if bool((smallest <= tolerance).all()):
            break
        points, residuals = [*points, made][-_MEMORY:], [*residuals, made - x][-_MEMORY:]
        x = made if solver == "plain" or len(points) == 1 else _mixed(points, residuals)
    return Found(best, float(smallest.max()), steps)


class _Maps(FunctionCtx):
    maps: tuple[Map, Map]


class _Linear(torch.autograd.Function):
    """Linear map whose adjoint is known, so that it can be differentiated as often as one likes."""

    @staticmethod
    def forward(ctx: _Maps, v: Tensor, there: Map, back: Map) -> Tensor:
        ctx.maps = back, there
        return there(v)

    @staticmethod
    def backward(ctx: _Maps, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Linear.apply(gradient, *ctx.maps), None, None


class _Implicit(torch.autograd.Function):
    """Identity whose derivative is a given linear map: that of a fixed point by the last step into it."""

    @staticmethod
    def forward(ctx: _Maps, made: Tensor, there: Map, back: Map) -> Tensor:
        ctx.maps = back, there
        return made.clone()

    @staticmethod
    def backward(ctx: _Maps, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Linear.apply(gradient, *ctx.maps), None, None


def attached(update: Map, x: Tensor, inverse: Callable[[Map, Tensor], Tensor]) -> Tensor:
    r"""Return T(x) at a fixed point x, with the derivative :math:`(I - \partial T / \partial x)^{-1}` of it.

    The implicit function theorem, as in Bai et al. (2019): no iteration is kept.

    Parameters
    ----------
    update
        Map T, whose parameters and measurement carry gradients.
    x
        Fixed point, shape (B, C, H, W), without a graph.
    inverse
        Solver: it is given a linear map J and v, and returns the fixed point g = J g + v.

    Returns
    -------
    Tensor
        T(x), in the shape of x.
    """
    made = update(x)
    if not made.requires_grad:
        return made
    with torch.enable_grad():
        point = x.detach().requires_grad_(True)
        image = update(point)
        dummy = torch.zeros_like(image, requires_grad=True)

    def transposed(v: Tensor) -> Tensor:
        return torch.autograd.grad(image, point, v, retain_graph=True)[0]

    def forward(p: Tensor) -> Tensor:  # J p, as the derivative of v -> Jᵀ v
        with torch.enable_grad():
            (back,) = torch.autograd.grad(image, point, dummy, create_graph=True)
        return torch.autograd.grad(back, dummy, p)[0]

    attached_: Tensor = _Implicit.apply(made, lambda p: inverse(forward, p), lambda v: inverse(transposed, v))
    return attached_
