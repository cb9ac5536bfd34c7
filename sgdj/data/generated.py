"""Define what all embedded data sets have in common."""

from abc import abstractmethod
from pathlib import Path

from sgdj.data.content import content_digest
from sgdj.data.generate import generate_once
from sgdj.data.source import Source


class GeneratedSource(Source):
    """Data made by a generator whose parameters identify it.

    Parameters
    ----------
    directory
        Folder under which generated data is kept.
    seed
        Seed `dataset.seed`: everything about the data is a function of it.
    """

    synthetic = True
    version = 1
    generator = ""

    def __init__(self, directory: str, seed: int) -> None:
        self.directory, self.seed = Path(directory), seed

    @abstractmethod
    def parameters(self) -> dict[str, object]:
        """Return the parameters of the generator, in plain types."""

    @abstractmethod
    def build(self, folder: Path) -> None:
        """Fill an empty folder with the data."""

    def manifest(self) -> dict[str, object]:
        """Return generator, version, seed and parameters."""
        return {"generator": self.generator, "version": self.version, "seed": self.seed, **self.parameters()}

    def prepare(self) -> None:
        """Generate the data unless it is there, intact."""
        self.folder = generate_once(self.directory, self.manifest(), self.build)

    def content_hash(self) -> str:
        """Hash the arrays that were generated; rounding of another processor shows in it."""
        return content_digest(self.folder)
