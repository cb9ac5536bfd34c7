"""What all attacks that search step by step have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from sgdj.attacks.base import Attack, Found
from sgdj.attacks.chance import DRAWS, is_weaker, strongest_draw
from sgdj.attacks.gradient_free import climb_without_gradients
from sgdj.attacks.hill import Best, Hill
from sgdj.attacks.objective import Goal, objective
from sgdj.config.types import Count
from sgdj.data.batch import Batch
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws

#: Effort of the search that stands in for one without a usable gradient; see `climb_without_gradients`.
_FEWEST_STEPS, _DIRECTIONS, _WIDTH = 20, 10, 0.3
_RESTARTS = 3  # of a search that random draws outdo


@dataclass(eq=False, kw_only=True)
class Iterative(Attack):
    """Search from several starts; the best δ over steps and restarts is returned, per sample.

    All restarts run as one batch.

    Parameters
    ----------
    epsilon, rho, norm, support
        Budget and support of δ; see `Attack`.
    steps
        Number of steps per restart.
    restarts
        Number of starts; the first is at zero unless `random_start`.
    random_start
        Start every restart at a random point on the ball's surface.
    goal
        Quantity to make large; see `sgdj.attacks.objective.objective`.
    average
        Number of forward passes averaged per value and gradient, for reconstructors that are random at test.
    """

    steps: Count
    restarts: Count
    random_start: bool
    goal: Goal = "squared_error"
    average: Count = 1

    @abstractmethod
    def climb(self, hill: Hill, start: Tensor, best: Best, batch: Batch, draws: Draws) -> None:
        """Search from `start`, and offer every point to `best`.

        Parameters
        ----------
        hill
            Objective to climb, one value per sample.
        start
            Perturbation to start from, in the shape of y.
        best
            Record of the best δ so far.
        batch
            Samples under attack, the restarts one after the other.
        draws
            Random numbers of the search.
        """

    @property
    @abstractmethod
    def passes(self) -> int:
        """Number of forward passes per sample and restart; one more at zero if the start is random."""

    def _start(self, restart: int, batch: Batch, budget: Tensor, draws: Draws) -> Tensor:
        if restart == 0 and not self.random_start:
            return torch.zeros_like(batch.y)
        noise = draws.normal("attack", batch.samples, batch.y, "start", restart)
        return budget * self.ball.steepest(self.restrict(noise, batch.operator))

    def hill(self, reconstructor: Reconstructor, batch: Batch, budget: Tensor) -> Hill:
        """Return the objective to climb on a batch."""
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
        """Find the δ of the largest objective for each sample.

        Parameters
        ----------
        reconstructor
            Network under attack, a differentiable map of y.
        batch
            References x and measurements y, with their operator.
        draws
            Random numbers of the search.
        starts
            Further perturbations to start from, in the shape of `batch.y`; they are projected first.

        Returns
        -------
        Tensor
            Perturbation δ, in the shape of `batch.y`, detached.
        """
        return self._search(reconstructor, batch, draws, starts)[0]

    def found(self, reconstructor: Reconstructor, batch: Batch, draws: Draws, starts: Sequence[Tensor] = ()) -> Found:
        """Find δ, and say whether a search attacked.

        Where no gradient is usable, a search without any is tried, too. Where random draws of equal norm do more harm
        than what was found, so are random starts. δ is the strongest of all that was tried, random draws included.

        Parameters
        ----------
        reconstructor
            Network under attack, a differentiable map of y.
        batch
            References x and measurements y, with their operator.
        draws
            Random numbers of the search.
        starts
            Further perturbations to start from, in the shape of `batch.y`; they are projected first.

        Returns
        -------
        Found
            Perturbation δ with its credibility, per sample.
        """
        delta, value, hill = self._search(reconstructor, batch, draws, starts)
        best, needed = Best(delta, value), (self.budget(batch.y) > 0).flatten()

        def somewhere(flags: Tensor | None) -> Tensor:
            return torch.zeros_like(needed) if flags is None else needed & flags.view(-1, len(batch)).any(0)

        why = []
        blind = torch.zeros_like(needed) if hill.usable is None else needed & ~somewhere(hill.usable)
        lost = somewhere(hill.undefined)
        if blind.any():
            why.append(
                f"no usable gradient: {hill.reason}; random starts and a search without gradients took its place"
            )
            self._search_without_gradients(reconstructor, batch, draws, best, blind)
        plain = self.hill(reconstructor, batch, self.budget(batch.y))
        chance = strongest_draw(plain, self.ball, batch, draws)
        weaker = needed & is_weaker(best.value, chance.value)
        if (again := weaker & ~blind).any():
            started = replace(self, restarts=max(self.restarts, _RESTARTS), random_start=True)
            best.offer(*started._search(reconstructor, batch, draws, ())[:2], among=again)
            self._search_without_gradients(reconstructor, batch, draws, best, again)
            weaker = needed & is_weaker(best.value, chance.value)
        if weaker.any():
            why.append(f"random draws of equal norm do more harm than any search ({DRAWS} were drawn)")
            best.offer(chance.delta, chance.value, among=weaker)
        if lost.any():
            why.append("some perturbations make its error NaN or infinite")
        return Found(best.delta, ~(blind | weaker | lost), "; ".join(why))

    def _search_without_gradients(
        self, reconstructor: Reconstructor, batch: Batch, draws: Draws, best: Best, among: Tensor
    ) -> None:
        """Offer `best` what a search without gradients finds for some of the samples."""
        hill = self.hill(reconstructor, batch, self.budget(batch.y))
        found = Best(best.delta, best.value)
        climb_without_gradients(
            hill, self.ball, torch.zeros_like(best.delta), found, batch, draws,
            steps=max(self.steps, _FEWEST_STEPS), directions=_DIRECTIONS, width=_WIDTH,
        )  # fmt: skip
        best.offer(found.delta, found.value, among)

    def _search(
        self, reconstructor: Reconstructor, batch: Batch, draws: Draws, starts: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Hill]:
        """Return δ, its objective, and the hill that was climbed, with its record of gradients.

        Of a defended network, what the same search finds for the network alone is one of its starts. So a search that
        keeps the best of its points is never weaker there than an attack that does not know of the defence.
        """
        budget = self.budget(batch.y)
        if reconstructor.undefended is not None:
            starts = [*starts, self._search(reconstructor.undefended, batch, draws, ())[0]]
        begun = [self._start(r, batch, budget, draws) for r in range(self.restarts)]
        begun += [self.ball.project(self.restrict(s, batch.operator), budget) for s in starts]
        many = repeat(batch, len(begun))
        hill = self.hill(reconstructor, many, budget.repeat(len(begun), *[1] * (budget.ndim - 1)))
        with torch.no_grad():
            zero = torch.zeros_like(many.y)
            # minus infinity: a search that starts at zero evaluates zero itself
            best = Best(zero, hill.mean(zero) if self.random_start else zero.flatten(1)[:, 0].real - inf)
        self.climb(hill, torch.cat(begun), best, many, draws)
        values = best.value.view(len(begun), len(batch))
        winner = values.argmax(0)
        deltas = best.delta.view(len(begun), *batch.y.shape)
        chosen = winner, torch.arange(len(batch), device=winner.device)
        return deltas[chosen].detach(), values[chosen], hill


def repeat(batch: Batch, count: int) -> Batch:
    """Repeat the batch `count` times, one copy after the other."""
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
