"""What a training strategy is."""

from abc import ABC, abstractmethod

from torch import Tensor

from sgdj.data.batch import Batch
from sgdj.draws import Draws
from sgdj.networks.base import Perturb, Reconstructor


class Strategy(ABC):
    """A training risk. All that is random in it comes from `draws`."""

    @abstractmethod
    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Loss of a batch.

        Parameters
        ----------
        reconstructor
            The network in training.
        batch
            References and measurements.
        draws
            Random numbers of the run's seed at the current epoch.

        Returns
        -------
        Tensor
            Scalar.
        """

    def validation_perturb(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Perturb | None:
        """Noise in the validation pass; none unless a strategy reproduces a validation that had some."""
        return None
