"""Train a reconstructor with a strategy, on Lightning."""

import logging
import math
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor

from sgdj.data.batch import Batch
from sgdj.data.loader import Measure, batches
from sgdj.data.source import Source
from sgdj.draws import Draws
from sgdj.errors import Diverged, InputError, Interrupted, as_run_error
from sgdj.metrics.image import sample_metrics
from sgdj.metrics.volumes import volume_mean
from sgdj.networks.base import Reconstructor
from sgdj.operators.acquisition import Acquisition
from sgdj.runs.checkpoints import (
    FORMAT,
    copy_checkpoint,
    epoch_path,
    prune,
    read_checkpoint,
    remove_checkpoint,
    write_checkpoint,
)
from sgdj.runs.directory import RunDirectory
from sgdj.runs.network import load_weights
from sgdj.runs.resuming import METRICS, RUN, best_epoch, kept_rows, last_consistent, out_of_patience
from sgdj.runtime import distributed
from sgdj.runtime.devices import accelerator, torch_device
from sgdj.runtime.progress import bar
from sgdj.runtime.ranks import local_world, rank, world
from sgdj.runtime.signals import stop
from sgdj.strategies.base import Strategy


class Training(lightning.LightningModule):
    """The training and validation steps.

    Parameters
    ----------
    network
        The reconstructor.
    strategy
        Its training risk.
    draws
        Random numbers of the run's seed.
    settings
        The `trainer` node of the configuration.
    config_text
        Configuration as YAML, kept in every checkpoint.
    """

    def __init__(
        self, network: Reconstructor, strategy: Strategy, draws: Draws, settings: dict[str, Any], config_text: str
    ) -> None:
        super().__init__()
        self.network, self.strategy, self.draws = network, strategy, draws
        self.settings, self.config_text = settings, config_text
        self.losses: list[float] = []
        self.validation: list[tuple[str, dict[str, float]]] = []

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Loss of one batch; training stops here if it is not finite."""
        loss = self.strategy.loss(self.network, batch, self.draws.at(self.current_epoch))
        value = float(loss.detach())
        if distributed.total(float(not math.isfinite(value)), loss.device):
            raise Diverged(self._diverged(f"loss {value}", batch))
        self._batch = batch
        if world() > 1:  # a mean over all processes is one over all samples, whoever has more of them
            share = len(batch) * world() / distributed.total(len(batch), loss.device)
            loss, value = share * loss, share * value
        self.losses.append(value)
        return loss

    def _diverged(self, what: str, batch: Batch) -> str:
        samples = ", ".join(distributed.gather(list(batch.samples)))
        return f"{what} at step {self.global_step} of epoch {self.current_epoch}, samples {samples}: lower trainer.lr"

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Stop before a gradient that is not finite reaches the weights."""
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters() if p.grad is not None])
        if not torch.isfinite(norm):
            raise Diverged(self._diverged(f"gradient norm {float(norm)}", self._batch))

    def validation_step(self, batch: Batch, index: int) -> None:
        """PSNR and SSIM of the clean reconstruction (jittered only if the strategy asks for it)."""
        perturb = self.strategy.validation_perturb(self.network, batch, self.draws.at(self.current_epoch))
        values = sample_metrics(self.network(batch.y, batch.operator, perturb), batch.x)
        for i, volume in enumerate(batch.volumes):
            self.validation.append((volume, {name: values[name][i] for name in ("psnr", "ssim")}))

    def on_validation_epoch_end(self) -> None:
        """Average over volumes, those of all processes."""
        self.validation = distributed.gather(self.validation)
        for name in ("psnr", "ssim"):
            mean = volume_mean([(volume, values[name]) for volume, values in self.validation])
            self.log(f"val_{name}", torch.tensor(mean, dtype=torch.float64))
        self.validation.clear()

    def configure_optimizers(self) -> Any:
        """Adam or AdamW; constant rate or cosine decay over all steps."""
        cls = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.settings["optimizer"]]
        optimizer = cls([p for p in self.network.parameters() if p.requires_grad], lr=self.settings["lr"])
        if self.settings["schedule"] == "constant":
            return optimizer
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(step / total, 1)))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the configuration beside the weights."""
        checkpoint["sgdj_config"] = self.config_text


class VerifiedCheckpoints(CheckpointIO):
    """Lightning's door to these checkpoints."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write atomically, with a hash and a format version."""
        write_checkpoint(Path(path), {**checkpoint, "sgdj_format": FORMAT})

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read and verify; never anything but tensors and plain types."""
        return read_checkpoint(Path(path), map_location)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint and its hash."""
        remove_checkpoint(Path(path))


