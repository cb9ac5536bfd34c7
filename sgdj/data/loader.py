"""Load images and measure them, batch by batch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from torch.utils.data import DataLoader, Sampler

from sgdj.data.batch import Batch, Image, Problem, measure, pose
from sgdj.data.source import ImageSet
from sgdj.operators.acquisition import Acquisition
from sgdj.runtime.draws import Draws


class EpochOrder(Sampler[int]):
    """Order the images of an epoch as a function of (seed, epoch).

    Parameters
    ----------
    count
        Number of images.
    draws
        Random numbers of the shuffling; None keeps the order.
    """

    def __init__(self, count: int, draws: Draws | None) -> None:
        self.count, self.draws, self.epoch = count, draws, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        if self.draws is None:
            yield from range(self.count)
        else:
            yield from self.draws.generator("shuffle", self.epoch).permutation(self.count).tolist()


class ShapeBatches(Sampler[list[int]]):
    """Batches of images alike in shape and coils, in the order of `sampler`.

    An incomplete batch of a kind comes last, or is left out with `drop_last`.
    """

    def __init__(self, sampler: EpochOrder, images: ImageSet, batch_size: int, drop_last: bool = False) -> None:
        self.sampler, self.images, self.batch_size, self.drop_last = sampler, images, batch_size, drop_last
        counts: dict[tuple[int, ...], int] = {}
        for i in range(len(images)):
            counts[images.alike(i)] = counts.get(images.alike(i), 0) + 1
        spare = 0 if drop_last else batch_size - 1
        self._length = sum((count + spare) // batch_size for count in counts.values())

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        waiting: dict[tuple[int, ...], list[int]] = {}
        for index in self.sampler:
            batch = waiting.setdefault(self.images.alike(index), [])
            batch.append(index)
            if len(batch) == self.batch_size:
                yield waiting.pop(self.images.alike(index))
        if not self.drop_last:
            yield from waiting.values()


class Shard(Sampler[list[int]]):
    """The part of every batch that belongs to one of several processes.

    Parameters
    ----------
    batches
        Batches of all processes together.
    rank
        Number of this process, from 0.
    world
        Number of all processes.
    """

    def __init__(self, batches: ShapeBatches, rank: int, world: int) -> None:
        self.sampler, self.batches, self.rank, self.world = batches.sampler, batches, rank, world

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches:
            yield batch[self.rank :: self.world]


class Measure:
    """Collate images into a measured batch.

    Parameters
    ----------
    acquisition
        Protocol that makes the measurements.
    draws
        Source of masks and noise, seeded with `dataset.seed`.
    shift
        Change of the problem before it is measured.
    noise_key
        Name of the noise draw; another key gives another draw.
    """

    def __init__(
        self,
        acquisition: Acquisition,
        draws: Draws,
        shift: Callable[[Problem], Problem] | None = None,
        noise_key: str = "",
    ) -> None:
        self.acquisition, self.draws, self.shift, self.noise_key = acquisition, draws, shift, noise_key

    def __call__(self, images: Sequence[Image]) -> Batch:
        """Pose the problem, shift it and measure it."""
        problem = replace(pose(images, self.acquisition, self.draws), noise_key=self.noise_key)
        return measure(problem if self.shift is None else self.shift(problem))


def batches(
    images: ImageSet,
    collate: Measure,
    batch_size: int,
    shuffle: Draws | None = None,
    workers: int = 0,
    part: tuple[int, int] = (0, 1),
    drop_last: bool = False,
) -> DataLoader[Image]:
    """Return a loader of measured batches; no batch mixes shapes, and no image is dropped unless it is asked for.

    Parameters
    ----------
    images
        Images of one split.
    collate
        Protocol that turns images into a measured batch.
    batch_size
        Largest number of images per batch.
    shuffle
        Random numbers of the order; None keeps it.
    workers
        Number of processes that read.
    part
        Number of this process and number of processes that share each batch.
    drop_last
        Whether to leave out the last incomplete batch of each shape.

    Returns
    -------
    DataLoader
        Loader of `Batch` objects.
    """
    whole = ShapeBatches(EpochOrder(len(images), shuffle), images, batch_size, drop_last)
    order = whole if part[1] == 1 else Shard(whole, *part)
    return DataLoader(
        images, batch_sampler=order, collate_fn=collate, num_workers=workers, persistent_workers=workers > 0
    )
