"""Plan a run from checked settings: its data, its operator, its identity and its folder."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from sgdj.config.instantiate import build
from sgdj.config.schema import TRAINING
from sgdj.config.settings import Settings
from sgdj.data.acquisition_files import built_acquisition
from sgdj.data.drawn import drawn
from sgdj.data.generated import GeneratedSource
from sgdj.data.source import ImageSet, Source
from sgdj.jobs.consistency import ACQUISITION_FILES
from sgdj.jobs.identity import identity
from sgdj.jobs.load import Job
from sgdj.networks.external import source_file
from sgdj.operators import Acquisition
from sgdj.runs.network import given_network
from sgdj.runtime.devices import torch_device
from sgdj.runtime.hashing import file_digest


@dataclass(frozen=True, eq=False)
class Plan:
    """A run before anything is done: nothing is written, generated or set.

    The user's files are read once `key` or `folder` is asked for, since their content is part of the identity.

    Parameters
    ----------
    job
        Checked settings of the run.
    source
        Data set, not yet prepared.
    acquisition
        Protocol that makes the operators.
    """

    job: Job
    source: Source
    acquisition: Acquisition

    @property
    def settings(self) -> Settings:
        """What was asked for."""
        return self.job.settings

    @property
    def device(self) -> torch.device:
        """Device to compute on."""
        return torch_device(self.settings.device)

    @property
    def trains(self) -> bool:
        """Whether the mode trains a network; a reconstructor from outside is only scored."""
        return self.settings.mode in TRAINING and self.settings.reconstructor is None

    @property
    def data_seed(self) -> int:
        """Seed of masks, noise and the random starts of attacks, whatever the training's."""
        return self.settings.data_seed

    @property
    def images(self) -> ImageSet:
        """Images that are measured; of the training split, those that the network was trained on."""
        settings = self.settings
        images = self.source.images(settings.evaluation.split)
        own = settings.evaluation.split == "train" and not settings.reconstructor
        return drawn(images, settings.trainer.images, settings.seed) if own else images

    @cached_property
    def subject(self) -> dict[str, object]:
        """What else than settings and data decides the numbers: files of the network, and of the mask."""
        settings, found = self.settings, dict[str, object]()
        if not self.trains and settings.checkpoint:
            found["checkpoint"] = file_digest(Path(settings.checkpoint))
        if settings.reconstructor:
            given_network(settings)  # it is told before anything is written if this fails
            file = source_file(settings.reconstructor)
            found["reconstructor"] = "unknown" if file is None else file_digest(file)
        for key in ACQUISITION_FILES:
            if named := settings.operator.get(key, str):
                found[key] = file_digest(Path(named))
        return found

    @cached_property
    def key(self) -> str:
        """Configuration hash, which names the run."""
        if not isinstance(self.source, GeneratedSource):  # reading only; what is generated is known by its parameters
            self.source.prepare()
        manifest = self.source.manifest()
        return identity(self.settings.plain(), manifest, self.subject)

    @cached_property
    def folder(self) -> Path:
        """Run directory: the one that was asked for, or the one that task, design, seed and hash name."""
        settings = self.settings
        if settings.run_dir:
            return Path(settings.run_dir)
        design = f"{settings.architecture.name}-{settings.strategy.name}"
        if settings.reconstructor:
            design = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(settings.reconstructor).name)
        return Path(settings.output_dir) / settings.task / design / f"seed{settings.seed}-{self.key}"


def plan(job: Job) -> Plan:
    """Plan a job of a mode that leaves a run directory.

    Parameters
    ----------
    job
        Checked settings of the run.

    Returns
    -------
    Plan
        Run that nothing has been done for yet.

    Raises
    ------
    InputError
        If its data set or operator cannot be built from the settings.
    """
    return Plan(job, build(job.settings, "dataset"), built_acquisition(job.settings))
