"""A perturbation made for another network."""

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
from sgdj.draws import Draws
from sgdj.networks.base import Reconstructor
from sgdj.runs.network import load_network


@dataclass(eq=False, kw_only=True)
class Transfer(Attack):
    """Auto-PGD on the network of another run; what it finds is put to the one under test.

    Parameters
    ----------
    epsilon, rho, support, norm
        See `Attack`.
    source
        Checkpoint of the other network, ``RUN_DIR/checkpoints/best.ckpt``.
    steps, restarts
        See `APGD`.

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
        """The network that the perturbation is made for."""
        return load_network(Path(self.source))

    def __call__(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """δ for the other network."""
        return self._search(batch)(self.other, batch, draws)

    def found(self, reconstructor: Reconstructor, batch: Batch, draws: Draws, starts: Sequence[Tensor] = ()) -> Found:
        """δ for the other network, and whether it attacked that one, and does more harm here than random draws do."""
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
        """What searches, with the other network on the batch's device."""
        self.other.to(batch.y.device)
        return APGD(
            epsilon=self.epsilon, rho=self.rho, support=self.support, norm=self.norm,
            steps=self.steps, restarts=self.restarts, random_start=False,
        )  # fmt: skip
