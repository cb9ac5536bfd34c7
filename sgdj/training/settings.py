"""What a training is told: how, and where it is kept."""

from collections.abc import Callable
from dataclasses import dataclass

from sgdj.config.settings import Trainer
from sgdj.runs.directory import RunDirectory


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Parameters
    ----------
    seed
        Of order, jitter and attacks.
    data_seed
        Of masks and measurement noise.
    epochs
        Passes through the training images.
    validation_batch_size
        Images that are validated at a time.
    device, precision
        Where, and with how many bits, ``32`` or ``bf16``.
    trainer
        The rest.
    """

    seed: int
    data_seed: int
    epochs: int
    validation_batch_size: int
    device: str
    precision: str
    trainer: Trainer


@dataclass(frozen=True)
class Kept:
    """Where a training is kept, and by what its checkpoints are known.

    Parameters
    ----------
    run
        The run directory.
    key, same_settings
        See `sgdj.runs.resuming.belongs`.
    config_text
        Configuration as YAML, kept in every checkpoint.
    """

    run: RunDirectory
    key: str
    same_settings: Callable[[str], bool]
    config_text: str