class Keeper(Callback):
    """Writes metrics and checkpoints at the end of every epoch, and obeys signals.

    Parameters
    ----------
    run
        The run directory.
    key
        The run's configuration hash, kept in every checkpoint.
    keep
        Number of epoch checkpoints kept.
    report
        Called with every row of metrics.

    Attributes
    ----------
    restored
        Whether the training has begun, or gone on from its checkpoint.
    """

    def __init__(self, run: RunDirectory, key: str, keep: int, report: Callable[[dict[str, Any]], None]) -> None:
        self.run, self.key, self.keep, self.report = run, key, keep, report
        self.rows, self.restored = run.metrics(), False

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Replace Lightning's handlers, which end with the wrong exit codes."""
        self.restored = True
        stop.install()

    def on_save_checkpoint(self, trainer: lightning.Trainer, module: Any, checkpoint: dict[str, Any]) -> None:
        """Keep in every checkpoint which run it is of, and the rows of metrics, which a damaged file may lose."""
        checkpoint.update({RUN: self.key, METRICS: kept_rows(self.rows)})

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, trainer: lightning.Trainer, module: Any, *_: Any) -> None:
        """Stop between two steps if a signal came, to whichever process."""
        if distributed.total(float(stop.received is not None), trainer.strategy.root_device):
            raise Interrupted(stop.received or signal.SIGTERM)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Record the epoch, then save it."""
        assert isinstance(module, Training)
        row = {
            "epoch": trainer.current_epoch,
            "global_step": trainer.global_step,
            "train_loss": distributed.total(sum(module.losses), trainer.strategy.root_device)
            / (len(module.losses) * world()),
            "val_psnr": float(trainer.callback_metrics["val_psnr"]),
            "val_ssim": _json_number(float(trainer.callback_metrics["val_ssim"])),
            "lr": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": round(time.perf_counter() - self._began, 3),
        }
        module.losses.clear()
        path = epoch_path(self.run.checkpoints, trainer.current_epoch)
        if rank() > 0:
            trainer.save_checkpoint(path)  # all take part, the leader writes
            return
        self.rows.append(row)
        best = best_epoch(self.rows)
        self.run.append_metrics(row)  # without its checkpoint, which comes next, a row does not count
        trainer.save_checkpoint(path)
        if best == trainer.current_epoch:
            copy_checkpoint(path, self.run.checkpoints / "best.ckpt")
        copy_checkpoint(path, self.run.checkpoints / "last.ckpt")
        prune(self.run.checkpoints, self.keep, best)
        self.report(row)


class TrainingBar(Callback):
    """One bar over all steps of a training, with loss and validation PSNR."""

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Show the bar, at the step where training goes on."""
        self._bar = bar()
        total = int(trainer.estimated_stepping_batches)
        self._task = self._bar.add_task("training", total=total, completed=trainer.global_step, note="")
        self._bar.start()

    def on_train_batch_end(self, trainer: lightning.Trainer, module: Any, outputs: Any, *_: Any) -> None:
        """Advance."""
        psnr = trainer.callback_metrics.get("val_psnr")
        note = f"epoch {trainer.current_epoch}" + ("" if psnr is None else f", validation {float(psnr):.2f} dB")
        self._bar.update(self._task, completed=trainer.global_step, note=note)

    def teardown(self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str) -> None:
        """Remove the bar."""
        if hasattr(self, "_bar"):
            self._bar.stop()

    def on_exception(self, trainer: lightning.Trainer, module: lightning.LightningModule, exception: Any) -> None:
        """Remove the bar before an error is told."""
        if hasattr(self, "_bar"):
            self._bar.stop()


