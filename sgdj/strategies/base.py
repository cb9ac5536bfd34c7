"""Define what a training strategy is."""

from abc import ABC, abstractmethod

from torch import Tensor

from sgdj.data.batch import Batch
from sgdj.networks.base import Perturb, Reconstructor
from sgdj.operators.acquisition import Acquisition
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

    def check(self, reconstructor: Reconstructor, acquisition: Acquisition) -> None:
        """Refuse a network or a problem that this strategy has no meaning for, before anything runs.

        Parameters
        ----------
        reconstructor
            Network that would be trained; its weights may hold no numbers.
        acquisition
            Protocol that would measure the images.

        Raises
        ------
        SettingError
            If it has no meaning there.
        """
        return

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Take note that epoch `epoch` (from 0) of `epochs` begins, for a strategy that changes with time."""
        return

    def validation_perturb(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Perturb | None:
        """Return the noise of the validation pass: none, unless a strategy reproduces a validation that had some."""
        return None
