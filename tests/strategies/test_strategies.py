"""Training risks add the stated noise, at the stated place and strength."""

import copy
import math

import pytest
import torch

from sgdj.attacks import PGD
from sgdj.data import Batch
from sgdj.networks import DnCNN, GradientDescent, ProximalGradient, Reconstructor, StepSize
from sgdj.operators import CartesianFourier, Identity
from sgdj.runtime.draws import Draws
from sgdj.strategies import MSE, Adversarial, InputJitter, Jitter


def batch(size=2, n=16, names="abcdefgh") -> Batch:
    generator = torch.Generator().manual_seed(1)
    mask = torch.zeros(n, dtype=torch.bool)
    mask[::2] = True
    operator = CartesianFourier(mask)
    x = torch.randn(size, 1, n, n, dtype=torch.complex64, generator=generator)
    samples = tuple(names[:size])
    return Batch(x, operator.forward(x), operator, samples, samples)


def network(form=GradientDescent, iterations=3):
    torch.manual_seed(0)
    return form(DnCNN(2, 3, 8, 4, form is ProximalGradient), StepSize("exp", 1.0, -1.0, True), iterations, "adjoint")


def step(strategy, net, data, draws):
    net = copy.deepcopy(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for epoch in range(3):
        loss = strategy.loss(net, data, draws.at(epoch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses), net.state_dict()


@pytest.mark.parametrize("form", [GradientDescent, ProximalGradient])
@pytest.mark.parametrize(
    "silent",
    [
        Jitter(0.0, "relative", True), Jitter(0.0, "absolute", True), Jitter(0.0, "upstream", True),
        Jitter(0.0, "relative", False), InputJitter(0.0),
    ],
)  # fmt: skip
def test_zero_sigma_is_mse_bit_for_bit(form, silent, monkeypatch):
    """Three optimiser steps through the sampling path: same losses, same weights."""
    drawn = []
    original = Draws.normal
    monkeypatch.setattr(Draws, "normal", lambda *a, **k: drawn.append(a[1]) or original(*a, **k))
    net, data = network(form), batch()
    expected = step(MSE(), net, data, Draws(0))
    assert not drawn
    got = step(silent, net, data, Draws(0))
    assert set(drawn) == {"jitter"}  # no early return
    assert torch.equal(got[0], expected[0])
    assert all(torch.equal(got[1][name], expected[1][name]) for name in expected[1])


def jitter_of(strategy, net, data, draws):
    """Record the w_k and z_k of a forward pass."""
    seen = []
    original = net.forward

    def spy(y, operator, perturb=None):
        def wrapped(k, x, z):
            w = perturb(k, x, z)
            seen.append((w.detach(), z.detach()))
            return w

        return original(y, operator, wrapped)

    net.forward = spy
    strategy.loss(net, data, draws)
    return seen


@pytest.mark.parametrize("scale", ["relative", "absolute", "upstream"])
def test_the_measured_deviation_is_the_definition(scale):
    data = batch(2, 128)
    sigma = 0.3
    for w, z in jitter_of(Jitter(sigma, scale, True), network(), data, Draws(0)):
        entries = torch.view_as_real(w)
        for i in range(2):
            expected = {
                "relative": sigma * float(z[i].abs().max()),
                "absolute": sigma / math.sqrt(2 * 128 * 128),
                "upstream": sigma * float(torch.view_as_real(z).max()),
            }[scale]
            n = entries[i].numel()
            assert float(entries[i].std()) == pytest.approx(expected, rel=4 / math.sqrt(2 * n))
            assert abs(float(entries[i].mean())) < 4 * expected / math.sqrt(n)
        if scale == "absolute":
            assert float(w[0].abs().square().sum()) == pytest.approx(sigma**2, rel=0.03)


def test_jitter_is_fresh_for_every_iteration_sample_and_epoch():
    strategy = Jitter(0.1, "absolute", True)
    first = [w for w, _ in jitter_of(strategy, network(), batch(), Draws(0).at(0))]
    second = [w for w, _ in jitter_of(strategy, network(), batch(), Draws(0).at(1))]
    draws = [w[i] for w in first + second for i in range(2)]
    for i, a in enumerate(draws):
        for b in draws[:i]:
            assert not torch.equal(a, b)


@pytest.mark.parametrize("scale", ["relative", "absolute"])
def test_jitter_does_not_depend_on_batch_neighbours(scale):
    strategy, data = Jitter(0.1, scale, True), batch(3)
    alone = Batch(data.x[1:2], data.y[1:2], data.operator, data.samples[1:2], data.volumes[1:2])
    together = jitter_of(strategy, network(), data, Draws(0))
    single = jitter_of(strategy, network(), alone, Draws(0))
    assert torch.equal(together[0][0][1], single[0][0][0])
    for (a, _), (b, _) in zip(together, single, strict=True):
        assert torch.allclose(a[1], b[0], atol=1e-6)


def test_the_last_iteration_can_be_spared():
    seen = jitter_of(Jitter(0.1, "absolute", False), network(), batch(), Draws(0))
    assert all(w.abs().max() > 0 for w, _ in seen[:-1])
    assert torch.equal(seen[-1][0], torch.zeros_like(seen[-1][0]))


def test_only_the_upstream_scale_carries_gradient():
    z = torch.randn(1, 1, 4, 4, requires_grad=True)
    assert not torch.as_tensor(Jitter(0.1, "relative", True).deviation(z)).requires_grad
    assert torch.as_tensor(Jitter(0.1, "upstream", True).deviation(z)).requires_grad


def test_input_jitter_stays_on_the_mask():
    data, seen = batch(2, 64), []
    net = network()
    original = net.forward
    net.forward = lambda y, operator, perturb=None: seen.append(y) or original(y, operator)
    InputJitter(0.2).loss(net, data, Draws(0))
    w = seen[0] - data.y
    on = torch.view_as_real(w[..., data.operator.lines])
    assert torch.equal(w[..., ~data.operator.lines], torch.zeros_like(w[..., ~data.operator.lines]))
    assert float(on.std()) == pytest.approx(0.2, rel=4 / math.sqrt(2 * on.numel()))


class Shift(Reconstructor):
    """Reconstruct x̂ = y + c: its worst case is known in closed form, and c is its weight."""

    def __init__(self):
        super().__init__()
        self.c = torch.nn.Parameter(torch.zeros(1))

    def forward(self, y, operator, perturb=None):
        return y + self.c


def test_adversarial_loss_is_the_exact_worst_case():
    """For x̂ = y + c the error is e = y + c - x, its worst case within the ball (‖e‖ + ε)², with the derivative
    2 (‖e‖ + ε) Σe / ‖e‖ by c."""
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(2, 2, 1, 6, 6, dtype=torch.float64, generator=generator)
    data, net, epsilon = Batch(x, y, Identity(), ("a", "b"), ("a", "b")), Shift().double(), 0.7
    attack = PGD(epsilon=epsilon, steps=3, step_size=3.0, restarts=1, random_start=False)
    loss = Adversarial(attack).loss(net, data, Draws(0))
    error = y - x
    norm = error.flatten(1).norm(dim=1)
    assert loss.item() == pytest.approx(((norm + epsilon) ** 2 / 36).mean().item(), rel=1e-9)
    assert loss > MSE().loss(net, data, Draws(0))
    loss.backward()
    slope = 2 * (norm + epsilon) * error.sum((1, 2, 3)) / norm / 36
    assert net.c.grad.item() == pytest.approx(slope.mean().item(), rel=1e-9)


def test_the_attack_leaves_no_gradient_in_the_parameters():
    data, net = batch(), network()
    PGD(rho=0.1, steps=2, step_size=1.0, restarts=1, random_start=True)(net, data, Draws(0))
    assert all(p.grad is None for p in net.parameters())
