"""The nonexpansive learned part: norms against dense algebra, and what it does to pairs of images."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from sgdj.errors import SettingError
from sgdj.networks import GradientDescent, Nonexpansive, ProximalGradient, StepSize
from sgdj.networks.descent import ConvolutionalDescent, DenseDescent, cosines
from sgdj.operators import Identity


def trained(module, spread=0.5):
    """Weights as some training might leave them, in float64."""
    torch.manual_seed(4)
    module = module.double()
    with torch.no_grad():
        for p in module.parameters():
            p.add_(spread * torch.randn_like(p))
    return module


def matrix_of(function, shape):
    basis = torch.eye(int(torch.tensor(shape).prod()), dtype=torch.float64)
    return torch.stack([function(e.view(1, *shape)).flatten() for e in basis], 1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("size", [(9, 9), (4, 13), (12, 1)])
def test_norm_of_a_convolution_bounds_the_dense_one(channels, kernel, size):
    layer = trained(ConvolutionalDescent(channels, 5, kernel))
    W = layer.scaled().detach()
    dense = matrix_of(lambda x: nn.functional.conv2d(x, W, padding=kernel // 2), (channels, *size))
    exact, bound = float(torch.linalg.matrix_norm(dense, ord=2)), layer.norm(size)
    assert exact <= bound * (1 + 1e-12)
    assert bound <= float(torch.sigmoid(layer.strength.detach()).sqrt()) * (1 + 1e-9) < 1
    assert exact >= 0.5 * bound or size != (9, 9)


@pytest.mark.parametrize("channels", [1, 2])
def test_circular_norm_is_exact(channels):
    layer = trained(ConvolutionalDescent(channels, 4, 3))
    W = layer.scaled().detach()

    def circular(x):
        return nn.functional.conv2d(nn.functional.pad(x, (1, 1, 1, 1), mode="circular"), W)

    exact = float(torch.linalg.matrix_norm(matrix_of(circular, (channels, 8, 8)), ord=2))
    assert layer.norm((6, 6)) == pytest.approx(exact, rel=1e-9)  # padded by kernel - 1


def test_norm_of_a_dense_layer_is_its_singular_value():
    layer = trained(DenseDescent(6, 9))
    assert layer.norm((6, 1)) == pytest.approx(float(torch.linalg.svdvals(layer.scaled().detach())[0]), rel=1e-12)
    assert layer.norm((6, 1)) == pytest.approx(float(torch.sigmoid(layer.strength.detach()).sqrt()), rel=1e-9)


@pytest.mark.parametrize(("form", "residual"), [("prox", True), ("prox", False), ("gd", False)])
@pytest.mark.parametrize("case", ["complex", "real", "joint", "signal", "joint signal"])
def test_no_two_inputs_come_further_apart(form, residual, case):
    size, channels = 6 if "signal" in case else None, 2 if case == "complex" else 1
    made = Nonexpansive(form, channels, size, 3, 4, 3, "joint" in case, residual, 2.0)
    N = trained(made, 1.0).map
    shape = (64, 1, 6, 1) if size else (64, 1, 6, 6)
    dtype = torch.complex128 if channels == 2 else torch.float64
    point = torch.randn(2, *shape, dtype=dtype)
    for scale in (1e-3, 0.1, 1.0):
        x, y = point[0], point[1].real if channels == 2 else point[1]
        dx, dy = (scale * torch.randn_like(v) for v in (x, y))
        moved = (N(x + dx, y + dy) - N(x, y)).flatten(1).norm(dim=1)
        together = dx.flatten(1).norm(dim=1).square() + (dy.flatten(1).norm(dim=1).square() if "joint" in case else 0)
        assert bool((moved <= together.sqrt() * (1 + 1e-9)).all())


def test_gradient_form_is_c_times_the_rest():
    made = trained(Nonexpansive("gd", 1, None, 2, 4, 3, False, False, 0.5))
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    assert torch.allclose(made(x, x), made.c() * (x - made.map(x, x)))
    assert 0 < float(made.c().detach()) < 0.5
    assert made.constants((8, 8)).weight == float(made.c().detach())
    assert len(made.constants((8, 8)).layers) == 2


@pytest.mark.parametrize(("cls", "form"), [(GradientDescent, "gd"), (ProximalGradient, "prox")])
def test_every_weight_learns(cls, form):
    torch.manual_seed(0)
    learned = Nonexpansive(form, 1, None, 2, 4, 3, False, form == "prox", 0.5)
    network = cls(learned, StepSize("sigmoid", 1.0, 0.0, True), 2, "adjoint")
    x = torch.rand(2, 1, 12, 12)
    network(x + 0.1 * torch.randn_like(x), Identity()).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters())


def test_what_has_no_centre_or_no_image_is_refused():
    with pytest.raises(SettingError, match="centre"):
        Nonexpansive("prox", 1, None, 2, 4, 4, False, False, 0.5)
    with pytest.raises(SettingError, match="pairs"):
        Nonexpansive("prox", 2, None, 2, 5, 3, False, False, 0.5)
    with pytest.raises(SettingError, match="k-space"):
        Nonexpansive("prox", 2, None, 2, 4, 3, True, False, 0.5)


def test_first_filters_are_orthonormal():
    waves = cosines(5).flatten(1).double()
    assert torch.allclose(waves @ waves.T, torch.eye(24).double(), atol=1e-6)
    assert float(waves.sum(1).abs().max()) < 1e-5


def test_a_copy_in_double_precision_has_the_same_norms():
    layer = ConvolutionalDescent(2, 6, 5)
    assert deepcopy(layer).double().norm((20, 20)) == pytest.approx(layer.norm((20, 20)), rel=1e-5)
