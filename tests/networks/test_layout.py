"""The channels-last layout of learned parts changes the rounding, and nothing else."""

import pytest
import torch

from sgdj.networks import DnCNN, GradientDescent, ProximalGradient, SeismicCNN, StepSize, channels, seismic_cnn
from sgdj.operators import CartesianFourier, Convolution
from sgdj.operators.wavelets import ricker


def copied(x: torch.Tensor) -> torch.Tensor:
    """Return (B, H, W, C) as (B, C, H, W) in the contiguous format, as result version 1 computed."""
    return x.permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", [GradientDescent, ProximalGradient])
@pytest.mark.parametrize("task", ["mri", "seismic"])
def test_outputs_are_those_of_the_contiguous_layout(task, form, dtype, monkeypatch):
    """To 5e-6 of their norm in single precision; to 1e-12 in double, so that nothing but rounding differs."""
    torch.manual_seed(0)
    if task == "mri":
        x = torch.randn(2, 1, 40, 48, dtype=dtype.to_complex())
        operator, learned = CartesianFourier(torch.arange(48) % 3 == 0), DnCNN(2, 5, 16, 4, residual=False)
        step, start = StepSize("exp", 1.0, -1.0, True), "adjoint"
    else:
        x = torch.randn(2, 1, 60, 12, dtype=dtype)
        operator, learned = Convolution(ricker(21, 4.0).to(dtype), 60), SeismicCNN(16, 4, residual=False)
        step, start = StepSize("sigmoid", 0.1, -1.0, True), "measurement"
    network, y = form(learned, step, 4, start).to(dtype), operator.forward(x)
    with torch.no_grad():
        found = network(y, operator)
        for module in (channels, seismic_cnn):
            monkeypatch.setattr(module, "channels_last", copied)
        before = network(y, operator)
    assert float((found - before).norm() / before.norm()) < (5e-6 if dtype == torch.float32 else 1e-12)
