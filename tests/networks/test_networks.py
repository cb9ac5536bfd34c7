"""Unrolled networks against their equations."""

from functools import partial

import numpy as np
import pytest
import torch

from sgdj.networks import (
    DnCNN,
    GradientDescent,
    LearnedPart,
    Linear,
    ProximalGradient,
    SeismicCNN,
    StartingPoint,
    StepSize,
)
from sgdj.operators import CartesianFourier, Convolution, Identity
from sgdj.operators.wavelets import ricker
from sgdj.runtime.draws import Draws
from tests.helper import dense


def mri_problem():
    mask = torch.tensor([True, False, True, True, False, True])
    operator = CartesianFourier(mask)
    y = operator.forward(torch.randn(2, 1, 5, 6, dtype=torch.complex128))
    return operator, y


class Quadratic(LearnedPart):
    """A nonlinear learned part that NumPy can follow."""

    def forward(self, x, y):
        return 0.1 * x * x.abs()


@pytest.mark.parametrize("form", [GradientDescent, ProximalGradient])
@pytest.mark.parametrize("jittered", [False, True])
def test_iteration_is_the_equation(form, jittered):
    """A plain NumPy loop with the dense matrix of A, iterate by iteration noise included."""
    operator, y = mri_problem()
    network = form(Quadratic(), StepSize("exp", 1.0, -1.0, True), 4, "adjoint").double()
    noise = torch.randn(4, *y.shape, dtype=torch.complex128)
    out = network(y, operator, (lambda k, x, z: noise[k]) if jittered else None)

    matrix = dense(operator, (1, 5, 6), torch.complex128).numpy()
    eta = np.exp(-1.0)
    for i in range(2):
        b = y[i].flatten().numpy()
        x = matrix.conj().T @ b
        for k in range(4):
            w = noise[k, i].flatten().numpy() if jittered else 0
            gradient = matrix.conj().T @ (matrix @ x - b)
            if form is GradientDescent:
                x = x - eta * (gradient + 0.1 * x * np.abs(x) + w)
            else:
                z = x - eta * (gradient + w)
                x = 0.1 * z * np.abs(z)
        assert np.allclose(out[i].detach().flatten().numpy(), x, atol=1e-6)


def test_perturb_sees_the_iterates():
    operator, y = mri_problem()
    network = GradientDescent(Quadratic(), StepSize("exp", 1.0, -1.0, False), 3, "adjoint").double()
    seen = []

    def perturb(k, x, z):
        seen.append((k, x, z))
        return torch.zeros_like(x)

    network(y, operator, perturb)
    assert [k for k, _, _ in seen] == [0, 1, 2]
    for _, x, z in seen:
        expected = x - network.step() * (operator.gram(x) - operator.adjoint(y))
        assert torch.allclose(z, expected, atol=1e-12)


def test_published_sizes():
    """Parameter counts recorded for the authors' networks."""
    mri = GradientDescent(DnCNN(2, 8, 64, 4, False), StepSize("exp", 1.0, -1.0, True), 5, "adjoint")
    assert sum(p.numel() for p in mri.parameters()) == 224_256 + 1
    seismic = SeismicCNN(32, 4, False)
    convolutions = [m for m in seismic.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.kernel_size) for m in convolutions] == [
        (2, 32, (3, 3)), (32, 32, (3, 3)), (32, 32, (3, 3)), (32, 1, (3, 3)), (1, 1, (1, 1)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "scale", "initial", "expected"),
    [("exp", 1.0, -1.0, 0.367879), ("sigmoid", 0.1, -1.0, 0.0268941), ("exp", 0.3, 0.0, 0.3)],
)
def test_step_sizes(rule, scale, initial, expected):
    assert float(StepSize(rule, scale, initial, True)().detach()) == pytest.approx(expected, rel=1e-5)


def test_starting_points():
    operator = Convolution(ricker(5, 1.0), 8)
    y = torch.randn(1, 1, 8, 3)
    assert torch.equal(StartingPoint("measurement")(y, operator), y)
    assert torch.equal(StartingPoint("adjoint")(y, operator), operator.adjoint(y))
    network = GradientDescent(Linear(24, False), StepSize("exp", 0.0 + 1e-9, 0.0, False), 0 + 1, "measurement")
    assert torch.allclose(network(y, operator), y, atol=1e-6)


def test_linear_network_has_the_closed_form_gain():
    """M^K + η Σ M^i for f = θ x and A = I (closed forms of the denoising toy)."""
    learned = Linear(4, False)
    theta, eta, k = 0.04101, 0.3, 10
    learned.weight.data = theta * torch.eye(4)
    network = GradientDescent(learned, StepSize("exp", eta, 0.0, False), k, "adjoint").double()
    m = 1 - eta * (1 + theta)
    gain = m**k + eta * sum(m**i for i in range(k))
    y = torch.randn(3, 1, 4, 1, dtype=torch.float64)
    assert torch.allclose(network(y, Identity()), gain * y, atol=1e-6)
    assert gain == pytest.approx(1 / 1.04, abs=2e-4)  # the Wiener gain at v = 0


def test_iterations_may_change_after_training():
    operator, y = mri_problem()
    network = GradientDescent(
        DnCNN(2, 3, 8, 4, False).double(), StepSize("exp", 1.0, -1.0, True).double(), 2, "adjoint"
    )
    two = network(y, operator)
    network.iterations = 3
    three = network(y, operator)
    assert two.shape == three.shape
    assert not torch.equal(two, three)


def test_evaluation_is_not_random():
    operator, y = mri_problem()
    network = GradientDescent(
        DnCNN(2, 3, 8, 4, False).double(), StepSize("exp", 1.0, -1.0, True).double(), 2, "adjoint"
    )
    for mode in (True, False):
        network.train(mode)
        assert torch.equal(network(y, operator), network(y, operator))
    assert Draws(0) == Draws(0)


@pytest.mark.parametrize("form", [GradientDescent, ProximalGradient])
def test_checkpointing_changes_no_bit_and_keeps_less(form):
    """Loss and gradients of a jittered step; and what autograd keeps grows by about one image per iteration."""
    operator, y = mri_problem()
    operator, y = CartesianFourier(operator.lines), y.to(torch.complex64)
    x = operator.adjoint(y) + 0.1
    found, kept = [], []
    for checkpointing in (False, True):
        for iterations in (3, 6):
            torch.manual_seed(0)
            learned = DnCNN(2, 4, 8, 4, residual=False)
            network = form(
                learned, StepSize("exp", 1.0, -1.0, True), iterations, "adjoint", checkpointing=checkpointing
            )
            sizes = []

            def pack(tensor, sizes=sizes):
                sizes.append(tensor.numel())
                return tensor

            w = partial(Draws(0).at(2).normal, "jitter", ("a", "b"))
            with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
                loss = (network(y, operator, lambda k, x, z, w=w: w(z, k)) - x).abs().sum()
            loss.backward()
            found.append([loss.detach(), *(p.grad for p in network.parameters())])
            kept.append(sum(sizes))
    for plain, other in zip(found[:2], found[2:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(plain, other, strict=True))
    assert kept[3] - kept[2] <= 3 * 2 * x.numel()  # three more iterations: an image or so each
    assert kept[1] - kept[0] > 3 * 20 * x.numel()
