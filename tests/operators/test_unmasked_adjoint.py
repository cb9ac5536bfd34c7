"""What a perturbation off the mask becomes if the adjoint does not mask, and nothing is learned."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sgdj.networks import GradientDescent, ProximalGradient, StepSize
from sgdj.operators import CartesianFourier

ETA = float(np.exp(-1))
SIZE = 16


class Scaled(nn.Module):
    """Learned part that returns a multiple of its input: 0 is nothing learned, 1 the skip of the authors' f(x) + x."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.factor * x


def gain(network: nn.Module, mask_adjoint: bool, sampled: bool) -> float:
    """Norm of what a perturbation, on or off the sampled lines, adds to the reconstruction, over its own norm."""
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[[2, 7, 8, 9, 13]] = True
    operator = CartesianFourier(mask, mask_adjoint=mask_adjoint)
    delta = torch.randn(1, 1, SIZE, SIZE, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    delta = delta * (mask if sampled else ~mask)
    with torch.no_grad():
        found = network(delta, operator) - network(torch.zeros_like(delta), operator)
    return float(torch.linalg.vector_norm(found) / torch.linalg.vector_norm(delta))


def made(kind: type, factor: float, iterations: int) -> nn.Module:
    step = StepSize(rule="exp", scale=1.0, initial=-1.0, learned=False)
    return kind(Scaled(factor), step, iterations, "adjoint").double()


@pytest.mark.parametrize(("iterations", "expected"), [(5, 2.839397), (10, 4.678794)])
@pytest.mark.parametrize(("kind", "factor"), [(GradientDescent, 0.0), (ProximalGradient, 1.0)])
def test_nothing_restores_what_is_not_measured(kind, factor, iterations, expected):
    """1 + K η off the mask, 1 on it; with the masked adjoint nothing comes from off the mask."""
    network = made(kind, factor, iterations)
    assert gain(network, False, False) == pytest.approx(expected, abs=1e-6)
    assert expected == pytest.approx(1 + iterations * ETA, abs=1e-6)
    assert gain(network, False, True) == pytest.approx(1, abs=1e-6)
    assert gain(network, True, False) == 0
    assert gain(network, True, True) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("iterations", "sampled"), [(5, 0.5006), (10, None)])
def test_the_authors_skip_shrinks_what_it_reaches(iterations, sampled):
    """With η (f(x) + x) and f = 0 the gain is 1 off the mask, and (1 + (1 - 2η)^K) / 2 on it."""
    network = made(GradientDescent, 1.0, iterations)
    assert gain(network, False, False) == pytest.approx(1, abs=1e-6)
    on = (1 + (1 - 2 * ETA) ** iterations) / 2
    assert gain(network, False, True) == pytest.approx(on, abs=1e-6)
    assert gain(network, True, False) == 0
    assert gain(network, True, True) == pytest.approx(on, abs=1e-6)
    assert sampled is None or on == pytest.approx(sampled, abs=1e-4)
