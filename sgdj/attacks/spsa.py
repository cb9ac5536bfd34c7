"""Attack without gradients, to find out whether they mislead the other attacks."""

from dataclasses import dataclass

from torch import Tensor

from sgdj.attacks.gradient_free import climb_without_gradients
from sgdj.attacks.hill import Best, Hill
from sgdj.attacks.iterative import Iterative
from sgdj.config.types import Count, Positive
from sgdj.data.batch import Batch
from sgdj.runtime.draws import Draws


@dataclass(eq=False, kw_only=True)
class SPSA(Iterative):
    """Simultaneous-perturbation ascent (Spall, 1992; as an attack: Uesato et al., 2018), forward passes only.

    Each step estimates the gradient by central differences along random directions and ascends with a step that falls
    from 2ε to ε/10. The first start is the best of `directions` random points rather than zero.

    Parameters
    ----------
    epsilon, rho, support, norm
        Budget and support of δ; see `Attack`.
    steps, restarts, random_start, goal, average
        Extent of the search; see `Iterative`.
    directions
        Number of random directions per step.
    width
        Length of a difference, in units of ε.
    """

    directions: Count
    width: Positive

    @property
    def passes(self) -> int:
        """Number of forward passes: two per direction and step, one after each step, the start, the random points."""
        return (self.steps * (2 * self.directions + 1) + 1 + self.directions + self.random_start) * self.average

    def climb(self, hill: Hill, start: Tensor, best: Best, batch: Batch, draws: Draws) -> None:
        """Run the gradient-free ascent from `start`; see `climb_without_gradients`."""
        climb_without_gradients(
            hill, self.ball, start, best, batch, draws, steps=self.steps, directions=self.directions, width=self.width
        )
