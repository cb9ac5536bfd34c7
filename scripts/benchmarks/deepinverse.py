"""Build the same unrolled networks in DeepInverse, as its documentation does."""

import os
import sys
import warnings
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scripts.benchmarks.authors import Noise
from sgdj.networks import ProximalGradient, Unrolled

#: Where `make bench` installs it, beside the environment and never in it.
FOLDER = Path(os.environ.get("SGDJ_PEERS", Path(__file__).resolve().parents[2] / "build" / "peers"))


def is_installed() -> bool:
    """Check whether the library's folder is there."""
    return (FOLDER / "deepinv").is_dir()


@cache
def load() -> Any:
    """Import the library.

    It imports torchvision, whose compiled part needs the PyTorch it was built for. Where that cannot be loaded, the
    operators are declared that the rest asks for; nothing here calls them.
    """
    sys.path.append(str(FOLDER))  # last: the environment's own packages win
    try:
        torch.ops.load_library(FOLDER / "torchvision" / "_C.so")
    except OSError:
        declared = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        load.declared = declared  # type: ignore[attr-defined]  # they are gone with the object
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import deepinv  # type: ignore[import-not-found]
    return deepinv


def to_channels(x: Tensor) -> Tensor:
    """Turn (B, 1, H, W), complex, into (B, 2, H, W), real: the view that its `from_torch_complex` gives."""
    return torch.view_as_real(x[:, 0]).moveaxis(-1, 1)


def fourier(lines: Tensor, height: int, dtype: torch.dtype) -> Any:
    """Make `deepinv.physics.MRI` with the sampled columns `lines`."""
    return load().physics.MRI(mask=lines.to(dtype).expand(height, -1).clone())


def convolution(kernel: Tensor, dtype: torch.dtype) -> Any:
    """Make `deepinv.physics.Blur` along columns, zero padded."""
    return load().physics.Blur(filter=kernel.to(dtype)[None, None, :, None], padding="constant")


class DeepInverseNetwork(nn.Module):
    """`deepinv.optim` GD or PGD, unfolded, with a copy of a network's weights as its prior.

    Parameters
    ----------
    network
        Whose body, step size, start and number of iterations are taken; the step size itself is trained.
    physics
        From `fourier` or `convolution`.
    two_inputs
        Whether the body sees the measurement too.
    sigma
        Level of the jitter; see `AuthorsNetwork`.
    """

    def __init__(self, network: Unrolled, physics: Any, two_inputs: bool, sigma: float) -> None:
        super().__init__()
        optim = load().optim
        iterators = optim.optim_iterators
        learned = deepcopy(network.learned)

        class Learned(optim.Prior):
            def __init__(self) -> None:
                super().__init__()
                self.body = learned.body
                self.y: Tensor | None = None

            def grad(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
                out = self.body(x if self.y is None else torch.cat([self.y, x], dim=1))
                return out + x if learned.residual else out

            prox = grad

        class Jittered(iterators.GDIteration):
            noise: Noise | None = None

            def forward(
                self, X: Any, fidelity: Any, prior: Any, parameters: Any, y: Tensor, physics: Any, **kwargs: Any
            ) -> Any:
                if self.noise is None:
                    return super().forward(X, fidelity, prior, parameters, y, physics, **kwargs)
                x, eta = X["est"][0], parameters["stepsize"]
                z = x - eta * self.f_step(x, fidelity, parameters, y, physics)
                w = sigma * z.max() * self.noise(z)
                return {"est": (z - eta * (self.g_step(x, prior, parameters) + w),), "cost": None}

        class JitteredProximal(iterators.PGDIteration):
            noise: Noise | None = None

            def forward(
                self, X: Any, fidelity: Any, prior: Any, parameters: Any, y: Tensor, physics: Any, **kwargs: Any
            ) -> Any:
                if self.noise is None:
                    return super().forward(X, fidelity, prior, parameters, y, physics, **kwargs)
                z = self.f_step(X["est"][0], fidelity, parameters, y, physics)
                w = sigma * z.max() * self.noise(z)
                return {"est": (self.g_step(z - parameters["stepsize"] * w, prior, parameters),), "cost": None}

        prior = Learned()

        def start(y: Tensor, physics: Any) -> Tensor:
            prior.y = y if two_inputs else None
            return y if network.start == "measurement" else physics.A_adjoint(y)

        self.iteration = JitteredProximal() if isinstance(network, ProximalGradient) else Jittered()
        self.physics = physics
        self.model = optim.BaseOptim(
            self.iteration,
            {"stepsize": network.step().item()},
            data_fidelity=optim.L2(),
            prior=prior,
            max_iter=network.iterations,
            custom_init=start,
            unfold=True,
            trainable_params=["stepsize"],
        )
        eta = network.step().detach()
        self.to(eta.dtype)
        with torch.no_grad():  # a step size in single precision is all that its constructor keeps
            self.model.params_algo["stepsize"][0].copy_(eta)

    def forward(self, y: Tensor, noise: Noise | None = None) -> Tensor:
        """Reconstruct y, with jitter if `noise` is given."""
        self.iteration.noise = noise
        return self.model(y, self.physics)
