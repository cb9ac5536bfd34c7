"""Settings of a training: how a network is trained, and where it is kept."""

from dataclasses import dataclass

from sgdj.config.settings import Trainer
from sgdj.runs.directory import RunDirectory


@dataclass(frozen=True)
class Settings:
    """Settings that decide how a network is trained.

    Parameters
    ----------
    seed
        Seed of order, jitter and attacks.
    epochs
        Number of passes through the training images.
    validation_batch_size
        Number of images that are validated at a time.
    device
        Device to train on, such as ``cpu`` or ``cuda``.
    precision
        Number format, ``32`` or ``bf16``.
    trainer
        Optimiser, learning rate, batch size and the other keys of `trainer`.
    """

    seed: int
    epochs: int
    validation_batch_size: int
    device: str
    precision: str
    trainer: Trainer


@dataclass(frozen=True)
class Kept:
    """Run directory of a training, and the identity of its checkpoints.

    Parameters
    ----------
    run
        Run directory to write to.
    key
        Configuration hash that a checkpoint must carry; see `sgdj.runs.resuming.belongs`.
    config_text
        Configuration as YAML, kept in every checkpoint.
    """

    run: RunDirectory
    key: str
    config_text: str
