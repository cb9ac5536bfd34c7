"""What all attacks that search step by step have in common."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from sgdj.attacks.base import Attack
from sgdj.attacks.objective import Goal, objective
from sgdj.data.batch import Batch
from sgdj.draws import Draws
from sgdj.networks.base import Reconstructor


@dataclass
class Hill:
    """The function that an attack climbs.

    Parameters
    ----------
    value
        δ to the objective of every sample, shape (B,).
    budget
        ε_i, shape (B, 1, ..., 1).
    restrict
        Puts a perturbation on its support.
    average
        Forward passes per value, for reconstructors that are random at test.
    """

    value: Callable[[Tensor], Tensor]
    budget: Tensor
    restrict: Callable[[Tensor], Tensor]
    average: int = 1

    def mean(self, delta: Tensor) -> Tensor:
        """Objective averaged over the reconstructor's own randomness."""
        total = self.value(delta)
        for _ in range(self.average - 1):
            total = total + self.value(delta)
        return total / self.average

    def gradient(self, delta: Tensor) -> tuple[Tensor, Tensor]:
        """Objective and its gradient with respect to δ alone, on the support; both detached."""
        delta = delta.detach().requires_grad_(True)
        with torch.enable_grad():
            value = self.mean(delta)
            (gradient,) = torch.autograd.grad(value.sum(), delta)
        return value.detach(), self.restrict(gradient)


class Best:
    """The best δ of every sample so far.

    Parameters
    ----------
    delta, value
        To begin with.
    """

    def __init__(self, delta: Tensor, value: Tensor) -> None:
        self.delta, self.value = delta.clone(), value.clone()

    def offer(self, delta: Tensor, value: Tensor) -> Tensor:
        """Keep what is better; returns which samples are."""
        better = value > self.value
        self.delta[better], self.value[better] = delta[better], value[better]
        return better


@dataclass(eq=False, kw_only=True)
class Iterative(Attack):
    """Search from several starts; the best δ over steps and restarts is returned, per sample.

    All restarts run as one batch.

    Parameters
    ----------
    epsilon, rho, norm, support
        See `Attack`.
    steps
        Steps per restart.
    restarts
        Number of starts; the first is at zero unless `random_start`.
    random_start
        Begin every restart at a random point on the ball's surface.
    goal
        What is made large; see `sgdj.attacks.objective.objective`.
    average
        Forward passes averaged per value and gradient, for reconstructors that are random at test.
    """

    steps: int
    restarts: int
    random_start: bool
    goal: Goal = "squared_error"
    average: int = 1

    @abstractmethod
    def climb(self, hill: Hill, start: Tensor, best: Best, batch: Batch, draws: Draws) -> None:
        """Search from `start` and offer what is found to `best`."""

    @property
    @abstractmethod
    def passes(self) -> int:
        """Forward passes per sample and restart; one more at zero if the start is random."""

    def _start(self, restart: int, batch: Batch, budget: Tensor, draws: Draws) -> Tensor:
        if restart == 0 and not self.random_start:
            return torch.zeros_like(batch.y)
        noise = draws.normal("attack", batch.samples, batch.y, "start", restart)
        return budget * self.ball.steepest(self.restrict(noise, batch.operator))

    def hill(self, reconstructor: Reconstructor, batch: Batch, budget: Tensor) -> Hill:
        """The function to climb on a batch."""
        height = objective(self.goal, reconstructor, batch)
        return Hill(
            lambda delta: height(reconstructor(batch.y + delta, batch.operator)),
            budget,
            lambda delta: self.restrict(delta, batch.operator),
            self.average,
        )

    def __call__(
        self, reconstructor: Reconstructor, batch: Batch, draws: Draws, starts: Sequence[Tensor] = ()
    ) -> Tensor:
        """δ of the largest objective found for each sample.

        Parameters
        ----------
        reconstructor, batch, draws
            See `Attack`.
        starts
            Further perturbations to begin at, in the shape of `batch.y`; they are projected first.
        """
        budget = self.budget(batch.y)
        begun = [self._start(r, batch, budget, draws) for r in range(self.restarts)]
        begun += [self.ball.project(self.restrict(s, batch.operator), budget) for s in starts]
        many = repeat(batch, len(begun))
        hill = self.hill(reconstructor, many, budget.repeat(len(begun), *[1] * (budget.ndim - 1)))
        with torch.no_grad():
            zero = torch.zeros_like(many.y)
            # a search that starts at zero evaluates zero itself
            best = Best(zero, hill.mean(zero) if self.random_start else zero.flatten(1)[:, 0].real - inf)
        self.climb(hill, torch.cat(begun), best, many, draws)
        values = best.value.view(len(begun), len(batch))
        winner = values.argmax(0)
        deltas = best.delta.view(len(begun), *batch.y.shape)
        return deltas[winner, torch.arange(len(batch), device=winner.device)].detach()


def repeat(batch: Batch, count: int) -> Batch:
    """The batch `count` times over, one copy after the other."""
    if count == 1:
        return batch
    return replace(
        batch,
        x=batch.x.repeat(count, *[1] * (batch.x.ndim - 1)),
        y=batch.y.repeat(count, *[1] * (batch.y.ndim - 1)),
        operator=batch.operator.repeat(count),
        samples=batch.samples * count,
        volumes=batch.volumes * count,
        region=None if batch.region is None else batch.region.repeat(count, 1, 1, 1),
    )
