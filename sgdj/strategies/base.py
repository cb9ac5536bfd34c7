"""Define what a training strategy is."""

from abc import ABC, abstractmethod

from torch import Tensor

from sgdj.data.batch import Batch
from sgdj.networks.base import Perturb, Reconstructor
from sgdj.runtime.draws import Draws


class Strategy(ABC):
    """Risk that a network is trained on; everything random in it comes from `draws`."""

    @abstractmethod
    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Compute the loss of a batch.

        Parameters
        ----------
        reconstructor
            Network in training.
        batch
            References x and measurements y, with their operator.
        draws
            Random numbers of the run's seed at the current epoch.

        Returns
        -------
        Tensor
            Loss that is minimised, a scalar.
        """

    def validation_perturb(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Perturb | None:
        """Return the noise of the validation pass: none, unless a strategy reproduces a validation that had some."""
        return None
