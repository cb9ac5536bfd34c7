"""Attack with a perturbation made for another network."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from sgdj.attacks.apgd import APGD
from sgdj.attacks.base import Attack, Found
from sgdj.attacks.chance import DRAWS, is_weaker, strongest_draw
from sgdj.config.types import Count, NonEmpty
from sgdj.data.batch import Batch
from sgdj.networks.base import Reconstructor
from sgdj.runs.network import load_network
from sgdj.runtime.draws import Draws


@dataclass(eq=False, kw_only=True)
class Transfer(Attack):
    """Run Auto-PGD on the network of another run, and put its δ to the network under test.

    Parameters
    ----------
    epsilon, rho, support, norm
        Budget and support of δ; see `Attack`.
    source
        Checkpoint of the other network, ``RUN_DIR/checkpoints/best.ckpt``.
    steps, restarts
        Extent of the search; see `APGD`.

    Raises
    ------
    InputError
        When called, if the checkpoint or its run's configuration cannot be read, or names other classes than this
        project's.
    """

    source: NonEmpty
    steps: Count
    restarts: Count

    @cached_property
    def other(self) -> Reconstructor:
        """Network that the perturbation is made for."""
        return load_network(Path(self.source))

    def __call__(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Find δ for the other network."""
        return self._search(batch)(self.other, batch, draws)

    def found(self, reconstructor: Reconstructor, batch: Batch, draws: Draws, starts: Sequence[Tensor] = ()) -> Found:
        """Find δ for the other network, and say whether it does harm here, too: more than random draws do."""
        search = self._search(batch)
        found = search.found(self.other, batch, draws)
        hill = search.hill(reconstructor, batch, self.budget(batch.y))
        chance = strongest_draw(hill, self.ball, batch, draws)
        with torch.no_grad():
            weaker = (hill.budget > 0).flatten() & is_weaker(hill.mean(found.delta), chance.value)
        if not weaker.any():
            return found
        why = f"it does not carry over: random draws of equal norm do more harm ({DRAWS} were drawn)"
        return Found(found.delta, found.believable & ~weaker, "; ".join(filter(None, [found.why, why])))

    def _search(self, batch: Batch) -> APGD:
        """Build the search, with the other network on the batch's device."""
        self.other.to(batch.y.device)
        return APGD(
            epsilon=self.epsilon, rho=self.rho, support=self.support, norm=self.norm,
            steps=self.steps, restarts=self.restarts, random_start=False,
        )  # fmt: skip
