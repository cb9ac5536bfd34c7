"""Attacks against the exact worst case and against their own contract."""

import pytest
import torch

from sgdj.attacks import PGD, Gaussian
from sgdj.attacks.base import project, unit
from sgdj.data import Batch
from sgdj.draws import Draws
from sgdj.metrics import squared_error
from sgdj.networks import DnCNN, GradientDescent, Reconstructor, StepSize
from sgdj.operators import CartesianFourier, Convolution
from sgdj.operators.wavelets import ricker


class LinearMap(Reconstructor):
    """x̂ = B Aᴴy with a fixed matrix B, singular values spread by 100."""

    def __init__(self, size: int, dtype: torch.dtype) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        u, _ = torch.linalg.qr(torch.randn(size, size, dtype=dtype, generator=generator))
        v, _ = torch.linalg.qr(torch.randn(size, size, dtype=dtype, generator=generator))
        self.matrix = u @ torch.diag(torch.logspace(0, -2, size, dtype=torch.float64)).to(dtype) @ v

    def forward(self, y, operator, perturb=None):
        x = operator.adjoint(y)
        return (x.flatten(1) @ self.matrix.T).view_as(x)


def exact_worst_case(network, data: Batch, i: int, budget: float) -> float:
    """Maximum over the ball of ‖J δ + r‖², by the secular equation of the trust-region problem."""
    shape = data.y[i : i + 1].shape
    size = data.y[i].numel()
    basis = torch.eye(size, dtype=data.y.dtype).reshape(size, *shape[1:])
    basis = data.operator.restrict(basis)
    keep = basis.flatten(1).abs().sum(1) > 0
    rows = network(basis[keep], data.operator).flatten(1)
    jacobian = rows.T
    residual = (network(data.y[i : i + 1], data.operator) - data.x[i : i + 1]).flatten()
    _, s, vh = torch.linalg.svd(jacobian, full_matrices=False)
    u = jacobian @ vh.mH / s
    c = (u.mH @ residual).abs() * s
    low, high = float(s[0] ** 2) * (1 + 1e-12), float(s[0] ** 2 + c.norm() / budget) + 1
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if float((c / (middle - s**2)).norm()) > budget else (low, middle)
    delta = vh.mH @ ((u.mH @ residual) * s / (high - s**2))
    return float((jacobian @ delta + residual).abs().square().sum()) / data.x[i].numel()


def problems():
    generator = torch.Generator().manual_seed(2)
    mask = torch.tensor([True, False, True, True, False, True, False, True])
    fourier = CartesianFourier(mask)
    x = torch.randn(3, 1, 8, 8, dtype=torch.complex128, generator=generator)
    names = ("a", "b", "c")
    yield Batch(x, fourier.forward(x), fourier, names, names)
    convolution = Convolution(ricker(9, 2.0), 10)
    x = torch.randn(3, 1, 10, 4, dtype=torch.float64, generator=generator)
    yield Batch(x, convolution.forward(x), convolution, names, names)


@pytest.mark.parametrize("data", list(problems()), ids=["fourier", "convolution"])
@pytest.mark.parametrize("random_start", [False, True])
def test_pgd_reaches_the_exact_worst_case_on_linear_maps(data, random_start):
    network = LinearMap(data.x[0].numel(), data.x.dtype)
    attack = PGD(rho=0.1, steps=40, step_size=2.0, restarts=1, random_start=random_start)
    delta = attack(network, data, Draws(0))
    errors = squared_error(network(data.y + delta, data.operator), data.x)
    for i in range(3):
        worst = exact_worst_case(network, data, i, float(attack.budget(data.y)[i]))
        assert float(errors[i]) <= worst * (1 + 1e-9)
        assert float(errors[i]) >= 0.99 * worst


@pytest.fixture(scope="module")
def trained():
    data = next(problems())
    data = Batch(data.x.to(torch.complex64), data.y.to(torch.complex64), data.operator, data.samples, data.volumes)
    torch.manual_seed(0)
    return GradientDescent(DnCNN(2, 3, 8, 4, False), StepSize("exp", 1.0, 0.0, True), 3, "adjoint"), data


ATTACKS = [
    PGD(rho=0.1, steps=5, step_size=2.0, restarts=1, random_start=False),
    PGD(epsilon=0.3, steps=5, step_size=1.0, restarts=3, random_start=True),
    Gaussian(rho=0.1),
    Gaussian(epsilon=0.3),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: type(a).__name__)
def test_contract(attack, trained):
    """Budget per sample, support, determinism, independence of neighbours, nothing left behind."""
    network, data = trained
    before = {k: v.clone() for k, v in network.state_dict().items()}
    delta = attack(network, data, Draws(0))
    norms = delta.flatten(1).norm(dim=1)
    assert (norms <= attack.budget(data.y).flatten() * (1 + 1e-5)).all()
    assert (norms > 0).all()
    assert torch.equal(data.operator.restrict(delta), delta)
    assert torch.equal(delta, attack(network, data, Draws(0)))
    one = Batch(data.x[1:2], data.y[1:2], data.operator, ("b",), ("b",))
    assert torch.allclose(attack(network, one, Draws(0)), delta[1:2], atol=1e-4)
    assert not delta.requires_grad
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    nothing = attack.scaled(0.0)(network, data, Draws(0))
    assert torch.equal(network(data.y + nothing, data.operator), network(data.y, data.operator))


def test_gaussian_has_the_norm_exactly(trained):
    network, data = trained
    attack = Gaussian(rho=0.2)
    delta = attack(network, data, Draws(0))
    assert torch.allclose(delta.flatten(1).norm(dim=1), attack.budget(data.y).flatten(), rtol=1e-6)


def test_pgd_beats_noise_and_more_effort_does_not_hurt(trained):
    network, data = trained

    def error(attack):
        with torch.no_grad():
            return squared_error(network(data.y + attack(network, data, Draws(0)), data.operator), data.x)

    few = error(PGD(rho=0.1, steps=2, step_size=2.0, restarts=1, random_start=False))
    many = error(PGD(rho=0.1, steps=20, step_size=2.0, restarts=1, random_start=False))
    restarts = error(PGD(rho=0.1, steps=20, step_size=2.0, restarts=3, random_start=False))
    assert (few >= error(Gaussian(rho=0.1))).all()
    assert (many >= few).all()
    assert (restarts >= many).all()


def test_a_zero_gradient_stays_finite():
    """The clean output as reference: at δ = 0 the gradient vanishes, and a random start is needed."""
    data = next(problems())
    network = LinearMap(64, torch.complex128)
    still = Batch(network(data.y, data.operator), data.y, data.operator, data.samples, data.volumes)
    stuck = PGD(rho=0.1, steps=3, step_size=1.0, restarts=1, random_start=False)(network, still, Draws(0))
    assert torch.equal(stuck, torch.zeros_like(stuck))
    moved = PGD(rho=0.1, steps=3, step_size=1.0, restarts=1, random_start=True)(network, still, Draws(0))
    assert torch.isfinite(torch.view_as_real(moved)).all()
    assert (moved.flatten(1).norm(dim=1) > 0).all()


def test_unit_and_projection():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert torch.equal(unit(x), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    assert torch.allclose(project(x, torch.tensor([[1.0], [1.0]])), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    assert torch.equal(project(x, torch.tensor([[9.0], [1.0]])), x)


@pytest.mark.parametrize("budget", [{}, {"epsilon": 1.0, "rho": 0.1}])
def test_one_budget_is_needed(budget):
    with pytest.raises(ValueError, match="exactly one"):
        Gaussian(**budget)
