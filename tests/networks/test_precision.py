"""An evaluation in bfloat16 gives the numbers of float32, to a hundredth of a decibel."""

import csv

import pytest
import torch

from sgdj.networks import ProximalGradient, StepSize
from sgdj.networks.dncnn import DnCNN
from sgdj.networks.precision import computing_in, training_in
from sgdj.operators import CartesianFourier
from tests.conftest import only_run


def rows(folder):
    """Return PSNR by reconstructor, condition and sample, as an evaluation wrote it."""
    with (folder / "evaluation" / "samples.csv").open(newline="") as file:
        return {
            (row["reconstructor"], row["condition"], row["sample"]): float(row["psnr"]) for row in csv.DictReader(file)
        }


@pytest.mark.parametrize("task", ["mri", "seismic"])
def test_equal_weights_give_equal_numbers(cli, tmp_path, task):
    assert cli(f"task={task}", "scale=smoke", "strategy=mse", "logger=none")[0] == 0
    run = only_run(tmp_path)
    path = f"checkpoint={run / 'checkpoints' / 'best.ckpt'}"
    assert cli("mode=evaluate", path, "precision=bf16", "logger=none", "output_dir=half")[0] == 0
    single, half = rows(run), rows(next(p.parent for p in (tmp_path / "half").rglob("run.json")))
    assert single.keys() == half.keys()
    compared = [key for key in single if key[1] in ("clean", "gaussian")]
    assert all(abs(single[key] - half[key]) < 0.02 for key in compared)
    assert any(single[key] != half[key] for key in compared if key[0] == "network")
    assert all(single[key] == half[key] for key in compared if key[0] == "x0")


def test_only_the_learned_part_computes_in_bfloat16():
    network = ProximalGradient(DnCNN(2, 3, 8, 4, residual=True), StepSize("exp", 1.0, -1.0, True), 2, "adjoint").eval()
    kinds = []
    for layer in (network.learned.body[0], network.learned.body[-1]):
        layer.register_forward_hook(lambda module, given, made: kinds.append(made.dtype))
    operator = CartesianFourier(torch.rand(16, generator=torch.Generator().manual_seed(0)) > 0.5)
    y = operator.forward(torch.ones(1, 1, 16, 16, dtype=torch.complex64))
    with computing_in("bf16", network):
        assert network(y, operator).dtype == torch.complex64
    network(y, operator)
    assert kinds == [torch.bfloat16, torch.float32] * 2 + [torch.float32] * 4  # the last layer stays exact
    assert "InFloat32" not in str(network)


def test_a_network_of_somebody_else_chooses_its_own_precision(cli):
    code, _, err = cli("mode=evaluate", "task=mri", "reconstructor=a:b", "precision=bf16", "logger=none")
    assert code == 2
    assert "somebody else's network chooses its own precision, precision: leave it out" in err


def test_training_keeps_operators_and_names():
    network = ProximalGradient(DnCNN(2, 3, 8, 4, residual=True), StepSize("exp", 1.0, -1.0, True), 2, "adjoint")
    kinds, names = [], list(network.state_dict())
    network.learned.body[0].register_forward_hook(
        lambda module, given, made: kinds.append((given[0].dtype, made.dtype))
    )
    operator = CartesianFourier(torch.rand(16, generator=torch.Generator().manual_seed(0)) > 0.5)
    y = operator.forward(torch.ones(1, 1, 16, 16, dtype=torch.complex64))
    with training_in("bf16", network):
        assert not torch.is_autocast_enabled("cpu")
        made = network(y, operator)
        assert list(network.state_dict()) == names
        made.abs().square().sum().backward()
    network(y, operator)
    assert made.dtype == torch.complex64
    assert all(weight.grad.dtype == torch.float32 for weight in network.parameters())
    assert kinds == [(torch.float32, torch.bfloat16)] * 2 + [(torch.float32, torch.float32)] * 2
