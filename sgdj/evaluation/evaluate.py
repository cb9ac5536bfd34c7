"""Measure reconstructors under a list of conditions."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.data import Subset

from sgdj.attacks.ball import sample_norm
from sgdj.attacks.base import Found
from sgdj.attacks.budgets import sweep
from sgdj.attacks.iterative import repeat
from sgdj.config.settings import Evaluation
from sgdj.data.batch import Batch, Image
from sgdj.data.loader import Measure, batches
from sgdj.data.source import ImageSet
from sgdj.evaluation.conditions import Condition
from sgdj.evaluation.summary import SAMPLE_METRICS, VolumePairs, summarise
from sgdj.metrics.image import definitions, local_psnr, sample_metrics, to_real
from sgdj.networks.base import Reconstructor
from sgdj.networks.external import Foreign
from sgdj.networks.neighbours import ROUNDING, is_repeatable, neighbour_dependence
from sgdj.networks.unrolled import Unrolled
from sgdj.operators.acquisition import Acquisition
from sgdj.runtime.contents import SampleRow, Summary
from sgdj.runtime.draws import Draws
from sgdj.runtime.progress import follow

COLUMNS = (
    "reconstructor", "condition", "shift", "attack", "level", "epsilon", "delta_norm", "sample", "volume",
    "psnr", "ssim", "nmse", "loss", "y_norm", "noise_norm", "local_psnr", "replaced",
    "believable", "factor", "shift_level", "iterations",
)  # fmt: skip


@dataclass
class Panel:
    """Images of one sample that a reconstruction panel shows, each without the batch axis."""

    condition: str
    sample: str
    reference: Tensor
    start: Tensor
    reconstruction: Tensor
    delta: Tensor
    """δ; zero without an attack."""
    back: Tensor
    """Aᴴδ."""
    region: Tensor | None
    """Where a shift drew something."""


@dataclass
class Result:
    """Outcome of an evaluation."""

    rows: list[SampleRow]
    summary: Summary
    panels: list[Panel]
    notes: list[str] = field(default_factory=list)
    """What must be known about the numbers: conditions that cannot be believed, and why."""


def trial(
    reconstructor: Reconstructor, images: ImageSet, acquisition: Acquisition, seed: int, device: torch.device
) -> None:
    """Reconstruct one measurement, and two at once, so that failures are reported before anything is written.

    Parameters
    ----------
    reconstructor
        Reconstructor from outside the project.
    images
        Test images, of which the first are used.
    acquisition
        Protocol that measures the images.
    seed
        Seed of masks and noise, `dataset.seed`.
    device
        Device to compute on.

    Raises
    ------
    InputError
        If the reconstructor fails.
    """
    measured = Measure(acquisition, Draws(seed))([images[0]]).to(device)
    reconstructor = reconstructor.to(device).eval()
    with torch.no_grad():
        for batch in (measured, repeat(measured, 2)):
            reconstructor(batch.y, batch.operator)


@contextmanager
def _with_iterations(reconstructor: Reconstructor, count: int) -> Iterator[None]:
    """Set another K for the length of the context, where the reconstructor has one."""
    own = getattr(reconstructor, "iterations", None)
    if own is not None:
        reconstructor.iterations = count  # type: ignore[assignment]
    try:
        yield
    finally:
        if own is not None:
            reconstructor.iterations = own


@torch.no_grad()
def _walk(reconstructor: Reconstructor, batch: Batch, counts: list[int]) -> dict[int | None, Tensor]:
    """Reconstruct with several K, in one pass where the reconstructor shows its iterates."""
    if isinstance(reconstructor, Unrolled) and counts:
        with _with_iterations(reconstructor, max(counts)):
            return {k: x for k, x in enumerate(reconstructor.iterates(batch.y, batch.operator)) if k in counts}
    made: dict[int | None, Tensor] = {}
    for k in counts:
        with _with_iterations(reconstructor, k):
            made[k] = reconstructor(batch.y, batch.operator)
    return made


def evaluate(
    reconstructors: dict[str, Reconstructor],
    images: ImageSet,
    acquisition: Acquisition,
    listed: list[Condition],
    *,
    seed: int,
    settings: Evaluation,
    device: torch.device,
    volume_metrics: bool,
    workers: int = 0,
) -> Result:
    """Measure every reconstructor under every condition; each faces an attack of its own.

    Parameters
    ----------
    reconstructors
        Reconstructors by name; panels show the first one, with the last one as starting point.
    images
        Test images to measure.
    acquisition
        Protocol that measures the images.
    listed
        Conditions to measure under.
    seed
        Seed `dataset.seed`: masks, noise and the random starts of attacks do not depend on the training seed.
    settings
        What is to be measured, and how.
    device
        Device to compute on.
    volume_metrics
        Whether to compute fastMRI's volume metrics, too.
    workers
        Number of processes that read data.

    Returns
    -------
    Result
        Rows, summary and panels.
    """
    draws, chosen = Draws(seed), measured_images(images, settings)
    table = _Table(reconstructors, settings, volume_metrics)
    for reconstructor in reconstructors.values():
        reconstructor.forget()
    measured: dict[tuple[str, str], list[Condition]] = defaultdict(list)
    for condition in listed:
        measured["" if condition.shift is None else condition.name, condition.noise_key].append(condition)
    steps = len(measured) * len(batches(chosen, Measure(acquisition, draws), settings.batch_size))

    def work() -> Iterator[tuple[list[Condition], Batch]]:
        for group in measured.values():
            collate = Measure(acquisition, draws, group[0].shift, group[0].noise_key)
            for batch in batches(chosen, collate, settings.batch_size, workers=workers):
                yield group, batch.to(device)

    for group, batch in follow(work(), steps, "evaluating", _named):
        if not table.tried:
            table.try_out(batch)
        found = {
            name: _perturbations(reconstructor.eval(), group, batch, draws, settings.sweep)
            for name, reconstructor in reconstructors.items()
        }
        counts = [condition.key.iterations for condition in group if condition.key.iterations is not None]
        walks = {name: _walk(reconstructor, batch, counts) for name, reconstructor in reconstructors.items()}
        for condition in group:
            walked = {name: walk.get(condition.key.iterations) for name, walk in walks.items()}
            table.add(condition, batch, {name: found[name][condition.name] for name in reconstructors}, walked)
    return table.result(listed)


def _named(work: tuple[list[Condition], Batch]) -> str:
    """Name the conditions that share a measurement, for the progress bar."""
    return ", ".join(condition.name for condition in work[0])


@dataclass(frozen=True)
class _Perturbation:
    found: Found
    replaced: Tensor | None = None
    """Which samples took over the δ of a smaller budget; None where budgets are searched apart."""


def _perturbations(
    reconstructor: Reconstructor, group: list[Condition], batch: Batch, draws: Draws, how: str
) -> dict[str, _Perturbation]:
    """Find δ for every condition that shares a measurement."""
    none = _Perturbation(Found(torch.zeros_like(batch.y), torch.ones(len(batch), dtype=torch.bool)))
    found = {condition.name: none for condition in group if condition.attack is None}
    families: dict[str, list[Condition]] = defaultdict(list)
    for condition in group:
        if condition.attack is not None:
            families[condition.key.attack].append(condition)
    for family in families.values():
        attacks = [condition.attack for condition in family if condition.attack is not None]
        if how == "warm":
            swept = sweep(attacks, reconstructor, batch, draws)
            made = [_Perturbation(*pair) for pair in zip(swept.found, swept.replaced, strict=True)]
        else:
            made = [_Perturbation(attack.found(reconstructor, batch, draws)) for attack in attacks]
        found |= {condition.name: one for condition, one in zip(family, made, strict=True)}
    return found


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


class _Table:
    """Collect the rows and panels of an evaluation.

    Parameters
    ----------
    reconstructors
        Reconstructors by name.
    settings
        The `evaluation` node of the configuration.
    volume_metrics
        Whether to compute fastMRI's volume metrics, too.
    """

    def __init__(self, reconstructors: dict[str, Reconstructor], settings: Evaluation, volume_metrics: bool) -> None:
        self.reconstructors, self.settings, self.volume_metrics = reconstructors, settings, volume_metrics
        self._compared = (settings.part, settings.clamp01_prediction, settings.clamp01_reference)
        self.rows: dict[str, list[SampleRow]] = defaultdict(list)
        self.panels: dict[str, list[Panel]] = defaultdict(list)
        self.volumes: VolumePairs = defaultdict(list)
        self.tried, self.notes = False, list[str]()
        self.dependent: set[str] = set()
        self.doubts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def try_out(self, batch: Batch) -> None:
        """Check whether reconstructors from outside the project depend on more than their measurement."""
        self.tried = True
        for name, reconstructor in self.reconstructors.items():
            if not isinstance(reconstructor, Foreign):
                continue
            if not is_repeatable(reconstructor, batch.y, batch.operator):
                self.notes.append(f"{name}: two passes differ; attack.average averages over its randomness")
            elif neighbour_dependence(reconstructor, batch.y, batch.operator, 1) > ROUNDING:
                self.dependent.add(name)

    def _doubt(self, name: str, condition: str, doubtful: Tensor, why: str) -> None:
        if doubtful.any():
            self.doubts[name, why][condition] += int(doubtful.sum())

    def add(
        self,
        condition: Condition,
        batch: Batch,
        perturbations: dict[str, _Perturbation],
        walked: dict[str, Tensor | None],
    ) -> None:
        """Measure a batch under a condition, with each reconstructor's perturbation, and its x̂ if it is known."""
        noise_norm = sample_norm(batch.y - batch.operator.forward(batch.x)).flatten().tolist()
        y_norm = sample_norm(batch.y).flatten().tolist()
        epsilon = torch.zeros(len(batch)) if condition.attack is None else condition.attack.budget(batch.y).flatten()
        made: dict[str, Tensor] = {}
        for name, reconstructor in self.reconstructors.items():
            found, replaced = perturbations[name].found, perturbations[name].replaced
            delta = found.delta
            with torch.no_grad():
                known = walked[name]
                made[name] = reconstructor(batch.y + delta, batch.operator) if known is None else known
            values = sample_metrics(made[name], batch.x, *self._compared)
            local = [math.nan] * len(batch)
            if batch.region is not None:
                local = local_psnr(made[name], batch.x, batch.region, self.settings.part)
            norms = sample_norm(delta).flatten().tolist()
            believable, finite = found.believable.cpu(), torch.isfinite(made[name]).flatten(1).all(1).cpu()
            together = torch.full_like(finite, name in self.dependent)
            self._doubt(name, condition.name, ~believable, found.why)
            self._doubt(name, condition.name, ~finite, "its reconstruction has NaN or infinite entries")
            self._doubt(name, condition.name, together, "its result depends on the other samples of a batch")
            believable = believable & finite & ~together
            for i, (sample, volume) in enumerate(zip(batch.samples, batch.volumes, strict=True)):
                self.rows[condition.name].append(
                    {
                        "reconstructor": name,
                        "condition": condition.name,
                        "shift": condition.key.shift,
                        "attack": condition.key.attack,
                        "level": condition.level,
                        "epsilon": float(epsilon[i]),
                        "delta_norm": norms[i],
                        "sample": sample,
                        "volume": volume,
                        **{metric: values[metric][i] for metric in SAMPLE_METRICS},
                        "y_norm": y_norm[i],
                        "noise_norm": noise_norm[i],
                        "local_psnr": local[i],
                        "replaced": math.nan if replaced is None else float(replaced[i]),
                        "believable": int(believable[i]),
                        "factor": _or_nan(condition.key.factor),
                        "shift_level": _or_nan(condition.key.level),
                        "iterations": _or_nan(condition.key.iterations),
                    }
                )
                if self.volume_metrics:
                    pair = (to_real(made[name][i, 0]).cpu(), to_real(batch.x[i, 0]).cpu())
                    self.volumes[name, condition.name, volume].append(pair)
        self._picture(condition, batch, made, next(iter(perturbations.values())).found.delta)

    def _picture(self, condition: Condition, batch: Batch, made: dict[str, Tensor], delta: Tensor) -> None:
        """Keep panels of the first samples; a panel belongs to the measurement of the first reconstructor."""
        have = self.panels[condition.name]
        wanted = min(self.settings.panels - len(have), len(batch)) if condition.pictured else 0
        if wanted <= 0:
            return
        start = list(self.reconstructors.values())[-1]
        with torch.no_grad():
            x0, back = start(batch.y + delta, batch.operator), batch.operator.adjoint(delta)
        first = next(iter(made.values()))
        for i in range(wanted):
            x, start_i, made_i, delta_i, back_i = (v[i].cpu() for v in (batch.x, x0, first, delta, back))
            region = None if batch.region is None else batch.region[i].cpu()
            have.append(Panel(condition.name, batch.samples[i], x, start_i, made_i, delta_i, back_i, region))

    def result(self, listed: list[Condition]) -> Result:
        """Return rows and panels in the order of the conditions."""
        rows = [row for condition in listed for row in self.rows[condition.name]]
        panels = [panel for condition in listed for panel in self.panels[condition.name]]
        how = definitions(*self._compared)
        summary = {**summarise(rows, self.volumes), "definitions": how}
        notes = self._notes()
        return Result(rows, summary | ({"notes": notes} if notes else {}), panels, notes)

    def _notes(self) -> list[str]:
        lines = []
        for (name, why), counts in self.doubts.items():
            of = {condition: len(self.rows[condition]) // len(self.reconstructors) for condition in counts}
            shown = [f"{c} ({n} of {of[c]} samples)" if n < of[c] else c for c, n in counts.items()]
            lines.append(f"not believable: {name} under {', '.join(shown)}: {why}")
        for name, reconstructor in self.reconstructors.items():
            lines += [f"{name}: {note}" for note in getattr(reconstructor, "notes", [])]
        return lines + self.notes


def measured_images(images: ImageSet, settings: Evaluation) -> ImageSet:
    """Return the images that an evaluation measures: the first `max_samples`, in whole batches if `drop_last`."""
    count = len(images) if settings.max_samples is None else min(settings.max_samples, len(images))
    if settings.drop_last and count >= settings.batch_size:
        count -= count % settings.batch_size
    return images if count == len(images) else _First(images, count)


class _First(ImageSet):
    """Limit an image set to its first images."""

    def __init__(self, images: ImageSet, count: int) -> None:
        self._images, self._subset = images, Subset(images, range(count))

    def __len__(self) -> int:
        return len(self._subset)

    def __getitem__(self, index: int) -> Image:
        return self._subset[index]

    def shape(self, index: int) -> tuple[int, int]:
        return self._images.shape(index)

    def alike(self, index: int) -> tuple[int, ...]:
        return self._images.alike(index)
