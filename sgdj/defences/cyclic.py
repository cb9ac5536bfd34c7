"""Correct a measurement until a second reconstruction, from another mask, agrees with it."""

import torch
from torch import Tensor

from sgdj.config.types import Count, NonNegative, NonNegativeInt, Positive, Seed
from sgdj.defences.base import Defence
from sgdj.errors import InputError, SettingError, as_run_error, first_line
from sgdj.metrics.image import squared_error
from sgdj.metrics.norms import project, sample_norm, unit
from sgdj.networks.base import Reconstructor
from sgdj.operators.acquisition import Acquisition, CartesianAcquisition
from sgdj.operators.base import Operator
from sgdj.runtime.draws import Draws


class CyclicConsistency(Defence):
    r"""Mitigation by cyclic measurement consistency, after Saberi et al. (ICML 2026): :math:`\hat x = H(y + r)`.

    The reconstruction is measured with other masks Δ, reconstructed again, and compared with the measurement. r lowers
    :math:`\sum_\Delta \|A H_\Delta(A_\Delta H(y + r)) - (y + r)\|^2` within a ball, by steps of gradient descent of one
    length. An attack differentiates through all of these steps. The masks here have the lines or points of the true one
    in another order, but for the centre.

    Parameters
    ----------
    radius
        Radius of the ball of r, relative to ‖y‖.
    steps
        Number of gradient steps.
    step_size
        Length of a step, in units of the radius.
    masks
        Number of other masks.
    center
        Number of central lines, or side of the central square, that stay as they are.
    seed
        Seed of the fixed draws of masks.
    """

    def __init__(
        self,
        radius: NonNegative,
        steps: Count,
        step_size: Positive,
        masks: Count,
        center: NonNegativeInt,
        seed: Seed = 0,
    ) -> None:
        self.radius, self.steps, self.step_size = radius, steps, step_size
        self.masks, self.center, self.seed = masks, center, seed

    def check(self, reconstructor: Reconstructor, acquisition: Acquisition) -> None:
        """Refuse measurements without a mask, and networks whose gradient cannot be differentiated again."""
        if not isinstance(acquisition, CartesianAcquisition):
            raise SettingError("", "only sampled k-space has other masks", "set defence=none")
        network = getattr(reconstructor, "function", reconstructor)  # of this project, loaded as somebody else's
        if not getattr(network, "twice", True):
            raise SettingError("", "a fixed point's derivative cannot be differentiated again", "set defence=none")

    def others(self, operator: Operator) -> list[Operator]:
        """Return operators with as many samples as the true one, elsewhere; the same for every sample and pass.

        Parameters
        ----------
        operator
            Forward operator A of the batch.

        Returns
        -------
        list of Operator
            One operator for each of the other masks.

        Raises
        ------
        InputError
            If the operator has no mask, or one that is all centre.
        """
        sampled = operator.sampled()
        if sampled is None:
            raise InputError("only sampled k-space has other masks", "defence", "set defence=none")
        free = torch.ones(sampled.shape[1:], dtype=torch.bool)
        free[tuple(slice(max((n - self.center) // 2, 0), (n + self.center) // 2) for n in free.shape)] = False
        places = free.flatten().nonzero().flatten()
        if not len(places):
            raise InputError(f"a centre of {self.center} leaves no other mask", "defence.center", "lower it")
        found = []
        for i in range(self.masks):
            order = torch.from_numpy(Draws(self.seed).generator("defence", "mask", i).permutation(len(places)))
            mask = sampled.flatten(1).clone()
            mask[:, places.to(mask.device)] = mask[:, places[order].to(mask.device)]
            found.append(operator.resampled(mask.view(sampled.shape)))
        return found

    def inconsistency(self, network: Reconstructor, y: Tensor, operator: Operator, others: list[Operator]) -> Tensor:
        """Return the mean squared difference of y and what its second reconstructions measure, shape (B,)."""
        first = network(y, operator)
        if y.requires_grad and torch.is_grad_enabled() and not first.requires_grad:
            raise InputError("the reconstructor has no gradient by its measurement", "defence", "set defence=none")
        again = [operator.forward(network(other.forward(first), other)) for other in others]
        return torch.stack([squared_error(made, operator.restrict(y)) for made in again]).mean(0)

    def _slope(self, apart: Tensor, r: Tensor, again: bool) -> Tensor:
        """Return the gradient by r, which itself can be differentiated if `again` is set."""
        try:
            return torch.autograd.grad(apart, r, create_graph=again)[0]
        except RuntimeError as error:
            if as_run_error(error) is not None:
                raise
            what = f"the reconstructor cannot be differentiated ({first_line(error, 100)})"
            raise InputError(what, "defence", "set defence=none") from error

    def reconstruct(self, network: Reconstructor, y: Tensor, operator: Operator) -> Tensor:
        """Return the reconstruction of the corrected measurement, shape (B, C, H, W)."""
        attacked = torch.is_grad_enabled()
        others = self.others(operator)
        y = y if attacked else y.detach()
        budget = self.radius * sample_norm(y)
        r = torch.zeros_like(y)
        for _ in range(self.steps):
            with torch.enable_grad():
                r = r if r.requires_grad else r.requires_grad_(True)
                apart = self.inconsistency(network, y + r, operator, others).sum()
                slope = self._slope(apart, r, attacked)
                r = project(r - self.step_size * budget * unit(operator.restrict(slope)), budget)
            r = r if attacked else r.detach()
        return network(y + r, operator)
