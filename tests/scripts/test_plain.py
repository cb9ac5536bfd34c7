"""No numerical shortcut: gram, reconstructions, jittered steps and attacks agree with the plain implementation."""

import pytest
import torch

from scripts.benchmarks.plain import Plain, PlainConvolution, PlainFourier, pgd, squared_error
from sgdj.attacks import PGD
from sgdj.data.batch import Batch
from sgdj.networks import DnCNN, GradientDescent, SeismicCNN, StepSize
from sgdj.operators import CartesianFourier, Convolution
from sgdj.operators.wavelets import ricker
from sgdj.runtime.draws import Draws
from sgdj.strategies import Jitter


def mri():
    lines = torch.zeros(48, dtype=torch.bool)
    lines[::4], lines[20:28] = True, True
    x = torch.randn(2, 1, 40, 48, dtype=torch.complex128)
    learned = DnCNN(2, 4, 16, 4, residual=False)
    return CartesianFourier(lines), PlainFourier(lines), x, learned, StepSize("exp", 1.0, -1.0, True)


def seismic():
    kernel = ricker(21, 3.0)
    x = torch.randn(2, 1, 40, 12, dtype=torch.float64)
    return (
        Convolution(kernel, 40),
        PlainConvolution(kernel),
        x,
        SeismicCNN(8, 4, False),
        StepSize("sigmoid", 0.1, -1.0, True),
    )


@pytest.mark.parametrize("make", [mri, seismic])
def test_everything_agrees_to_rounding(make):
    torch.manual_seed(0)
    operator, slow, x, learned, step = make()
    network = GradientDescent(learned, step, 4, "adjoint").double()
    plain = Plain(network)
    y = operator.forward(x) + 0.05 * operator.restrict(torch.randn_like(x))
    scale = float(x.abs().max())
    assert torch.allclose(slow.forward(x), operator.forward(x), atol=1e-12 * scale)
    assert torch.allclose(slow.adjoint(slow.forward(x)), operator.gram(x), atol=1e-11 * scale)
    with torch.no_grad():
        assert torch.allclose(plain(y, slow), network(y, operator), atol=1e-11 * scale)
    batch = Batch(x, y, operator, ("a", "b"), ("a", "b"))
    jitter = Jitter(0.1, "relative", last_iteration=True)
    loss = jitter.loss(network, batch, Draws(0).at(1))
    other = squared_error(plain(y, slow, jitter.perturb(network, batch, Draws(0).at(1))), x).mean()
    assert loss.item() == pytest.approx(other.item(), rel=1e-11)
    grads = torch.autograd.grad(loss, list(network.parameters()))
    others = torch.autograd.grad(other, list(network.parameters()))
    for a, b in zip(grads, others, strict=True):
        assert torch.allclose(a, b, atol=1e-10 * float(b.abs().max()) + 1e-14)
    attack = PGD(rho=0.1, steps=5, step_size=1.0, restarts=1, random_start=False)
    delta, same = attack(network, batch, Draws(0)), pgd(plain, x, y, slow, 0.1, 5, 1.0)
    assert float((delta - same).abs().max()) < 1e-9 * float(delta.abs().max())
    with torch.no_grad():
        errors = [squared_error(network(y + d, operator), x) for d in (delta, same)]
    assert torch.allclose(*errors, rtol=1e-10)
