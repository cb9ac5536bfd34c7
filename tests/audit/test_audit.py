"""The audit: honest reconstructors pass, dishonest ones are flagged."""

import json

import pytest
import torch
from torch import nn

from sgdj.attacks import APGD
from sgdj.audit.checks import SMALL, Audit
from sgdj.audit.self_test import GradientMasked, LinearMap
from sgdj.data.batch import Problem, measure
from sgdj.networks import DnCNN, GradientDescent, ProximalGradient, Reconstructor, StepSize
from sgdj.networks.external import External
from sgdj.operators.acquisition import (
    CartesianAcquisition,
    ConvolutionAcquisition,
    IdentityAcquisition,
    MultiCoilAcquisition,
)
from sgdj.runtime.draws import Draws
from tests.conftest import only_run
from tests.helper import CUTS

FOURIER = CartesianAcquisition(
    noise=0.05, mask="gaussian", acceleration=2, center_fraction=0.1, axis="columns", masks="fixed", mask_adjoint=True
)
ACQUISITIONS = {
    "fourier": FOURIER,
    "multicoil": MultiCoilAcquisition(
        noise=0.05,
        mask="gaussian",
        acceleration=2,
        center_fraction=0.1,
        axis="columns",
        masks="fixed",
        mask_adjoint=True,
        coils=3,
    ),
    "convolution": ConvolutionAcquisition(noise=0.01, length=21, width=3.0),
    "identity": IdentityAcquisition(noise=0.1),
}


def images(kind: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    smooth = nn.functional.avg_pool2d(torch.rand(3, 1, 20, 20, generator=generator), 5, stride=1)
    return smooth.to(torch.complex64) if kind in ("fourier", "multicoil") else smooth


def network(kind: str, cls=GradientDescent) -> Reconstructor:
    torch.manual_seed(0)
    channels = 2 if kind in ("fourier", "multicoil") else 1
    step = StepSize("sigmoid", 0.02, 0.0, True) if kind == "convolution" else StepSize("exp", 0.5, 0.0, True)
    learned = DnCNN(channels, 3, 8, 4, residual=cls is ProximalGradient)
    for p in learned.parameters():
        p.data *= 0.5
    return cls(learned, step, 3, "adjoint").eval()


def audit(reconstructor: Reconstructor, kind: str = "fourier") -> Audit:
    names = ("a", "b", "c")
    acquisition = ACQUISITIONS[kind]
    batch = measure(Problem(images(kind), names, names, acquisition, Draws(0)))
    small = acquisition.operator((SMALL, SMALL), names, Draws(0))
    attack = APGD(rho=0.05, steps=20, restarts=1, random_start=False)
    return Audit(reconstructor, batch, attack, Draws(0), small, 30, 10)


def failed(checks) -> set[int]:
    return {check.number for check in checks if check.status == "FAIL"}


@pytest.mark.parametrize("kind", list(ACQUISITIONS))
@pytest.mark.parametrize("cls", [GradientDescent, ProximalGradient])
def test_honest_networks_pass(kind, cls):
    checks = audit(network(kind, cls), kind).full()
    assert [check.number for check in checks] == list(range(1, 21))
    assert failed(checks) == set(), [(c.name, c.value) for c in checks if c.status == "FAIL"]
    assert {check.number for check in checks if check.self_test} == {16, 17}


def test_an_honest_linear_map_passes():
    size = images("fourier")[0].numel()
    assert failed(audit(LinearMap(size, torch.complex64)).full()) == set()


def test_masked_gradients_are_flagged():
    found = failed(audit(GradientMasked(network("fourier"))).full())
    assert {13, 14} <= found
    assert found & {4, 5, 6, 7}  # the attack itself is seen to be weak


class Jittery(Reconstructor):
    def __init__(self, inner: Reconstructor) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, y, operator, perturb=None):
        return self.inner(y + 0.05 * operator.restrict(torch.randn_like(y)), operator)


def test_a_network_that_is_random_at_test_is_flagged():
    checks = audit(Jittery(network("fourier"))).light()
    assert 15 in failed(checks)
    (zero,) = [check for check in checks if check.number == 3]
    assert zero.status == "NOT APPLICABLE"


class CutInside(Reconstructor):
    """Run an inner solver without gradients, as many iterative reconstructors do."""

    def __init__(self, inner: Reconstructor) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, y, operator, perturb=None):
        with torch.no_grad():
            start = operator.adjoint(y)
            x = start.clone()
            for _ in range(5):
                x = x - 0.5 * (operator.gram(x) - start)
        return x + 0.1 * self.inner(y, operator)