def _json_number(value: float) -> float | None:
    return value if math.isfinite(value) else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's advertisements and advice stay out of the log."""
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


def _where(device: str) -> dict[str, Any]:
    """Lightning's arguments: one process, or all that have met."""
    if world() == 1:  # also within a SLURM job, whose tasks are not ours to join
        return accelerator(device) | {"plugins": [VerifiedCheckpoints(), LightningEnvironment()]}
    return {
        "accelerator": accelerator(device)["accelerator"],
        "devices": local_world(),
        "num_nodes": world() // local_world(),
        "strategy": "ddp",
        "plugins": [VerifiedCheckpoints(), TorchElasticEnvironment()],
    }


def train(
    config: dict[str, Any],
    config_text: str,
    network: Reconstructor,
    strategy: Strategy,
    source: Source,
    acquisition: Acquisition,
    run: RunDirectory,
    key: str,
    log: Callable[[dict[str, Any]], None],
    tell: Callable[[str], None],
    same_settings: Callable[[str], bool],
) -> None:
    """Train, or go on from the last finished epoch, and leave the best weights in `network`.

    Raises
    ------
    Diverged
        If a loss or gradient is not finite.
    Interrupted
        After SIGINT or SIGTERM; the last finished epoch is on disk.
    """
    settings, draws = config["trainer"], Draws(config["seed"])
    train_images, val_images = source.images("train"), source.images("val")
    if settings["batch_size"] > len(train_images):
        raise InputError(
            f"{settings['batch_size']} exceeds the {len(train_images)} training images",
            "trainer.batch_size",
            "lower it",
        )
    measure = Measure(acquisition, Draws(config["dataset"]["seed"]))
    part, workers = (rank(), world()), settings["workers"]
    train_loader = batches(train_images, measure, settings["batch_size"], draws, workers, part)
    val_loader = batches(val_images, measure, config["evaluation"]["batch_size"], workers=workers, part=part)
    distributed.join(torch_device(config["device"]))
    if rank() == 0:
        resume = last_consistent(run, key, same_settings, tell)
    distributed.barrier()
    done = len(run.metrics())
    if rank() > 0:
        resume = epoch_path(run.checkpoints, done - 1) if done else None
    if resume is not None:
        going_on = f"resuming at epoch {done}" if done < config["epochs"] else "all are trained"
        tell(f"continuing after epoch {done - 1}: {going_on}")
    if done < config["epochs"] and not out_of_patience(run.metrics(), settings["patience"]):
        keeper = Keeper(run, key, settings["keep"], log)
        callbacks: list[Callback] = [keeper, TrainingBar()] if rank() == 0 else [keeper]
        if settings["patience"] is not None:
            callbacks.insert(0, EarlyStopping("val_psnr", patience=settings["patience"], mode="max"))
        with stop.patiently(), _quiet():
            trainer = lightning.Trainer(
                **_where(config["device"]),
                precision="32-true" if config["precision"] == "32" else "bf16-mixed",
                max_epochs=config["epochs"],
                gradient_clip_val=settings["clip_norm"],
                callbacks=callbacks,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
            )
            module = Training(network, strategy, draws, settings, config_text)
            try:
                trainer.fit(module, train_loader, val_loader, ckpt_path=resume, weights_only=True)
            except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
                if resume is None or keeper.restored or as_run_error(error) is not None:
                    raise
                raise InputError(
                    f"the checkpoint cannot be gone on from ({type(error).__name__})", str(resume), "move it away"
                ) from error
        stop.check()
    if rank() > 0:
        return
    run.update(trained=True)
    load_weights(network, run.checkpoints / "best.ckpt")
