"""The steps of a training, in the form that Lightning asks for."""

import math

import lightning.pytorch as lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from sgdj.config.settings import Trainer
from sgdj.data.batch import Batch
from sgdj.defences.base import Defence
from sgdj.errors import Diverged
from sgdj.metrics.image import sample_metrics
from sgdj.metrics.volumes import volume_mean
from sgdj.networks.base import Reconstructor
from sgdj.runtime import distributed
from sgdj.runtime.draws import Draws
from sgdj.runtime.ranks import world
from sgdj.strategies.base import Strategy


class Training(lightning.LightningModule):
    """Training and validation steps of a network.

    Parameters
    ----------
    network
        Reconstructor that is trained.
    strategy
        Risk that the network is trained on.
    draws
        Random numbers of the run's seed.
    settings
        Optimiser, learning rate and schedule.
    config_text
        Configuration as YAML, kept in every checkpoint.
    defence
        Defence that the network has at test, and so in validation.
    """

    def __init__(
        self,
        network: Reconstructor,
        strategy: Strategy,
        draws: Draws,
        settings: Trainer,
        config_text: str,
        defence: Defence | None = None,
    ) -> None:
        super().__init__()
        self.defence = defence
        self.network, self.strategy, self.draws = network, strategy, draws
        self.settings, self.config_text = settings, config_text
        self.losses: list[float] = []
        self.validation: list[tuple[str, dict[str, float]]] = []

    def on_train_epoch_start(self) -> None:
        """Tell the strategy which epoch begins."""
        self.strategy.begin_epoch(self.current_epoch, int(self.trainer.max_epochs or 1))

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of one batch; training stops here if it is not finite."""
        loss = self.strategy.loss(self.network, batch, self.draws.at(self.current_epoch))
        if self.settings.loss_average == "channels" and batch.x.is_complex():
            loss = loss / 2
        value = float(loss.detach())
        if distributed.total(float(not math.isfinite(value)), loss.device):
            raise Diverged(self._diverged(f"loss {value}", batch))
        self._batch = batch
        if world() > 1:  # weighted by samples, since processes may hold different numbers of them
            share = len(batch) * world() / distributed.total(len(batch), loss.device)
            loss, value = share * loss, share * value
        self.losses.append(value)
        return loss

    def _diverged(self, what: str, batch: Batch) -> str:
        samples = ", ".join(distributed.gather(list(batch.samples)))
        return (
            f"{what} at step {self.global_step} of epoch {self.current_epoch + 1}, samples {samples}: lower trainer.lr"
        )

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Stop before a gradient that is not finite reaches the weights."""
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters() if p.grad is not None])
        if not torch.isfinite(norm):
            raise Diverged(self._diverged(f"gradient norm {float(norm)}", self._batch))

    def validation_step(self, batch: Batch, index: int) -> None:
        """Compute PSNR and SSIM of the clean reconstruction (jittered only if the strategy asks for it)."""
        perturb = self.strategy.validation_perturb(self.network, batch, self.draws.at(self.current_epoch))
        if self.defence is None:
            made = self.network(batch.y, batch.operator, perturb)
        else:
            made = self.defence.reconstruct(self.network, batch.y, batch.operator)
        values = sample_metrics(made, batch.x)
        for i, volume in enumerate(batch.volumes):
            self.validation.append((volume, {name: values[name][i] for name in ("psnr", "ssim")}))

    def on_validation_epoch_end(self) -> None:
        """Average over the volumes of all processes."""
        self.validation = distributed.gather(self.validation)
        for name in ("psnr", "ssim"):
            mean = volume_mean([(volume, values[name]) for volume, values in self.validation])
            self.log(f"val_{name}", torch.tensor(mean, dtype=torch.float64))
        self.validation.clear()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return Adam or AdamW, with a constant rate, cosine decay or one cycle (Smith & Topin, 2018)."""
        cls = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.settings.optimizer]
        lr = self.settings.lr
        decay = {} if self.settings.weight_decay is None else {"weight_decay": self.settings.weight_decay}
        optimizer = cls([p for p in self.network.parameters() if p.requires_grad], lr=lr, **decay)
        if self.settings.schedule == "constant":
            return optimizer
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        schedule: LRScheduler
        if self.settings.schedule == "onecycle":
            schedule = OneCycleLR(optimizer, lr, total_steps=total)
        else:
            schedule = LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(step / total, 1))))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Store the configuration beside the weights."""
        checkpoint["sgdj_config"] = self.config_text
