"""How a kind of file is reconstructed."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sgdj.draws import Draws
from sgdj.errors import InputError
from sgdj.networks.base import Reconstructor
from sgdj.operators import Acquisition, Operator
from sgdj.runtime.arrays import Array


@dataclass
class Outcome:
    """What is worth showing of a reconstructed file.

    Parameters
    ----------
    start, reconstruction, reference
        Middle image, shape (H, W); no reference is None.
    scores
        fastMRI's volume metrics, if there is a reference.
    """

    start: Array
    reconstruction: Array
    reference: Array | None = None
    scores: dict[str, float] = field(default_factory=dict)


class Format(ABC):
    """How a kind of file is reconstructed.

    Attributes
    ----------
    suffixes
        Of the files that it reads, in lower case, with the dot.
    scores
        Whether a file may hold a reference.

    Parameters
    ----------
    network
        Trained reconstructor, in evaluation mode.
    acquisition
        The acquisition it was trained with.
    draws
        Source of masks where a file has none of its own.
    device
        Where to compute.
    tell
        Called with notes.
    """

    suffixes: tuple[str, ...] = ()
    max_gib: float | None = None  # `dataset.max_gib`: what a file may declare
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
        """Tell what holds for many files with the first of them."""
        if note not in self._told:
            self._told.add(note)
            self.tell(note)

    def result_suffix(self, source: Path) -> str:
        """Suffix of the output, with the dot; the file's own if its format can hold the result."""
        return source.suffix

    @abstractmethod
    def reconstruct(self, source: Path, target: Path) -> Outcome:
        """Reconstruct a file into another one.

        Raises
        ------
        InputError
            If the file cannot be used.
        """

    def apply(self, y: torch.Tensor, operator: Operator) -> torch.Tensor:
        """x̂ of one measurement (1, C, H, W), on the CPU."""
        with torch.no_grad():
            return self.network(y.to(self.device), operator.to(self.device)).cpu()

    def apply_scaled(self, y: torch.Tensor, source: Path) -> torch.Tensor:
        """x̂ of one real measurement (1, 1, H, W), which the network sees divided by its largest magnitude.

        Raises
        ------
        InputError
            If it is zero everywhere.
        """
        scale = float(y.abs().max())
        if scale == 0:
            raise InputError("the data is zero everywhere", str(source), "remove the file")
        shape = (y.shape[-2], y.shape[-1])
        operator = self.acquisition.operator(shape, [source.name], self.draws)
        return self.apply((y / scale).float(), operator) * scale
