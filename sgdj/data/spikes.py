"""Draw reflectivity of a few spikes in every trace, as the authors' generator does."""

from pathlib import Path

import numpy as np

from sgdj.config.types import Count, NonEmpty, Positive, Samples, Seed, Side
from sgdj.data.arrays import ArrayImages
from sgdj.data.generate import write_array
from sgdj.data.generated import GeneratedSource
from sgdj.data.numpy_files import read_npy
from sgdj.data.source import SPLITS, ImageSet, Split
from sgdj.errors import SettingError
from sgdj.runtime.arrays import Array
from sgdj.runtime.draws import Draws
from sgdj.runtime.progress import follow


def spike_section(
    height: int, width: int, spikes: int, amplitude: float, coherent: bool, rng: np.random.Generator
) -> Array:
    """Draw one section.

    Parameters
    ----------
    height
        Height of the section, in samples.
    width
        Width of the section, in traces.
    spikes
        Number N of spikes in every trace, at places drawn without replacement.
    amplitude
        Largest magnitude; amplitudes are uniform between its negative and itself.
    coherent
        Whether a trace's spikes are those of its neighbour, up to one sample up or down, in place of new ones.
    rng
        Random generator of places and amplitudes.

    Returns
    -------
    np.ndarray
        Reflectivity, shape (height, width), float32.
    """
    section = np.zeros((height, width))
    for trace in range(width):
        if trace == 0 or not coherent:
            places = rng.choice(height, spikes, replace=False)
            values = rng.uniform(-amplitude, amplitude, spikes)
        else:
            moved = np.clip(places + rng.integers(-1, 2, spikes), 0, height - 1)
            if len(np.unique(moved)) == spikes:  # else two would fall together
                places = moved
        section[places, trace] = values
    return section.astype(np.float32)


class SpikeSource(GeneratedSource):
    """Sections of isolated spikes; every section is a volume of one sample.

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
    spikes
        Number of spikes in every trace.
    amplitude
        Largest magnitude of a spike, before sections are scaled.
    coherent
        Whether spikes continue from trace to trace.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    """

    generator = "spikes"

    def __init__(
        self,
        directory: NonEmpty,
        seed: Seed,
        height: Side,
        width: Side,
        samples: Samples,
        spikes: Count,
        amplitude: Positive,
        coherent: bool,
        max_gib: Positive | None = None,
    ) -> None:
        super().__init__(directory, seed)
        if spikes > height:
            raise SettingError("spikes", f"{spikes} exceeds the {height} samples of a trace", "lower it")
        self.max_gib = max_gib
        self.height, self.width, self.samples = height, width, dict(samples)
        self.spikes, self.amplitude, self.coherent = spikes, amplitude, coherent

    def parameters(self) -> dict[str, object]:
        """Return size and number of the sections, and what is in them."""
        own = {"spikes": self.spikes, "amplitude": self.amplitude, "coherent": self.coherent}
        return {"height": self.height, "width": self.width, "samples": self.samples, **own}

    def build(self, folder: Path) -> None:
        """Write one array per split."""
        draws, own = Draws(self.seed), (self.spikes, self.amplitude, self.coherent)
        for split in SPLITS:
            count = self.samples[split]
            sections = [
                spike_section(self.height, self.width, *own, draws.generator("data", split, i))
                for i in follow(range(count), count, f"generating {split} sections")
            ]
            write_array(folder / f"{split}.npy", np.stack(sections))

    def images(self, split: Split) -> ImageSet:
        """Return the sections of a split."""
        x = read_npy(self.folder / f"{split}.npy", self.max_gib)
        names = [f"{split}{i:05d}" for i in range(len(x))]
        return ArrayImages(x, names, names)
