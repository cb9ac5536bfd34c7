"""Draw synthetic layered reflectivity sections."""

from pathlib import Path

import numpy as np

from sgdj.config.types import NonEmpty, Positive, Samples, Seed, Side
from sgdj.data.arrays import ArrayImages
from sgdj.data.generate import write_array
from sgdj.data.generated import GeneratedSource
from sgdj.data.numpy_files import read_npy
from sgdj.data.source import SPLITS, ImageSet, Split
from sgdj.runtime.arrays import Array
from sgdj.runtime.draws import Draws
from sgdj.runtime.progress import follow


def reflectivity(impedance: Array) -> Array:
    """Compute normal-incidence reflection coefficients down each trace.

    Parameters
    ----------
    impedance
        Acoustic impedance, or velocity where density is constant; shape (H, W), positive, in any unit.

    Returns
    -------
    np.ndarray
        Coefficients r_i = (Z_i - Z_{i-1}) / (Z_i + Z_{i-1}), shape (H, W); the first row is zero.
    """
    r = np.zeros_like(impedance)
    r[1:] = np.diff(impedance, axis=0) / (impedance[1:] + impedance[:-1])
    return r


def layered_section(height: int, width: int, rng: np.random.Generator, thickness_scale: float = 1.0) -> Array:
    """Draw one section with layers of varying thickness and contrast, dipping, folded and faulted.

    Parameters
    ----------
    height
        Height of the section, in samples.
    width
        Width of the section, in traces.
    rng
        Random generator of layers, folds and faults.
    thickness_scale
        Multiple of the layers' usual mean thickness beyond two samples.

    Returns
    -------
    np.ndarray
        Reflectivity, shape (height, width), float32.
    """
    span = 3 * height
    thickness = 2 + thickness_scale * rng.exponential(rng.uniform(0.03, 0.1) * height, size=span // 2)
    interfaces = np.cumsum(thickness) - height
    contrast = rng.gamma(1.5, rng.uniform(0.03, 0.12), size=len(interfaces) + 1)  # few strong, many weak
    log_impedance = np.cumsum(rng.choice([-1.0, 1.0], size=contrast.size) * contrast)
    log_impedance -= np.linspace(0, log_impedance[-1], contrast.size)  # keep the walk from drifting off

    z, x = np.mgrid[:height, :width].astype(float)
    u = x / max(width - 1, 1)
    depth = z / height
    shift = rng.normal(0, 0.12) * height * (u - 0.5)  # regional dip
    for _ in range(rng.integers(1, 4)):  # folds that fade or grow with depth
        amplitude = rng.uniform(0.01, 0.06) * height
        growth = rng.uniform(-0.8, 1.5)
        shift += amplitude * (1 + growth * depth) * np.sin(2 * np.pi * (rng.uniform(0.5, 2.5) * u + rng.uniform()))
    for _ in range(rng.integers(0, 4)):  # faults: a throw on one side of a dipping plane
        plane = rng.uniform(0.1, 0.9) * width + rng.normal(0, 0.4) * (z - height / 2)
        shift += rng.normal(0, 0.07) * height * (x > plane)
    layer = np.searchsorted(interfaces, z - shift)
    lateral = 1 + 0.3 * rng.normal() * (u - 0.5) + 0.2 * rng.normal() * np.sin(2 * np.pi * (u + rng.uniform()))
    impedance = np.exp(np.clip(lateral, 0.3, 1.7) * log_impedance[np.clip(layer, 0, contrast.size - 1)])
    return reflectivity(impedance).astype(np.float32)


class LayeredSource(GeneratedSource):
    """Layered reflectivity sections; every section is a volume of one sample.

    Parameters
    ----------
    directory
        Folder under which generated data is kept.
    seed
        Seed `dataset.seed`: everything about the data is a function of it.
    height
        Height of a section, in samples.
    width
        Width of a section, in traces.
    samples
        Number of sections per split.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    """

    generator = "layered"

    def __init__(
        self,
        directory: NonEmpty,
        seed: Seed,
        height: Side,
        width: Side,
        samples: Samples,
        max_gib: Positive | None = None,
    ) -> None:
        super().__init__(directory, seed)
        self.max_gib = max_gib
        self.height, self.width, self.samples = height, width, dict(samples)

    def parameters(self) -> dict[str, object]:
        """Return size and number of the sections."""
        return {"height": self.height, "width": self.width, "samples": self.samples}

    def build(self, folder: Path) -> None:
        """Write one array per split."""
        draws = Draws(self.seed)
        for split in SPLITS:
            count = self.samples[split]
            sections = [
                layered_section(self.height, self.width, draws.generator("data", split, i))
                for i in follow(range(count), count, f"generating {split} sections")
            ]
            write_array(folder / f"{split}.npy", np.stack(sections))

    def images(self, split: Split) -> ImageSet:
        """Return the sections of a split."""
        x = read_npy(self.folder / f"{split}.npy", self.max_gib)
        names = [f"{split}{i:05d}" for i in range(len(x))]
        return ArrayImages(x, names, names)
