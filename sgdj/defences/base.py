"""Define what a defence at test time is."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from sgdj.networks.base import Perturb, Reconstructor
from sgdj.operators.acquisition import Acquisition
from sgdj.operators.base import Operator
from sgdj.runtime.draws import Draws


def fixed_draw(seed: int, like: Tensor, *keys: int) -> Tensor:
    """Draw standard normal entries that are the same on every device and in every precision.

    Parameters
    ----------
    seed
        Seed of the fixed draws.
    like
        One sample (1, ...), whose shape, dtype and device the draw takes; complex entries are N(0, 1) in both parts.
    *keys
        What tells one draw from another, such as the iteration.

    Returns
    -------
    Tensor
        Draw of the shape of `like`, made in single precision on the CPU.
    """
    kind = torch.complex64 if like.is_complex() else torch.float32
    drawn = Draws(seed).normal("defence", ("",), torch.empty(like.shape, dtype=kind), *keys)
    return drawn.to(device=like.device, dtype=like.dtype)


class Defence(ABC):
    """What surrounds a trained network at test; differentiable, so that an attack goes through it.

    Everything random in it is a fixed draw, the same for every sample and pass. So a defended reconstruction can be
    repeated, does not depend on its neighbours in a batch, and an attack knows the draws that it will be scored with.
    """

    @abstractmethod
    def reconstruct(self, network: Reconstructor, y: Tensor, operator: Operator) -> Tensor:
        """Reconstruct x̂ (B, C, H, W) from y with a network that is defended.

        Parameters
        ----------
        network
            Trained network that is defended.
        y
            Measurement, of the shape that `operator.forward` returns.
        operator
            Forward operator A of this batch.

        Returns
        -------
        Tensor
            Reconstruction x̂ of shape (B, C, H, W).
        """

    def check(self, reconstructor: Reconstructor, acquisition: Acquisition) -> None:
        """Refuse a network or a problem that this defence has no meaning for, before anything runs.

        Parameters
        ----------
        reconstructor
            Network that would be defended; its weights may hold no numbers.
        acquisition
            Protocol that would measure the images.

        Raises
        ------
        SettingError
            If it has no meaning there.
        """
        return


class Defended(Reconstructor):
    """A network behind a defence, as one reconstructor.

    Parameters
    ----------
    network
        Trained network that is defended.
    defence
        Defence around it.
    """

    def __init__(self, network: Reconstructor, defence: Defence) -> None:
        super().__init__()
        self.network, self.defence = network, defence

    @property
    def undefended(self) -> Reconstructor:
        """The network without its defence."""
        return self.network

    def __getattr__(self, name: str) -> Tensor | nn.Module:
        """Look up an attribute of the network that this one does not have, such as `start` or `iterations`."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name in ("start", "iterations", "notes"):
                found: Tensor | nn.Module = getattr(super().__getattr__("network"), name)
                return found
            raise

    def __setattr__(self, name: str, value: object) -> None:
        """Set the number of iterations of the network; other attributes are this one's own."""
        if name == "iterations":
            setattr(self.network, name, value)
        else:
            super().__setattr__(name, value)  # type: ignore[arg-type]

    def forget(self) -> None:
        """Forget what the network has noted so far."""
        self.network.forget()

    def forward(self, y: Tensor, operator: Operator, perturb: Perturb | None = None) -> Tensor:
        """Reconstruct x̂ from y behind the defence."""
        return self.defence.reconstruct(self.network, y, operator)
