"""Deep equilibrium: the fixed point of the jittered iteration, rather than K steps towards it."""

from dataclasses import replace
from functools import partial
from typing import Literal

from torch import Tensor

from sgdj.config.types import Count, Positive
from sgdj.networks.base import LearnedPart, Perturb, Reconstructor
from sgdj.networks.fixed_point import Map, attached, fixed_point
from sgdj.networks.step import StepSize
from sgdj.networks.unrolled import GradientDescent, ProximalGradient, Unrolled
from sgdj.operators.base import Operator


class DeepEquilibrium(Reconstructor):
    r"""Deep equilibrium network (Gilton et al., 2021): :math:`\hat x = T_\theta(\hat x; y)`, T being one iteration.

    T is the iteration of `GradientDescent` or of `ProximalGradient`. The gradient is that of the fixed point, by the
    implicit function theorem. Jitter is one noise for each sample, drawn at x_0 and fixed during the solve. A map that
    is not contractive may have no fixed point: then the point of the smallest residual is taken, and `notes` tell how
    large it is.

    Parameters
    ----------
    learned
        Learned gradient f_θ or proximal map prox_θ.
    step
        Step size η of the iteration.
    form
        Iteration, "gd" or "prox".
    start
        Where the solver starts, "adjoint" for Aᴴy or "measurement" for y.
    solver
        "anderson" or "plain"; see `sgdj.networks.fixed_point.fixed_point`.
    tolerance
        Largest ‖T(x̂) - x̂‖ / ‖x̂‖ of a sample that is solved.
    gradient_tolerance
        The same for the linear fixed point that gives the gradient.
    most
        Most evaluations of T, and most products with its Jacobian.
    """

    twice = False

    def __init__(
        self,
        learned: LearnedPart,
        step: StepSize,
        form: Literal["gd", "prox"],
        start: Literal["adjoint", "measurement"],
        solver: Literal["anderson", "plain"],
        tolerance: Positive,
        gradient_tolerance: Positive,
        most: Count,
    ) -> None:
        super().__init__()
        kind: type[Unrolled] = GradientDescent if form == "gd" else ProximalGradient
        self.iteration = kind(learned, step, 1, start)
        self.start: str = start
        self.solver, self.tolerance, self.gradient_tolerance, self.most = solver, tolerance, gradient_tolerance, most
        self._reached: dict[str, tuple[float, int]] = {}

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Return the fixed point for y, shape (B, C, H, W)."""
        x, at = self.iteration.begin(y, operator)
        if perturb is not None:
            w = perturb(0, x, at.descend(x))
            at = replace(at, perturb=lambda k, x, z: w)
        update = partial(self.iteration.update, at)
        return attached(update, self._solve("x̂", update, x.detach(), self.tolerance), self._inverse)

    def _inverse(self, product: Map, v: Tensor) -> Tensor:
        """Solve g = J g + v."""
        return self._solve("gradient", lambda g: product(g) + v, v, self.gradient_tolerance)

    def _solve(self, what: str, update: Map, x: Tensor, tolerance: float) -> Tensor:
        found = fixed_point(update, x, tolerance, self.most, self.solver)
        residual, steps = self._reached.get(what, (0.0, 0))
        self._reached[what] = max(residual, found.residual), max(steps, found.steps)
        return found.x

    def forget(self) -> None:
        """Forget what the solver has reached so far."""
        self._reached.clear()

    @property
    def notes(self) -> list[str]:
        """What the solver has reached so far, for `x̂` and for gradients."""
        tolerances = {"x̂": self.tolerance, "gradient": self.gradient_tolerance}
        return [
            f"fixed point of {what}: relative residual up to {residual:.1e} within {steps} steps "
            f"(tolerance {tolerances[what]:g}, most {self.most})"
            for what, (residual, steps) in self._reached.items()
        ]
