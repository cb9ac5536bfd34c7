"""Define what an attack is, and the budget it keeps."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from sgdj.attacks.ball import BALLS, Ball, Norm
from sgdj.config.types import NonNegative
from sgdj.data.batch import Batch
from sgdj.errors import SettingError
from sgdj.networks.base import Reconstructor
from sgdj.operators.base import Operator, Support
from sgdj.runtime.draws import Draws


@dataclass(frozen=True)
class Found:
    """Perturbation that an attack found, and whether its search worked as intended.

    Parameters
    ----------
    delta
        Perturbation δ, in the shape of the measurements.
    believable
        False for samples that no search attacked: none had a usable gradient, or random draws of equal norm do more
        harm than anything that was found, boolean, shape (B,).
    why
        Reason where `believable` is False; "" otherwise.
    """

    delta: Tensor
    believable: Tensor
    why: str = ""


@dataclass(eq=False, kw_only=True)
class Attack(ABC):
    r"""Perturbation δ of the measurement with :math:`\|\delta_i\| \le \varepsilon_i` for every sample i.

    Parameters
    ----------
    epsilon
        Absolute budget ε, the same for all samples, in the unit of y.
    rho
        Relative budget: ε_i = ρ ‖y_i‖, in the same norm. Exactly one of the two must be given.
    norm
        "l2", or "linf": every real and imaginary entry within ±ε.
    support
        "measured": δ is zero where the operator measures nothing; "full": it may lie anywhere (the authors' code, whose
        adjoint lets it through).

    Raises
    ------
    SettingError
        If both budgets or neither are given.
    """

    epsilon: NonNegative | None = None
    rho: NonNegative | None = None
    support: Support = "measured"
    norm: Norm = "l2"

    def __post_init__(self) -> None:
        if (self.epsilon is None) == (self.rho is None):
            mend = "set {key}.rho" if self.rho is None else "set the other to null, {key}.rho=null"
            raise SettingError("", "give exactly one of epsilon and rho", mend)

    @property
    def ball(self) -> Ball:
        """Norm ball that perturbations are confined to."""
        return BALLS[self.norm]

    @property
    def level(self) -> float:
        """Budget ε or ρ, whichever is given."""
        return self.epsilon if self.epsilon is not None else float(self.rho or 0.0)

    def scaled(self, factor: float) -> Self:
        """Return the same attack with `factor` times the budget."""
        return replace(
            self,
            epsilon=None if self.epsilon is None else factor * self.epsilon,
            rho=None if self.rho is None else factor * self.rho,
        )

    def budget(self, y: Tensor) -> Tensor:
        """Return the budget ε_i of each sample, shape (B, 1, ..., 1)."""
        norm = self.ball.norm(y)
        return torch.full_like(norm, self.epsilon) if self.epsilon is not None else self.level * norm

    def restrict(self, delta: Tensor, operator: Operator) -> Tensor:
        """Set δ to zero outside its support."""
        return operator.restrict(delta) if self.support == "measured" else delta

    @abstractmethod
    def __call__(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Find δ for a batch.

        Parameters
        ----------
        reconstructor
            Network under attack, a differentiable map of y.
        batch
            References x and measurements y, with their operator.
        draws
            Random numbers of the search.

        Returns
        -------
        Tensor
            Perturbation δ, in the shape of `batch.y`, detached.
        """

    def found(self, reconstructor: Reconstructor, batch: Batch, draws: Draws, starts: Sequence[Tensor] = ()) -> Found:
        """Find δ for a batch, and say whether the search worked as intended.

        Parameters
        ----------
        reconstructor
            Network under attack, a differentiable map of y.
        batch
            References x and measurements y, with their operator.
        draws
            Random numbers of the search.
        starts
            Further perturbations to start from, in the shape of `batch.y`, for attacks that search.

        Returns
        -------
        Found
            Perturbation δ with its credibility, per sample.
        """
        delta = self(reconstructor, batch, draws)
        return Found(delta, torch.ones(len(batch), dtype=torch.bool, device=delta.device))
