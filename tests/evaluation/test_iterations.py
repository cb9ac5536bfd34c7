"""One pass through an unrolled network gives its reconstructions with several K."""

from copy import deepcopy
from itertools import pairwise

import torch

from sgdj.attacks.gaussian import Gaussian
from sgdj.data.batch import Image
from sgdj.data.source import ImageSet
from sgdj.evaluation.conditions import conditions
from sgdj.evaluation.evaluate import evaluate
from sgdj.networks import ProximalGradient, StartingPoint, StepSize
from sgdj.networks.dncnn import DnCNN
from sgdj.networks.external import External
from sgdj.operators import IdentityAcquisition
from tests.helper import evaluation


class Few(ImageSet):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return Image(torch.rand(1, 16, 16, generator=generator), f"v{index}/0", f"v{index}")

    def shape(self, index):
        return 16, 16


def by_condition(network, counts):
    settings = evaluation(batch_size=2, curve=(), iterations=counts)
    attack = Gaussian(rho=0.1)
    result = evaluate(
        {"network": network.eval(), "x0": StartingPoint()}, Few(), IdentityAcquisition(noise=0.1),
        conditions(("gaussian", attack), {}, settings), seed=0, settings=settings, device=torch.device("cpu"),
        volume_metrics=False,
    )  # fmt: skip
    return {
        (row["reconstructor"], row["condition"], row["sample"]): (row["psnr"], row["iterations"]) for row in result.rows
    }


def test_several_k_cost_one_pass_and_give_the_same_bits(monkeypatch):
    torch.manual_seed(0)
    network = ProximalGradient(DnCNN(1, 3, 8, 4, residual=True), StepSize("exp", 1.0, -1.0, True), 2, "measurement")
    walked = by_condition(network, (1, 2, 5))
    assert network.iterations == 2
    for count in (1, 2, 5):
        other = deepcopy(network)
        other.iterations = count
        apart = by_condition(other, ())
        for sample in ("v0/0", "v1/0", "v2/0"):
            assert walked["network", f"clean-K{count}", sample] == (apart["network", "clean", sample][0], count)
    passes = []
    forward = DnCNN.forward
    monkeypatch.setattr(DnCNN, "forward", lambda self, x, y: passes.append(1) or forward(self, x, y))
    by_condition(network, ())
    without = len(passes)
    by_condition(network, (1, 2, 5))
    assert len(passes) - 2 * without == 2 * 5  # two batches, five iterations each


def test_a_reconstructor_without_iterates_is_asked_for_each_k():
    class Foreign:
        iterations = 3

        def __call__(self, y, operator):
            return y * self.iterations

    assert {"clean-K2", "clean-K4"} <= {name for _, name, _ in by_condition(External(Foreign()), (2, 4))}


def test_the_last_iterate_is_the_reconstruction():
    torch.manual_seed(0)
    network = ProximalGradient(DnCNN(1, 3, 8, 4, residual=True), StepSize("exp", 1.0, -1.0, True), 3, "adjoint")
    operator = IdentityAcquisition(noise=0.1).operator((16, 16), ["v"], None)
    y = torch.rand(1, 1, 16, 16)
    found = list(network.iterates(y, operator))
    assert len(found) == 4
    assert torch.equal(found[0], operator.adjoint(y))
    assert torch.equal(found[-1], network(y, operator))
    assert not any(torch.equal(a, b) for a, b in pairwise(found))
