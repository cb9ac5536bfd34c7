"""Draw signals on a random subspace, the toy problem with closed forms."""

from pathlib import Path

import numpy as np

from sgdj.config.types import Count, NonEmpty, Positive, Samples, Seed
from sgdj.data.arrays import ArrayImages
from sgdj.data.generate import write_array
from sgdj.data.generated import GeneratedSource
from sgdj.data.numpy_files import read_npy
from sgdj.data.source import SPLITS, ImageSet, Split
from sgdj.errors import SettingError
from sgdj.runtime.arrays import Array
from sgdj.runtime.draws import Draws


class SubspaceSource(GeneratedSource):
    """Vectors x = U c with U orthonormal (n x d) and c ~ N(0, I), as images of shape (1, n, 1).

    Each vector is a volume of its own. The expected squared norm is d (τ² = 1 in the closed forms).

    Parameters
    ----------
    directory
        Folder under which generated data is kept.
    seed
        Seed `dataset.seed`: everything about the data is a function of it.
    size
        Number n of entries of a vector.
    dimension
        Dimension d of the subspace, at most n.
    samples
        Number of vectors per split.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.

    Raises
    ------
    SettingError
        If d exceeds n.
    """

    generator = "subspace"

    def __init__(
        self,
        directory: NonEmpty,
        seed: Seed,
        size: Count,
        dimension: Count,
        samples: Samples,
        max_gib: Positive | None = None,
    ) -> None:
        super().__init__(directory, seed)
        if dimension > size:
            raise SettingError("dimension", "the subspace is larger than the space", "lower it")
        self.max_gib = max_gib
        self.size, self.dimension, self.samples = size, dimension, dict(samples)

    def parameters(self) -> dict[str, object]:
        """Return n, d and the number of samples."""
        return {"size": self.size, "dimension": self.dimension, "samples": self.samples}

    def build(self, folder: Path) -> None:
        """Write the basis and one array per split."""
        draws = Draws(self.seed)
        basis, _ = np.linalg.qr(draws.generator("data", "basis").standard_normal((self.size, self.dimension)))
        write_array(folder / "basis.npy", basis)
        for split in SPLITS:
            c = draws.generator("data", split).standard_normal((self.samples[split], self.dimension))
            write_array(folder / f"{split}.npy", (c @ basis.T).astype(np.float32))

    def basis(self) -> Array:
        """Return the basis U, shape (n, d), float64."""
        return read_npy(self.folder / "basis.npy", self.max_gib)

    def images(self, split: Split) -> ImageSet:
        """Return the vectors of a split."""
        x = read_npy(self.folder / f"{split}.npy", self.max_gib)
        names = [f"{split}{i:05d}" for i in range(len(x))]
        return ArrayImages(x[:, :, None], names, names)
