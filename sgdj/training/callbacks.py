"""Callbacks of a training: keep epochs, obey signals, show progress."""

import math
import signal
import time
from collections.abc import Callable

import lightning.pytorch as lightning
from lightning.pytorch.callbacks import Callback

from sgdj.errors import Interrupted
from sgdj.runs.checkpoints import copy_checkpoint, epoch_path, prune
from sgdj.runs.directory import RunDirectory
from sgdj.runs.resuming import METRICS, RUN, best_epoch, kept_rows
from sgdj.runtime import distributed
from sgdj.runtime.contents import Metrics
from sgdj.runtime.progress import Lines, bar
from sgdj.runtime.ranks import rank, world
from sgdj.runtime.signals import stop
from sgdj.training.module import Training


class Keeper(Callback):
    """Write metrics and checkpoints at the end of every epoch, and obey signals.

    Parameters
    ----------
    run
        Run directory to write to.
    key
        Configuration hash of the run, kept in every checkpoint.
    keep
        Number of epoch checkpoints kept.
    report
        Function that is called with every row of metrics.

    Attributes
    ----------
    restored
        Whether the training has begun, or was resumed from its checkpoint.
    """

    def __init__(self, run: RunDirectory, key: str, keep: int, report: Callable[[Metrics], None]) -> None:
        self.run, self.key, self.keep, self.report = run, key, keep, report
        self.rows, self.restored = run.metrics(), False

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Replace Lightning's handlers, which end with the wrong exit codes."""
        self.restored = True
        stop.install()

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: dict[str, object]
    ) -> None:
        """Store in every checkpoint which run it belongs to, and the rows of metrics, which a damaged file may lose."""
        checkpoint.update({RUN: self.key, METRICS: kept_rows(self.rows)})

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule, *_: object) -> None:
        """Stop between two steps if any of the processes received a signal."""
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
        self.run.append_metrics(row)  # a row counts only together with its checkpoint, which comes next
        trainer.save_checkpoint(path)
        if best == trainer.current_epoch:
            copy_checkpoint(path, self.run.checkpoints / "best.ckpt")
        copy_checkpoint(path, self.run.checkpoints / "last.ckpt")
        prune(self.run.checkpoints, self.keep, best)
        self.report(row)


def _json_number(value: float) -> float | None:
    return value if math.isfinite(value) else None


class TrainingBar(Callback):
    """Show one bar over all steps of a training, with its epoch and validation PSNR; lines without a terminal."""

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Show the bar, at the step where training starts or resumes."""
        self._bar = bar()
        total = int(trainer.estimated_stepping_batches)
        self._task = self._bar.add_task("training", total=total, completed=trainer.global_step, note="")
        self._bar.start()
        self._lines = Lines(total, trainer.global_step)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: object, *_: object
    ) -> None:
        """Advance the bar by one step."""
        psnr = trainer.callback_metrics.get("val_psnr")
        note = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        note += "" if psnr is None else f", validation {float(psnr):.2f} dB"
        self._bar.update(self._task, completed=trainer.global_step, note=note)
        self._lines.tell(trainer.global_step, f"training, {note}")

    def teardown(self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str) -> None:
        """Remove the bar."""
        if hasattr(self, "_bar"):
            self._bar.stop()

    def on_exception(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Remove the bar before an error is printed."""
        if hasattr(self, "_bar"):
            self._bar.stop()
