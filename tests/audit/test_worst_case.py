"""Exact worst cases of linearised reconstructions, against dense linear algebra."""

import math

import pytest
import torch

from sgdj.attacks import APGD
from sgdj.audit.checks import TINY
from sgdj.audit.worst_case import TOLERANCE, Linearised
from sgdj.data.batch import Batch
from sgdj.networks import Reconstructor
from sgdj.operators import CartesianFourier
from sgdj.runtime.draws import Draws
from tests.audit.test_audit import audit, network

SIDE = 8
MASK = torch.arange(SIDE) % 3 != 1
REAL = 2 * SIDE * SIDE


def real(x):
    return torch.view_as_real(x).flatten()


class RealLinear(Reconstructor):
    """Real-linear map of real and imaginary entries, which is not complex-linear, with chosen singular values."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        u, v = (torch.linalg.qr(torch.randn(REAL, REAL, dtype=torch.float64, generator=generator))[0] for _ in "uv")
        self.matrix = u @ torch.diag(torch.logspace(0, -decay, REAL, dtype=torch.float64)) @ v.T

    def forward(self, y, operator, perturb=None):
        flat = torch.view_as_real(operator.restrict(y)).flatten(1) @ self.matrix.T
        return torch.view_as_complex(flat.view(*y.shape, 2))


def problem(decay=1.0):
    """A complex problem of 8 x 8, and the dense matrix of J on the measured entries."""
    operator = CartesianFourier(MASK)
    made = RealLinear(decay)
    y = operator.restrict(torch.randn(1, 1, SIDE, SIDE, dtype=torch.complex128, generator=torch.manual_seed(1)))
    keep = real(operator.restrict(torch.ones_like(y)) * (1 + 1j)).bool()
    return made, operator, y, made.matrix * keep


def oracle(J, e, epsilon, hard=False):
    """Largest ‖e + Jδ‖ - ‖e‖ by the eigenvalues of JᵀJ and bisection on μ, as the textbook has it."""
    values, vectors = torch.linalg.eigh(J.T @ J)
    g = vectors.T @ (J.T @ e)
    if hard:  # the top space takes what is left of ε
        g[-1] = 0
    low, high = float(values[-1]), float(values[-1] + g.norm() / epsilon)

    def d(mu):
        return torch.where(g == 0, 0.0, g / (mu - values))

    if hard and float(d(low).norm()) < epsilon:
        best = d(low)
        best[-1] = math.sqrt(epsilon**2 - float(best.square().sum()))
    else:
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if float(d(middle).norm()) > epsilon else (low, middle)
        best = d(high) * (epsilon / d(high).norm())
    return float((e + J @ (vectors @ best)).norm() - e.norm())


@pytest.mark.parametrize("epsilon", [1e-2, 1.0, 30.0])
def test_worst_case_is_that_of_dense_algebra(epsilon):
    made, operator, y, J = problem()
    x = torch.randn(y.shape, dtype=y.dtype, generator=torch.manual_seed(2))
    local = Linearised(made, Batch(x, y, operator, ("a",), ("a",)), Draws(0), most=REAL)
    local.converge_top()
    found = local.worst_case(epsilon)
    e = real(made(y, operator) - x)
    assert found.residual <= TOLERANCE
    assert float(found.delta.abs().square().sum()) == pytest.approx(epsilon**2, rel=1e-10)
    assert torch.equal(operator.restrict(found.delta), found.delta)
    assert found.increase == pytest.approx(oracle(J, e, epsilon), rel=1e-8)
    assert float((e + J @ real(found.delta)).norm() - e.norm()) == pytest.approx(found.increase, rel=1e-8)


@pytest.mark.parametrize("epsilon", [1e-3, 30.0])
def test_hard_case(epsilon):
    """Jᵀe has no part in the top singular space: a budget above the rest's length takes that direction besides."""
    made, operator, y, J = problem()
    e = real(torch.randn(y.shape, dtype=y.dtype, generator=torch.manual_seed(2)))
    left = torch.linalg.svd(J)[0][:, 0]
    e = e - left * (left @ e)
    x = made(y, operator) - torch.view_as_complex(e.view(*y.shape, 2))
    local = Linearised(made, Batch(x, y, operator, ("a",), ("a",)), Draws(0), most=REAL)
    local.converge_top()
    found = local.worst_case(epsilon)
    assert found.residual <= TOLERANCE
    assert found.increase == pytest.approx(oracle(J, e, epsilon, hard=True), rel=1e-8)
    if epsilon == 30.0:
        top = torch.linalg.svd(J)[2][0]
        assert abs(float(top @ real(found.delta))) > 0.1 * epsilon


def test_fragile_directions_are_singular_vectors():
    made, operator, y, J = problem(decay=3.0)
    local = Linearised(made, Batch(torch.zeros_like(y), y, operator, ("a",), ("a",)), Draws(0), most=REAL)
    local.converge_top(3)
    found = local.directions(3)
    _, s, vt = torch.linalg.svd(J)
    assert [one.value for one in found] == pytest.approx(s[:3].tolist(), rel=1e-9)
    for one, v in zip(found, vt, strict=False):
        assert abs(float(real(one.measurement) @ v)) == pytest.approx(1, abs=1e-6)
        assert float(one.response.abs().square().sum()) == pytest.approx(1, abs=1e-9)


def test_a_space_that_is_too_small_says_so():
    made, operator, y, _ = problem()
    local = Linearised(made, Batch(torch.zeros_like(y), y, operator, ("a",), ("a",)), Draws(0), most=3)
    assert local.worst_case(30.0).residual > TOLERANCE


def test_auto_pgd_reaches_the_exact_increase_of_a_network():
    checked = audit(network("convolution"), "convolution")
    found, batch = checked._local(), checked.batch
    assert found.status == "PASS", found.value
    assert len(checked.directions) == 3
    double = checked._in_double()
    assert double is not None
    local = Linearised(double[0], double[1].take(0), Draws(0))
    exact = local.worst_case(TINY[0] * float(batch.y[0].norm()))
    search = APGD(rho=TINY[0], steps=2, restarts=1, random_start=False)
    weak = local.increase(double[0], 0.5 * search(*double, Draws(0))[:1])
    assert weak < 0.9 * exact.increase  # half of a δ is seen to be weak
    assert local.increase(double[0], exact.delta) == pytest.approx(exact.increase, rel=1e-3)
