"""The benchmark for GPUs computes the same in every way, and names the ways that a machine does not have."""

import shutil

import pytest
import torch

from scripts.benchmarks import paper_scale
from scripts.benchmarks.contestants import Case

CASE = Case("mri", (32, 32), 2, 3, 8, 2, iterations=2)
CPU = torch.device("cpu")


@pytest.mark.filterwarnings("ignore")  # the compiler warns of itself
@pytest.mark.parametrize("way", [way for way in paper_scale.WAYS if not way.graph], ids=lambda way: way.name)
def test_a_step_changes_the_weights_as_eager_float32_does(way):
    if way.compiled and shutil.which("g++") is None:
        pytest.skip("torch.compile wants a C++ compiler")
    changes = []
    for each in (paper_scale.WAYS[0], way):
        training = paper_scale.Training(CASE, each, CPU)
        before = [p.detach().clone() for p in training.network.parameters()]
        training.step()
        pairs = zip(training.network.parameters(), before, strict=True)
        changes.append(torch.cat([(p.detach() - q).flatten() for p, q in pairs]))
    assert float(changes[0].abs().max()) > 0
    # Adam's first step is the sign of the gradient: bfloat16 may turn the smallest entries
    assert float((changes[0].sign() == changes[1].sign()).float().mean()) > (0.95 if way.precision == "bf16" else 0.999)


@pytest.mark.filterwarnings("ignore")  # the compiler warns of itself
def test_what_a_machine_does_not_have_is_named():
    found = paper_scale.measure(CASE, CPU, 1)
    assert list(found) == [way.name for way in paper_scale.WAYS]
    assert found["eager float32"]["difference"] == 0
    assert 0 < found["bf16"]["difference"] < 0.05
    if not torch.cuda.is_available():
        assert "CUDA" in found["bf16, CUDA graph"]["missing"]
    assert found["bf16, CUDA graph"].get("missing", "") in paper_scale.table(found)
