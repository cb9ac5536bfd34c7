"""A perturbation made for another network."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from sgdj.attacks.apgd import APGD
from sgdj.attacks.base import Attack, Found
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
        """δ for the other network, and whether its gradient was usable."""
        return self._search(batch).found(self.other, batch, draws)

    def _search(self, batch: Batch) -> APGD:
        """What searches, with the other network on the batch's device."""
        self.other.to(batch.y.device)
        return APGD(
            epsilon=self.epsilon, rho=self.rho, support=self.support, norm=self.norm,
            steps=self.steps, restarts=self.restarts, random_start=False,
        )  # fmt: skip
