"""Self-supervised learning by data undersampling: train without reference images."""

import torch
from torch import Tensor

from sgdj.config.types import Fraction, NonNegativeInt
from sgdj.data.batch import Batch
from sgdj.errors import InputError, SettingError
from sgdj.networks.base import Reconstructor
from sgdj.operators.acquisition import Acquisition, CartesianAcquisition
from sgdj.runtime.draws import Draws
from sgdj.strategies.base import Strategy


class SelfSupervised(Strategy):
    r"""SSDU (Yaman et al., 2020): reconstruct from a part Θ of k-space, compare on the rest Λ of what was measured.

    .. math:: \frac{\|y_\Lambda - A_\Lambda \hat x\|_2}{\|y_\Lambda\|_2}
              + \frac{\|y_\Lambda - A_\Lambda \hat x\|_1}{\|y_\Lambda\|_1}, \qquad \hat x = H_\theta(y_\Theta)

    The measurement is split anew for every sample and epoch, by lines or by points as the mask has them, with equal
    chances. No reference is seen in training; the choice of the best epoch by validation PSNR still has some.

    Parameters
    ----------
    share
        Share of the measured lines or points in Λ, rounded, at least one (the paper: 0.4).
    center
        Side of the square, or number of the lines, in the centre of k-space that always belongs to Θ.
    """

    def __init__(self, share: Fraction, center: NonNegativeInt) -> None:
        self.share, self.center = share, center

    def check(self, reconstructor: Reconstructor, acquisition: Acquisition) -> None:
        """Refuse measurements of which nothing can be held out."""
        if not isinstance(acquisition, CartesianAcquisition):
            raise SettingError("", "only sampled k-space can be split", "choose task=mri")

    def split(self, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return Θ and Λ, boolean, of the shape of `batch.operator.sampled()` with one mask for each sample.

        Parameters
        ----------
        batch
            Measurements with their operator.
        draws
            Random numbers of the epoch.

        Returns
        -------
        tuple
            Parts of the measurement to reconstruct from, and to compare with; disjoint, together all that is sampled.

        Raises
        ------
        InputError
            If nothing is measured outside the centre, or a single line or point in all.
        """
        sampled = batch.operator.sampled()
        assert sampled is not None  # as it was checked
        sampled = sampled.expand(len(batch), *sampled.shape[1:])
        free = sampled.clone()
        middle = tuple(slice(max((n - self.center) // 2, 0), (n + self.center) // 2) for n in sampled.shape[1:])
        free[(slice(None), *middle)] = False
        held = torch.zeros_like(sampled)
        for row, (sample, open_, all_) in enumerate(zip(batch.samples, free, sampled, strict=True)):
            places = open_.flatten().nonzero().flatten()
            count = min(max(round(self.share * int(all_.sum())), 1), len(places), int(all_.sum()) - 1)
            if count < 1:
                what = f"nothing of {sample} is measured outside the centre of {self.center} that could be held out"
                raise InputError(what, "strategy.center", "lower it, so that something can be held out")
            order = draws.generator("jitter", sample, "split").permutation(len(places))[:count]
            held[row].view(-1)[places[torch.from_numpy(order).to(places.device)]] = True
        return sampled & ~held, held

    def loss(self, reconstructor: Reconstructor, batch: Batch, draws: Draws) -> Tensor:
        """Return the normalised difference on Λ, a scalar."""
        given, held = (batch.operator.keeping(part) for part in self.split(batch, draws))
        made = reconstructor(given.restrict(batch.y), given)
        wanted = held.restrict(batch.y)
        apart = (held.forward(made) - wanted).flatten(1)
        norms = [torch.linalg.vector_norm(apart, p, 1) for p in (2, 1)]
        sizes = [torch.linalg.vector_norm(wanted.flatten(1), p, 1).clamp_min(1e-12) for p in (2, 1)]
        return sum(norm / size for norm, size in zip(norms, sizes, strict=True)).mean()