def test_a_gradient_cut_inside_a_solver_is_flagged():
    assert 14 in failed(audit(CutInside(network("fourier"))).light())


class Kinked(Reconstructor):
    """Add rectified parts whose kinks lie a share of ‖y‖ / √n away from the measurement, as some ReLU's always does."""

    def __init__(self, y: torch.Tensor, distance: float, gradient: float = 1.0) -> None:
        super().__init__()
        self.y, self.distance, self.gradient = y.double(), distance, gradient

    def forward(self, y, operator, perturb=None):
        change = y - self.y.to(y.dtype)
        kink = nn.functional.relu(change - self.distance * self.y.norm() / self.y.numel() ** 0.5)
        smooth = 0.9 * y + self.gradient * (change - change.detach()) - (change - change.detach())
        return smooth + 30 * kink


def test_a_kink_near_the_measurement_is_no_wrong_gradient():
    batch = audit(network("identity"), "identity").batch

    def check(distance, gradient=1.0):
        return audit(Kinked(batch.y, distance, gradient), "identity")._differences()

    assert check(3e-8).status == "PASS"
    assert check(3e-8, gradient=0.5).status == "FAIL"


class Remembering(Reconstructor):
    """Change the network's own weights when it is called."""

    def __init__(self, inner: Reconstructor) -> None:
        super().__init__()
        self.inner = inner
        self.calls = nn.Parameter(torch.zeros(()), requires_grad=False)

    def forward(self, y, operator, perturb=None):
        self.calls += 1
        return self.inner(y, operator)


def test_changed_weights_are_flagged():
    assert 18 in failed(audit(Remembering(network("fourier"))).light())


class Mixing(Reconstructor):
    """Subtract a share of the batch's mean, so that samples depend on each other."""

    def __init__(self, inner: Reconstructor) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, y, operator, perturb=None):
        x = self.inner(y, operator)
        return x - 0.01 * x.mean(0, keepdim=True)


def test_dependence_on_neighbours_in_a_batch_is_flagged():
    assert 19 in failed(audit(Mixing(network("fourier"))).light())


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.__name__)
def test_an_audit_finishes_without_a_usable_gradient(cut):
    network = External(lambda y, operator: cut(operator.adjoint(y)))
    assert 13 in failed(audit(network).light())


def test_a_full_audit_finishes_on_a_network_that_is_cut(cli, tmp_path):
    (tmp_path / "cut.py").write_text("def network(y, operator):\n    return operator.adjoint(y).detach()\n")
    options = ("audit.samples=1", "audit.random_draws=3", "audit.steps=5")
    code, out, err = cli("mode=audit", "task=mri", "scale=smoke", "logger=none", "reconstructor=cut:network", *options)
    assert code == 5, err
    assert "Jacobian ∂x̂/∂y cannot be computed" in out
    report = json.loads(next(tmp_path.rglob("audit.json")).read_text())
    assert [check["number"] for check in report["checks"]] == list(range(1, 21))
    assert {check["number"]: check["status"] for check in report["checks"]}[13] == "FAIL"


def test_a_network_in_single_precision_is_differenced_in_single_precision():
    """Audit a network whose output does not react to changes of 1e-7, whatever the precision of its input."""
    inner = network("identity")
    single = External(lambda y, operator: inner(y.float(), operator))
    assert 14 not in failed(audit(single, "identity").light())
    assert single.notes == []


def test_the_mode_writes_its_report(cli, tmp_path):
    smoke = ("task=seismic", "scale=smoke", "logger=none", "trainer.threads=1")
    assert cli(*smoke)[0] == 0
    checkpoint = f"checkpoint={only_run(tmp_path)}/checkpoints/best.ckpt"
    light = (checkpoint, "audit.light=true", "audit.samples=2", "audit.random_draws=3", "output_dir=audits")
    code, out, _ = cli("mode=audit", *light)
    run = next((tmp_path / "audits").rglob("run.json")).parent
    report = json.loads((run / "evaluation" / "audit.json").read_text())["checks"]
    assert code == (5 if any(check["status"] == "FAIL" for check in report) else 0)
    assert [check["number"] for check in report] == [1, 2, 3, 5, 13, 14, 15, 18, 19]
    assert "perturbations keep the budget" in (run / "evaluation" / "audit.md").read_text()
    assert "run directory" in out
    again, _, err = cli("mode=audit", *light)
    assert again == code
    assert "already finished" in err
    code, _, err = cli("mode=audit")
    assert (code, err.splitlines()[0]) == (
        2,
        "error: no checkpoint, checkpoint: set checkpoint=RUN_DIR/checkpoints/best.ckpt",
    )
