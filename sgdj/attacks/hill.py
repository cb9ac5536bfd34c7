"""Define the objective that an attack climbs, its gradient if it has one, and the best point found."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sgdj.attacks.ball import sample_norm
from sgdj.errors import RunError, as_run_error


def differentiate(value: Tensor, delta: Tensor) -> tuple[Tensor, str]:
    """Differentiate the sum of `value` with respect to `delta`.

    Parameters
    ----------
    value
        Objective of each sample, shape (B,).
    delta
        Perturbation δ that `value` was computed from, requiring a gradient.

    Returns
    -------
    tuple
        The gradient, zero where there is none, and the reason why there is none ("" where there is one).
    """
    none = torch.zeros_like(delta)
    if not value.requires_grad:
        return none, "its output has no graph that leads back to y"
    try:
        (gradient,) = torch.autograd.grad(value.sum(), delta, allow_unused=True)
    except Exception as error:  # a backward pass from outside may raise anything
        if isinstance(error, RunError) or (isinstance(error, RuntimeError | MemoryError) and as_run_error(error)):
            raise
        return none, f"its backward pass fails ({type(error).__name__}: {(str(error).splitlines() or [''])[0][:100]})"
    return (none, "its graph does not lead back to y") if gradient is None else (gradient, "")


@dataclass
class Hill:
    """Objective that an attack climbs, and a record of where it failed.

    Parameters
    ----------
    value
        Function of δ that returns the objective of every sample, shape (B,).
    budget
        Budget ε_i of each sample, shape (B, 1, ..., 1).
    restrict
        Function that sets δ to zero outside its support.
    average
        Number of forward passes averaged per value, for reconstructors that are random at test.

    Attributes
    ----------
    usable
        Which samples had a gradient that is finite and not zero at some point, boolean, shape (B,); None before a
        gradient is asked for.
    undefined
        Which samples had an objective that is NaN or infinite at some point, boolean, shape (B,); None before a value
        is asked for.
    """

    value: Callable[[Tensor], Tensor]
    budget: Tensor
    restrict: Callable[[Tensor], Tensor]
    average: int = 1
    usable: Tensor | None = field(default=None, init=False)
    undefined: Tensor | None = field(default=None, init=False)
    _why: str = field(default="", init=False)
    _infinite: Tensor | None = field(default=None, init=False)

    def mean(self, delta: Tensor) -> Tensor:
        """Average the objective over the reconstructor's own randomness; minus infinity where it is NaN."""
        return self._defined(self._mean(delta))

    def _mean(self, delta: Tensor) -> Tensor:
        total = self.value(delta)
        for _ in range(self.average - 1):
            total = total + self.value(delta)
        return total / self.average

    def _defined(self, value: Tensor) -> Tensor:
        undefined = ~torch.isfinite(value.detach())
        self.undefined = undefined if self.undefined is None else self.undefined | undefined
        return torch.where(value.isnan(), -torch.inf, value)  # a search never stays at a NaN

    def gradient(self, delta: Tensor) -> tuple[Tensor, Tensor]:
        """Return the objective and its gradient with respect to δ alone, on the support; both detached.

        Entries of the gradient that are not finite become zero; `usable` and `reason` tell of them.
        """
        delta = delta.detach().requires_grad_(True)
        with torch.enable_grad():
            value = self._mean(delta)
            gradient, why = differentiate(value, delta)
        gradient = self.restrict(gradient.detach())
        norm = sample_norm(gradient).flatten()
        usable, infinite = torch.isfinite(norm) & (norm > 0), ~torch.isfinite(norm)
        self.usable = usable if self.usable is None else self.usable | usable
        self._infinite = infinite if self._infinite is None else self._infinite | infinite
        self._why = self._why or why
        zero = torch.zeros((), dtype=gradient.dtype, device=gradient.device)
        return self._defined(value.detach()), torch.where(torch.isfinite(gradient), gradient, zero)

    @property
    def reason(self) -> str:
        """Say why a gradient was not usable."""
        if self._why or self.usable is None or self._infinite is None:
            return self._why
        infinite = bool((self._infinite & ~self.usable).any())
        return "its gradient has entries that are NaN or too large" if infinite else "its gradient is zero"


class Best:
    """Record of the best δ of every sample so far.

    Parameters
    ----------
    delta
        First perturbation, in the shape of y.
    value
        Its objective, shape (B,).
    """

    def __init__(self, delta: Tensor, value: Tensor) -> None:
        self.delta, self.value = delta.clone(), value.clone()

    def offer(self, delta: Tensor, value: Tensor, among: Tensor | None = None) -> Tensor:
        """Replace δ where `value` is larger.

        Parameters
        ----------
        delta
            Perturbations, in the shape of the measurements.
        value
            Objective that each of them reaches, shape (B,).
        among
            Samples that may be replaced, boolean, shape (B,); None for all.

        Returns
        -------
        Tensor
            Which samples were replaced, boolean, shape (B,).
        """
        better = value > self.value if among is None else among & (value > self.value)
        self.delta[better], self.value[better] = delta[better], value[better]
        return better
