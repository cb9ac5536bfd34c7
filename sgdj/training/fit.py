"""Train a reconstructor with a strategy, on Lightning."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning.pytorch as lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from torch.utils.data import DataLoader

from sgdj.data.batch import Image
from sgdj.data.drawn import drawn
from sgdj.data.loader import Measure, batches
from sgdj.data.source import Source
from sgdj.defences.base import Defence
from sgdj.errors import InputError, as_run_error
from sgdj.networks.base import Reconstructor
from sgdj.networks.precision import training_in
from sgdj.runs.checkpoints import epoch_path
from sgdj.runs.lightning_io import VerifiedCheckpoints
from sgdj.runs.network import restore
from sgdj.runs.resuming import last_consistent, out_of_patience
from sgdj.runtime import distributed
from sgdj.runtime.contents import Metrics
from sgdj.runtime.devices import accelerator, torch_device
from sgdj.runtime.draws import Draws
from sgdj.runtime.ranks import local_world, rank, world
from sgdj.runtime.signals import stop
from sgdj.strategies.base import Strategy
from sgdj.training.callbacks import Keeper, TrainingBar
from sgdj.training.module import Training
from sgdj.training.settings import Kept, Settings

Log = Callable[[Metrics], None]
Loaders = tuple[DataLoader[Image], DataLoader[Image]]


def train(
    network: Reconstructor,
    strategy: Strategy,
    source: Source,
    measure: Measure,
    settings: Settings,
    kept: Kept,
    log: Log,
    tell: Callable[[str], None],
    defence: Defence | None = None,
) -> None:
    """Train, or resume from the last finished epoch, and leave the best weights in `network`.

    Parameters
    ----------
    network
        Network to train, in place.
    strategy
        Risk that the network is trained on.
    source
        Data set with training and validation images.
    measure
        Way in which images become measured batches.
    settings
        Seeds, epochs, device and optimiser.
    kept
        Run directory and identity of the checkpoints.
    log
        Function that is called with the metrics of every epoch.
    tell
        Function that is called with notes for the user.
    defence
        Defence that the network has at test, and so in validation.

    Raises
    ------
    Diverged
        If a loss or gradient is not finite.
    InputError
        If there are fewer images than a batch has, or training cannot be resumed from the last checkpoint.
    Interrupted
        After SIGINT or SIGTERM; the last finished epoch is on disk.
    """
    loaders = _loaders(source, measure, settings)
    distributed.join(torch_device(settings.device))
    resume = _going_on(settings, kept, tell)
    rows = kept.run.metrics()
    if len(rows) < settings.epochs and not out_of_patience(rows, settings.trainer.patience):
        with stop.patiently(), _quiet():
            _fit(network, strategy, loaders, settings, kept, resume, log, defence)
        stop.check()
    if rank() == 0:
        kept.run.update(trained=True)
        restore(network, kept.run.checkpoints / "best.ckpt")


def _loaders(source: Source, measure: Measure, settings: Settings) -> Loaders:
    """Return the batches to train and to validate with, this process's part of them."""
    images, size = drawn(source.images("train"), settings.trainer.images, settings.seed), settings.trainer.batch_size
    validation = source.images("val")
    if size > len(images):
        raise InputError(f"{size} exceeds the {len(images)} training images", "trainer.batch_size", "lower it")
    part, workers = (rank(), world()), settings.trainer.workers
    drop = settings.trainer.drop_last
    train = batches(images, measure, size, Draws(settings.seed), workers, part, drop)
    if not len(train):
        raise InputError(f"no shape has {size} training images", "trainer.drop_last", "lower trainer.batch_size")
    several = settings.validation_batch_size
    val = batches(validation, measure, several, workers=workers, part=part, drop_last=drop)
    if not len(val):  # the only batch is an incomplete one
        val = batches(validation, measure, several, workers=workers, part=part)
    return train, val


def _going_on(settings: Settings, kept: Kept, tell: Callable[[str], None]) -> Path | None:
    """Return the checkpoint to resume from, once the leader has tidied the folder; None to begin anew."""
    if rank() == 0:
        resume = last_consistent(kept.run, kept.key, tell)
    distributed.barrier()
    done = len(kept.run.metrics())
    if rank() > 0:
        resume = epoch_path(kept.run.checkpoints, done - 1) if done else None
    if resume is not None:
        going_on = f"resuming at epoch {done + 1}/{settings.epochs}" if done < settings.epochs else "all are trained"
        tell(f"continuing from {resume.name}: {going_on}")
    return resume


def _fit(
    network: Reconstructor,
    strategy: Strategy,
    loaders: Loaders,
    settings: Settings,
    kept: Kept,
    resume: Path | None,
    log: Log,
    defence: Defence | None,
) -> None:
    """Let Lightning train to the end."""
    keeper = Keeper(kept.run, kept.key, settings.trainer.keep, log)
    place, alone = accelerator(settings.device), world() == 1
    trainer = lightning.Trainer(
        accelerator=place["accelerator"],
        devices=place["devices"] if alone else local_world(),
        num_nodes=1 if alone else world() // local_world(),
        strategy="auto" if alone else "ddp",
        # alone also within a SLURM job, whose tasks are not ours to join
        plugins=[VerifiedCheckpoints(), LightningEnvironment() if alone else TorchElasticEnvironment()],
        precision="32-true",  # of what is not a learned part
        max_epochs=settings.epochs,
        gradient_clip_val=settings.trainer.clip_norm,
        callbacks=_callbacks(keeper, settings.trainer.patience),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    module = Training(network, strategy, Draws(settings.seed), settings.trainer, kept.config_text, defence)
    try:
        with training_in(settings.precision, network):
            trainer.fit(module, *loaders, ckpt_path=resume, weights_only=True)
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        if resume is None or keeper.restored or as_run_error(error) is not None:
            raise
        raise InputError(
            f"the checkpoint cannot be gone on from ({type(error).__name__})", str(resume), "move it away"
        ) from error


def _callbacks(keeper: Keeper, patience: int | None) -> list[Callback]:
    """Return the keeper, with early stopping before it, and a progress bar."""
    callbacks: list[Callback] = [keeper, TrainingBar()] if rank() == 0 else [keeper]
    early = [] if patience is None else [EarlyStopping("val_psnr", patience=patience, mode="max")]
    return [*early, *callbacks]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advertisements and advice out of the log."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        stop.install()
