"""Jitter the iterations on attacked measurements."""

from dataclasses import replace
from typing import Literal

from torch import Tensor

from sgdj.attacks.base import Attack
from sgdj.config.types import NonNegative
from sgdj.data.batch import Batch
from sgdj.networks.base import Reconstructor
from sgdj.networks.noise import NoiseScale
from sgdj.runtime.draws import Draws
from sgdj.strategies.jitter import Jitter


class JitterAdversarial(Jitter):
    r"""Jitter and adversarial training together, :math:`\mathbb{E}\|H_\theta(y + \delta; w_0 \dots w_{K-1}) - x\|^2`.

    δ is found on the network without jitter, as at test; see `Adversarial` (Madry et al., 2018) and `Jitter` (Guan &
    Davenport, 2025).

    Parameters
    ----------
    attack
        Attack that finds δ for the current weights; separate from the attack that evaluates.
    sigma
        Noise level σ of the iterations, in the unit that `noise_scale` says.
    noise_scale
        How σ is scaled by the iterate, "relative", "absolute" or "upstream"; see `Jitter`.
    last_iteration
        Whether the last iteration is jittered too.
    validation
        Whether the validation in training is jittered too.
    draw
        Whether iterations have draws of their own, "fresh", or one together, "shared".
    level
        Whether the level is "fixed", "random" for each sample, or "annealed"; see `Jitter`.
    """

    def __init__(
        self,
        attack: Attack,
        sigma: NonNegative,
        noise_scale: NoiseScale,
        last_iteration: bool,
        validation: bool = False,
        draw: Literal["fresh", "shared"] = "fresh",
        level: Literal["fixed", "random", "annealed"] = "fixed",
    ) -> None:
        super().__init__(sigma, noise_scale, last_iteration, validation, draw, level)
        self.attack = attack

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the mean squared error of the jittered iteration on the attacked measurement, a scalar."""
        delta = self.attack(reconstructor, batch, draws)
        return super().loss(reconstructor, replace(batch, y=batch.y + delta), draws)
