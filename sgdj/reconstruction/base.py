"""Define how a kind of file is reconstructed."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sgdj.errors import InputError
from sgdj.networks.base import Reconstructor
from sgdj.operators import Acquisition, Operator
from sgdj.runtime.arrays import Array
from sgdj.runtime.draws import Draws


@dataclass
class Outcome:
    """Images and scores to show of a reconstructed file.

    Parameters
    ----------
    start, reconstruction, reference
        Middle image of starting point, reconstruction and reference, shape (H, W); no reference is None.
    scores
        Volume metrics of fastMRI by name, if there is a reference.
    """

    start: Array
    reconstruction: Array
    reference: Array | None = None
    scores: dict[str, float] = field(default_factory=dict)


class Format(ABC):
    """Reconstruct one kind of file.

    Attributes
    ----------
    suffixes
        Suffixes of the files that it reads, in lower case, with the dot.
    scores
        Whether a file may hold a reference.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.

    Parameters
    ----------
    network
        Trained reconstructor, in evaluation mode.
    acquisition
        Protocol that the network was trained with.
    draws
        Source of masks where a file has none of its own.
    device
        Device to compute on.
    tell
        Function that is called with notes for the user.
    """

    suffixes: tuple[str, ...] = ()
    max_gib: float | None = None
    scores = False

    def __init__(
        self,
        network: Reconstructor,
        acquisition: Acquisition,
        draws: Draws,
        device: torch.device,
        tell: Callable[[str], None],
    ) -> None:
        self.network, self.acquisition, self.draws = network, acquisition, draws
        self.device, self.tell = device, tell
        self._told: set[str] = set()

    def tell_once(self, note: str) -> None:
        """Tell the user, with the first of them, a note that holds for many files."""
        if note not in self._told:
            self._told.add(note)
            self.tell(note)

    def result_suffix(self, source: Path) -> str:
        """Return the suffix of the output, with the dot; the file's own if its format can hold the result."""
        return source.suffix

    @abstractmethod
    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Reconstruct a file into another one.

        Parameters
        ----------
        source
            Measured file to read.
        target
            File to write.

        Returns
        -------
        Outcome
            Images and scores to show.

        Raises
        ------
        InputError
            If the file cannot be used.
        """

    def apply(self, y: torch.Tensor, operator: Operator) -> torch.Tensor:
        """Reconstruct one measurement y of shape (1, C, H, W); x̂ is returned on the CPU."""
        with torch.no_grad():
            return self.network(y.to(self.device), operator.to(self.device)).cpu()

    def apply_scaled(self, y: torch.Tensor, source: Path) -> torch.Tensor:
        """Reconstruct one real measurement, which the network sees divided by its largest magnitude.

        Parameters
        ----------
        y
            Measurement, real, shape (1, 1, H, W).
        source
            File that it comes from, for the message.

        Returns
        -------
        torch.Tensor
            Reconstruction x̂ in the scale of y, shape (1, 1, H, W), on the CPU.

        Raises
        ------
        InputError
            If the measurement is zero everywhere.
        """
        scale = float(y.abs().max())
        if scale == 0:
            raise InputError("the data is zero everywhere", str(source), "remove the file")
        shape = (y.shape[-2], y.shape[-1])
        operator = self.acquisition.operator(shape, [source.name], self.draws)
        return self.apply((y / scale).float(), operator) * scale
