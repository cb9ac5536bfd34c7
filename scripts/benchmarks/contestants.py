"""Pose one problem to this package, to DeepInverse, and to the network as the authors write it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from scripts.benchmarks import authors, deepinverse
from scripts.benchmarks.authors import AuthorsFourier, AuthorsNetwork, Noise
from scripts.benchmarks.plain import PlainConvolution
from sgdj.attacks import PGD
from sgdj.data.batch import Batch
from sgdj.networks import DnCNN, GradientDescent, ProximalGradient, SeismicCNN, StepSize, Unrolled
from sgdj.operators import CartesianFourier, Convolution
from sgdj.operators.wavelets import ricker
from sgdj.runtime.draws import Draws
from sgdj.strategies import MSE, Adversarial, Jitter
from sgdj.strategies.base import Strategy

STRATEGIES = ("mse", "jitter", "adversarial")
_SIGMA, _RHO, _STEP = 0.01, 0.03, 2.0  # of jitter and attack
_LR = 1e-5


@dataclass(frozen=True)
class Case:
    """Describe a problem and the network that solves it.

    Parameters
    ----------
    task
        Task of the problem, "mri" or "seismic".
    shape
        Height and width of the image, in samples.
    batch, layers, features
        Sizes of the batch and of the network; the seismic network always has five layers.
    attack_steps
        Number of steps of the attack, and of that of adversarial training.
    proximal
        Whether the network has the proximal form in place of the gradient form.
    iterations
        Number of iterations K.
    dtype
        Precision of images and weights.
    """

    task: Literal["mri", "seismic"]
    shape: tuple[int, int]
    batch: int
    layers: int
    features: int
    attack_steps: int
    proximal: bool = False
    iterations: int = 5
    dtype: torch.dtype = torch.float32

    @property
    def name(self) -> str:
        """Name of the problem, in words for a table."""
        form = "proximal" if self.proximal else "gradient"
        size = "x".join(map(str, self.shape))
        network = f"{self.layers} x {self.features}, {form} form, K = {self.iterations}"
        return f"{self.task}, {size}, batch {self.batch}, {network}"

    def lines(self) -> Tensor:
        """Return the sampled columns: every fifth, and the centre; boolean, shape (W,)."""
        width = self.shape[1]
        lines = torch.zeros(width, dtype=torch.bool)
        lines[::5], lines[width // 2 - width // 25 : width // 2 + width // 25] = True, True
        return lines

    def kernel(self) -> Tensor:
        """Return the wavelet of the convolution."""
        return ricker(51, 4.0)

    def problem(self, mask_adjoint: bool = True) -> Batch:
        """Make the batch, always the same one."""
        torch.manual_seed(0)
        names = tuple(map(str, range(self.batch)))
        kind = self.dtype.to_complex() if self.task == "mri" else self.dtype
        x = (torch.randn(self.batch, 1, *self.shape, dtype=torch.complex128) / 3).real.contiguous()
        if self.task == "mri":
            x = torch.complex(x, x.flip(-1))
        x = x.to(kind)
        operator = (
            CartesianFourier(self.lines(), mask_adjoint=mask_adjoint)
            if self.task == "mri"
            else Convolution(self.kernel(), self.shape[0])
        )
        return Batch(x, operator.forward(x), operator, names, names)

    def network(self) -> Unrolled:
        """Make the network, always with the same weights."""
        torch.manual_seed(0)
        kind = ProximalGradient if self.proximal else GradientDescent
        if self.task == "mri":
            body = DnCNN(2, self.layers, self.features, 4, residual=self.proximal)
            network = kind(body, StepSize("exp", 1.0, -1.0, True), self.iterations, "adjoint")
        else:
            cnn = SeismicCNN(self.features, 4, residual=False)
            network = kind(cnn, StepSize("sigmoid", 0.1, -1.0, True), self.iterations, "measurement")
        return network.to(self.dtype)


class Contestant(ABC):
    """Implementation that solves a case, with weights and an optimiser of its own.

    Attributes
    ----------
    network
        Module that holds the weights.
    """

    network: nn.Module

    @abstractmethod
    def reconstruct(self) -> Tensor:
        """Return the reconstruction, in the form of this package."""

    @abstractmethod
    def jittered(self) -> Tensor:
        """Return the reconstruction with jitter that is the same for everybody."""

    @abstractmethod
    def attack(self) -> Tensor:
        """Return the perturbation δ, in the form of this package."""

    @abstractmethod
    def loss(self, strategy: str) -> Tensor:
        """Return the loss of a training strategy: the mean over samples of the mean of |x̂ - x|²."""

    def prepare(self) -> None:
        """Make the optimiser."""
        self.optimizer = torch.optim.Adam(self.network.parameters(), _LR)

    def step(self, strategy: str) -> None:
        """Do one training step."""
        self.optimizer.zero_grad()
        self.loss(strategy).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


class Ours(Contestant):
    """The networks, strategies and attacks of this package.

    Parameters
    ----------
    case
        Problem that is solved.
    mask_adjoint
        Whether the adjoint masks; otherwise the attack may lie anywhere, as in the authors' code.
    """

    def __init__(self, case: Case, mask_adjoint: bool = True) -> None:
        self.network = self._unrolled = case.network()
        self.batch, self.draws = case.problem(mask_adjoint), Draws(0).at(0)
        self._attack = PGD(
            rho=_RHO, steps=case.attack_steps, step_size=_STEP, restarts=1, random_start=False, keep="last",
            support="measured" if mask_adjoint else "full",
        )  # fmt: skip
        self._jitter = Jitter(_SIGMA, "upstream", last_iteration=True)
        self._strategies: dict[str, Strategy] = {
            "mse": MSE(), "jitter": self._jitter, "adversarial": Adversarial(self._attack)
        }  # fmt: skip
        self.prepare()

    def reconstruct(self) -> Tensor:
        """Return the reconstruction x̂."""
        return self._unrolled(self.batch.y, self.batch.operator)

    def jittered(self) -> Tensor:
        """Return the reconstruction x̂ with jitter."""
        perturb = self._jitter.perturb(self._unrolled, self.batch, self.draws)
        return self._unrolled(self.batch.y, self.batch.operator, perturb)

    def attack(self) -> Tensor:
        """Return the perturbation δ."""
        return self._attack(self._unrolled, self.batch, self.draws)

    def loss(self, strategy: str) -> Tensor:
        """Return the loss of a training strategy."""
        return self._strategies[strategy].loss(self._unrolled, self.batch, self.draws)


class Peer(Contestant):
    """Somebody else's network, trained and attacked as its users write it.

    Parameters
    ----------
    case
        Problem that is solved.
    network
        Network that maps (y, noise) to x̂, in the form that `inward` gives.
    inward
        Map from this package's form of images and measurements.
    outward
        Map back to this package's form.
    every_gradient
        Whether the attack's `backward()` also fills the gradients of the weights.
    """

    def __init__(
        self,
        case: Case,
        network: nn.Module,
        inward: Callable[[Tensor], Tensor],
        outward: Callable[[Tensor], Tensor],
        every_gradient: bool,
    ) -> None:
        batch = case.problem()
        self.network, self.outward, self.every_gradient, self.steps = (
            network, outward, every_gradient, case.attack_steps
        )  # fmt: skip
        self.x, self.y = inward(batch.x), inward(batch.y)
        self._kept = [
            inward(Draws(0).at(0).normal("jitter", batch.samples, batch.x, k)) for k in range(case.iterations)
        ]
        self._parts = 2 if batch.x.is_complex() else 1  # |x̂ - x|² is a sum over that many entries
        self.prepare()

    def _error(self, y: Tensor, noise: Noise | None = None) -> Tensor:
        return self._parts * nn.functional.mse_loss(self.network(y, noise), self.x)

    def reconstruct(self) -> Tensor:
        """Return the reconstruction x̂."""
        return self.outward(self.network(self.y))

    def jittered(self) -> Tensor:
        """Return the reconstruction x̂ with jitter."""
        kept = iter(self._kept)
        return self.outward(self.network(self.y, lambda _: next(kept)))

    def attack(self) -> Tensor:
        """Return the perturbation δ, in the form of this package."""
        return self.outward(self._perturbation())

    def _perturbation(self) -> Tensor:
        """Take projected steps along the normalised gradient, and return the last iterate."""

        def norm(v: Tensor) -> Tensor:
            return torch.linalg.vector_norm(v, dim=(1, 2, 3), keepdim=True)

        budget, delta = _RHO * norm(self.y), torch.zeros_like(self.y)
        for _ in range(self.steps):
            delta.requires_grad_(True)
            error = self._error(self.y + delta)
            if self.every_gradient:
                error.backward()  # type: ignore[no-untyped-call]
                gradient = delta.grad
            else:
                (gradient,) = torch.autograd.grad(error, delta)
            assert gradient is not None
            delta = delta.detach() + _STEP * budget * gradient / norm(gradient)
            delta = delta * (budget / norm(delta)).clamp(max=1.0)
        return delta

    def loss(self, strategy: str) -> Tensor:
        """Return the loss of a training strategy."""
        if strategy == "adversarial":
            delta = self._perturbation()
            self.optimizer.zero_grad()  # of what the attack has left there
            return self._error(self.y + delta)
        return self._error(self.y, torch.randn_like if strategy == "jitter" else None)


def _same(x: Tensor) -> Tensor:
    return x


def the_authors(case: Case) -> Peer:
    """Make the network as the authors write it."""
    mri = case.task == "mri"
    physics = AuthorsFourier(case.lines()) if mri else PlainConvolution(case.kernel())
    network = AuthorsNetwork(case.network(), physics, not mri, _SIGMA)
    forms = (authors.to_two_channels, authors.to_complex) if mri else (_same, _same)
    return Peer(case, network, *forms, every_gradient=True)


def deep_inverse(case: Case) -> Peer:
    """Make the network of DeepInverse."""
    mri = case.task == "mri"
    if mri:
        physics = deepinverse.fourier(case.lines(), case.shape[0], case.dtype)
    else:
        physics = deepinverse.convolution(case.kernel(), case.dtype)
    network = deepinverse.DeepInverseNetwork(case.network(), physics, not mri, _SIGMA)
    forms = (deepinverse.to_channels, authors.to_complex) if mri else (_same, _same)
    return Peer(case, network, *forms, every_gradient=False)


def peers(case: Case) -> dict[str, Peer]:
    """Return the peers that are installed, by name."""
    found = {"authors": the_authors(case)}
    return found | ({"deepinverse": deep_inverse(case)} if deepinverse.is_installed() else {})
