"""Define images, the problems posed with them, and the batches that reach a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sgdj.operators.acquisition import Acquired, Acquisition
from sgdj.operators.base import Operator
from sgdj.runtime.draws import Draws


@dataclass(frozen=True)
class Image:
    """One reference image.

    Parameters
    ----------
    x
        Reference image, shape (C, H, W), scaled so that its volume's maximum magnitude is 1 (or left to
        `Acquisition.normalise`).
    sample
        Id that no other image has.
    volume
        Id of the volume (patient, section) it belongs to: the unit of all statistics.
    acquired
        What the data hold of their own acquisition, such as coil sensitivities; None if it is simulated.
    """

    x: Tensor
    sample: str
    volume: str
    acquired: Acquired | None = None


@dataclass(frozen=True)
class Problem:
    """Images and their acquisition, before any noise is drawn.

    Parameters
    ----------
    x
        Reference images, shape (B, C, H, W).
    samples, volumes
        Id of each image, and id of its volume, length B.
    acquisition
        Protocol that makes the measurements.
    draws
        Source of masks and measurement noise, seeded with `dataset.seed`.
    assumed
        Acquisition that the network is told; None means the true one. Another one is a model mismatch.
    noise_key
        Name of the noise draw; another key gives another draw.
    region
        Where a shift drew something, boolean, shape (B, 1, H, W).
    colour
        Filter that turns white noise of unit variance into correlated noise.
    acquired
        What the data hold of their own acquisition, stacked over the batch; None if all of it is simulated.
    peak
        What image and stored noise were divided by, (B, 1, 1, 1); None for 1. See `Acquisition.stored_peak`.
    """

    x: Tensor
    samples: tuple[str, ...]
    volumes: tuple[str, ...]
    acquisition: Acquisition
    draws: Draws
    assumed: Acquisition | None = None
    noise_key: str = ""
    region: Tensor | None = None
    colour: Callable[[Tensor], Tensor] | None = None
    acquired: Acquired | None = None
    peak: Tensor | None = None

    def operator(self, acquisition: Acquisition) -> Operator:
        """Return the operator that an acquisition has for these images."""
        made = acquisition.operator((self.x.shape[-2], self.x.shape[-1]), self.volumes, self.draws)
        return acquisition.with_acquired(made, self.acquired or Acquired())


@dataclass(frozen=True)
class Batch:
    """Measurements with the operator that made them.

    Parameters
    ----------
    x
        Reference images, shape (B, C, H, W).
    y
        Measurements, in the shape that `operator.forward` returns.
    operator
        Operator A that the network is given.
    samples, volumes
        Id of each image, and id of its volume, length B.
    region
        Where a shift drew something, boolean, shape (B, 1, H, W); None without such a shift.
    """

    x: Tensor
    y: Tensor
    operator: Operator
    samples: tuple[str, ...]
    volumes: tuple[str, ...]
    region: Tensor | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, index: int) -> "Batch":
        """Return the batch of the sample at `index` alone."""
        one = slice(index, index + 1)
        return replace(
            self,
            x=self.x[one],
            y=self.y[one],
            operator=self.operator.take(index),
            samples=self.samples[one],
            volumes=self.volumes[one],
            region=None if self.region is None else self.region[one],
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return the batch with its tensors on `device`."""
        return replace(
            self,
            x=self.x.to(device, non_blocking=non_blocking),
            y=self.y.to(device, non_blocking=non_blocking),
            operator=self.operator.to(device, non_blocking=non_blocking),
            region=None if self.region is None else self.region.to(device, non_blocking=non_blocking),
        )


def pose(images: Sequence[Image], acquisition: Acquisition, draws: Draws) -> Problem:
    """Stack images of equal shape into a problem, in the acquisition's units."""
    x = torch.stack([image.x for image in images])
    samples, volumes = zip(*((image.sample, image.volume) for image in images), strict=True)
    acquired = Acquired.stack([image.acquired for image in images])
    return scaled(Problem(x, samples, volumes, acquisition, draws, acquired=acquired))


def scaled(problem: Problem) -> Problem:
    """Bring the images of a problem to the acquisition's units."""
    x = problem.acquisition.normalise(problem.x)
    peak = problem.acquisition.stored_peak(x, problem.samples, problem.draws)
    return replace(problem, x=x if peak is None else x / peak, peak=peak)


def measure(problem: Problem) -> Batch:
    r"""Simulate :math:`y = A x + z`; z lies on its support, one fixed draw per sample and `noise_key`."""
    x, acquisition = problem.x, problem.acquisition
    operator = problem.operator(acquisition)
    clean = operator.forward(x)
    keys = (problem.noise_key,) if problem.noise_key else ()
    white = problem.draws.normal("noise", problem.samples, clean, *keys)
    noise = acquisition.noise * (white if problem.colour is None else problem.colour(white))
    if problem.peak is not None and not problem.noise_key:  # stored noise, which was scaled with its measurement
        noise = noise / problem.peak
    y = clean + acquisition.on_support(noise, operator)
    if problem.assumed is not None:
        operator = problem.operator(problem.assumed)
    return Batch(x, y, operator, problem.samples, problem.volumes, problem.region)
