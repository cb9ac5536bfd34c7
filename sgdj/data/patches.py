"""Cut patches from natural photographs, for denoising."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from sgdj.config.types import NonEmpty, Positive, Samples, Seed
from sgdj.data.generate import write_array
from sgdj.data.generated import GeneratedSource
from sgdj.data.images import StackImages, read_stack
from sgdj.data.numpy_files import read_npy
from sgdj.data.source import SPLITS, ImageSet, Split
from sgdj.runtime.draws import Draws
from sgdj.runtime.hashing import file_digest

#: Photographs that scikit-image packages; no photograph is in two splits.
PHOTOGRAPHS: dict[Split, tuple[str, ...]] = {
    "train": ("astronaut.png", "chelsea.png", "coins.png", "motorcycle_left.png", "rocket.jpg", "retina.jpg"),
    "val": ("coffee.png", "cell.png"),
    "test": ("camera.png", "moon.png", "hubble_deep_field.jpg", "ihc.png"),
}


def _folder() -> Path:
    import skimage  # imported where it is used: it is slow to load

    return Path(skimage.__file__).parent / "data"


class PatchSource(GeneratedSource):
    """Patches at random places of scikit-image's packaged photographs; a photograph is a volume.

    Photographs are reduced by two (2 x 2 means), which removes most of their own noise.

    Parameters
    ----------
    directory
        Folder under which generated data is kept.
    seed
        Seed `dataset.seed`: everything about the data is a function of it.
    size
        Side of a patch, in pixels.
    samples
        Number of patches per split.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    """

    generator = "patches"
    synthetic = False

    def __init__(
        self,
        directory: NonEmpty,
        seed: Seed,
        size: Annotated[int, Field(ge=11, le=128)],
        samples: Samples,
        max_gib: Positive | None = None,
    ) -> None:
        super().__init__(directory, seed)
        self.max_gib = max_gib
        self.size, self.samples = size, dict(samples)

    def parameters(self) -> dict[str, object]:
        """Return size and number of patches, and the photographs with their hashes."""
        photographs = {
            split: {name: file_digest(_folder() / name)[:16] for name in PHOTOGRAPHS[split]} for split in SPLITS
        }
        return {"size": self.size, "samples": self.samples, "photographs": photographs}

    def build(self, folder: Path) -> None:
        """Write one array per photograph."""
        draws = Draws(self.seed)
        for split in SPLITS:
            names = PHOTOGRAPHS[split]
            for number, name in enumerate(names):
                rng = draws.generator("data", split, name)
                photo = read_stack(_folder() / name)[0]
                height, width = (n // 2 * 2 for n in photo.shape)
                photo = photo[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))
                count = self.samples[split] // len(names) + (number < self.samples[split] % len(names))
                places = rng.integers(0, np.array(photo.shape) - self.size + 1, size=(count, 2))
                patches = [photo[top : top + self.size, left : left + self.size] for top, left in places]
                if patches:
                    write_array(folder / f"{split}-{Path(name).stem}.npy", np.stack(patches).astype(np.float32))

    def images(self, split: Split) -> ImageSet:
        """Return the patches of a split."""
        files = sorted(self.folder.glob(f"{split}-*.npy"))
        return StackImages({path.stem: read_npy(path, self.max_gib) for path in files})
