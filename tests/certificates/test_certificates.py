"""Certificates of networks: what they rest on, what breaks them, and what the command line says."""

import csv
import json
import math

import pytest
import torch

from sgdj.certificates.bounds import Spectrum
from sgdj.certificates.certificate import certified_error, certify_network, volume_error
from sgdj.certificates.floors import floors
from sgdj.certificates.ingredients import check_theorem
from sgdj.certificates.operator import spectrum
from sgdj.errors import CheckFailed
from sgdj.networks import (
    MLP,
    DnCNN,
    GradientDescent,
    Nonexpansive,
    ProximalGradient,
    SeismicCNN,
    StartingPoint,
    StepSize,
)
from sgdj.networks.descent import ConvolutionalDescent
from sgdj.networks.external import External
from sgdj.operators import CartesianFourier, Convolution, Identity
from sgdj.operators.wavelets import ricker
from tests.conftest import SMOKE, only_run

MASK = torch.arange(12) % 3 != 1
FOURIER = CartesianFourier(MASK)
IMAGE = torch.zeros(1, 1, 12, 12, dtype=torch.complex64)


def network(form="prox", count=3, eta=1.0, learned=None):
    torch.manual_seed(5)
    learned = learned or Nonexpansive(form, 2, None, 2, 6, 3, False, form == "prox", 0.5)
    cls = ProximalGradient if form == "prox" else GradientDescent
    return cls(learned, StepSize("sigmoid", eta, 1.0, True), count, "adjoint")


def certified(made, operator=FOURIER, like=IMAGE):
    return certify_network(made, operator, like)


def test_proximal_certificate_is_the_closed_form():
    found = certified(network())
    eta = 1 / (1 + math.exp(-1))
    assert pytest.approx(math.sqrt(1 + 2 * eta / (2 - eta)), rel=1e-6) == found.L
    assert [step.k for step in found.steps] == [1, 2, 3]
    assert found.steps[0].growth == pytest.approx(0, abs=1e-12)
    assert [layer.name for layer in found.layers] == ["learned.layers.0", "learned.layers.1"]
    assert sum(step.growth for step in found.steps) + found.start**2 == pytest.approx(found.L**2)


def test_gradient_certificate_is_the_closed_form():
    found = certified(network("gd"))
    eta, c = 1 / (1 + math.exp(-1)), 0.25
    assert pytest.approx(math.sqrt(1 + 2 * eta / (2 - eta / (1 - eta * c))), rel=1e-6) == found.L


@pytest.mark.parametrize("form", ["prox", "gd"])
def test_no_pair_of_measurements_exceeds_the_certificate(form):
    made = network(form).double()
    L = certified(made).L
    y, other = (FOURIER.forward(torch.randn(32, 1, 12, 12, dtype=torch.complex128)) for _ in range(2))
    for scale in (1e-3, 1.0):
        with torch.no_grad():
            moved = made(y + scale * other, FOURIER) - made(y, FOURIER)
        ratio = moved.flatten(1).norm(dim=1) / (scale * other.flatten(1).norm(dim=1))
        assert float(ratio.max()) <= L


class Forged(ConvolutionalDescent):
    """A layer whose norm is 1.05 at 12 x 12."""

    def scaled(self):
        W = super().scaled()
        return W * (1.05 / math.sqrt(float(self._largest(W.detach(), (14, 14)))))


def test_a_forged_layer_is_noticed():
    made = network()
    made.learned.layers[1] = Forged(2, 6, 3)
    with pytest.raises(CheckFailed, match=r"learned\.layers\.1 has norm 1\.0500.* at 12 x 12"):
        certified(made)


def test_another_image_size_is_computed_again():
    wavelet = ricker(21, 3.0)
    learned = Nonexpansive("prox", 1, None, 1, 4, 5, False, False, 0.5)
    made = ProximalGradient(learned, StepSize("sigmoid", 0.01, 0.0, True), 4, "measurement")
    sizes = [(16, 8), (40, 23)]
    found = [certified(made, Convolution(wavelet, n[0]), torch.zeros(1, 1, *n)) for n in sizes]
    assert [one.shape for one in found] == sizes
    assert found[0].norm < found[1].norm
    assert found[0].L != found[1].L
    assert found[0].layers[0].norm != found[1].layers[0].norm


@pytest.mark.parametrize(
    ("learned", "told"),
    [
        (DnCNN(2, 4, 8, 4, residual=True), r"layer learned\.body\.3 \(GroupNorm\)"),
        (SeismicCNN(8, 4, residual=False), r"layer learned\.body\.1 \(GroupNorm\)"),
        (MLP(4, 1, 4, residual=True), r"layer learned \(MLP\) adds its input"),
        (MLP(4, 1, 4, residual=False), r"layer learned\.body\.0 \(Linear\) may have any norm"),
    ],
)
def test_the_layer_that_breaks_the_theorem_is_named(learned, told):
    with pytest.raises(CheckFailed, match=told):
        check_theorem(network(learned=learned))


def test_steps_out_of_range_and_wrong_forms_are_refused():
    with pytest.raises(CheckFailed, match=r"the step η = 2\.193 of iteration 1 is out of range: 0 < η < 2"):
        certified(network(eta=3.0))
    with pytest.raises(CheckFailed, match=r"η/\(1 - ηc\) < 2"):
        certified(network("gd", eta=2.2))
    with pytest.raises(CheckFailed, match=r"set architecture\.learned\.form=prox"):
        certified(network(learned=Nonexpansive("gd", 2, None, 1, 4, 3, False, False, 0.5)))


class WrongNorm(Identity):
    def norm(self):
        return 0.5


def test_operators_are_checked():
    with pytest.raises(CheckFailed, match="adjoint is not the true one"):
        spectrum(CartesianFourier(MASK, mask_adjoint=False), IMAGE)
    with pytest.raises(CheckFailed, match=r"‖A‖ = 0\.5 is stated"):
        spectrum(WrongNorm(), torch.zeros(1, 1, 4, 4))
    assert spectrum(FOURIER, IMAGE) == Spectrum(0.0, 1.0, (0.0, 1.0))
    assert spectrum(CartesianFourier(torch.ones(12).bool()), IMAGE) == Spectrum(1.0, 1.0, (1.0,))


class Declared:
    def __init__(self, ingredients):
        self.ingredients = ingredients

    def __call__(self, y, operator):
        return operator.adjoint(y)


def test_anyone_may_declare_ingredients():
    declared = {"form": "prox", "steps": [0.5, 0.5], "lipschitz": [1.0, 0.9]}
    as_method = Declared(lambda operator, shape: declared)
    for made in (Declared(declared), as_method):
        found = certified(External(made))
        assert pytest.approx(0.9 * math.sqrt(1 + 0.5 / 1.5)) == found.L
    assert certified(External(Declared({"constant": 1.5}))).L == 1.5
    gradient = {"form": "gd", "steps": [0.5], "weights": 0.4}
    assert pytest.approx(1.0) == certified(External(Declared(gradient))).L
    unrolled = network()
    assert certified(External(unrolled)).L == certified(unrolled).L


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ([], "are a list"),
        ({"norm": 1}, "unknown key norm"),
        ({"form": "other"}, "form 'other'"),
        ({"form": "prox"}, "have no steps"),
        ({"form": "prox", "steps": [-1.0]}, r"steps = \[-1\.0\]"),
        ({"form": "gd", "steps": [0.1, 0.1], "weights": [0.1]}, "give 2 numbers"),
        ({"form": "prox", "steps": [0.1], "start": "zero"}, "start 'zero'"),
        ({"constant": math.nan}, "constant = nan"),
    ],
)
def test_declarations_are_checked(declared, told):
    with pytest.raises(CheckFailed, match=told):
        certified(External(Declared(declared)))


def test_what_declares_nothing_is_refused():
    with pytest.raises(CheckFailed, match="StartingPoint is no gradient or proximal network"):
        check_theorem(StartingPoint())


def test_floors_and_volumes():
    assert certified_error(1.0, 2.0, 0.25) == 1.5
    assert volume_error([1.0, 2.0], 2.0, [0.5, 0.0]) == pytest.approx(math.sqrt(8))
    common = {"sample": "a", "volume": "v", "y_norm": 10.0}
    clean = {"attack": "", "factor": math.nan, "epsilon": 0.0, "psnr": 20.0, "loss": 0.02}
    noisy = {"attack": "gaussian", "factor": 1.0, "epsilon": 0.5, "psnr": 19.5, "loss": 0.021}
    hit = {"attack": "apgd", "factor": 1.0, "epsilon": 0.5, "psnr": 18.0, "loss": 0.03}
    (found,) = floors([common | one for one in (clean, noisy, hit)], {"a": 1.5}, {"a": 100}, "apgd")
    assert found.certified == pytest.approx(math.sqrt(2) + 0.75)
    assert found.floor_psnr == pytest.approx(-20 * math.log10((1 + 0.75) / 10))
    assert found.bracket == pytest.approx(0.75 / (math.sqrt(3) - math.sqrt(2)))
    assert (found.rho, found.noise_psnr, found.holds) == (0.05, 19.5, True)
    (broken,) = floors([common | one for one in (clean, noisy, hit | {"loss": 0.06})], {"a": 1.5}, {"a": 100}, "apgd")
    assert not broken.holds


# From the command line.

LEARNED = ("architecture/learned=nonexpansive", "trainer.threads=1")


def certify(cli, folder, *options):
    code, out, err = cli("mode=certify", "logger=none", "run_dir=certified", "trainer.threads=1", *options)
    evaluation = folder / "certified/evaluation"
    if code:
        return code, out, err, None, []
    read = json.loads((evaluation / "certificate.json").read_text())
    rows = list(csv.DictReader((evaluation / "certificate.csv").read_text().splitlines()))
    return code, out, err, read, rows


@pytest.mark.parametrize(
    ("task", "form", "more"),
    [
        ("mri", "prox", ()),
        ("mri", "gd", ("strategy=jitter", "sigma=0.05")),
        ("seismic", "prox", ("architecture.learned.takes_y=true",)),
        ("denoising", "gd", ("strategy=adversarial",)),
        ("toy", "prox", ()),
    ],
)
def test_small_trained_networks_keep_their_floor(cli, tmp_path, task, form, more):
    options = (f"task={task}", "scale=smoke", f"architecture={form}", *LEARNED, *more, "logger=none")
    assert cli(*options, "evaluation.panels=0", "evaluation.max_samples=1")[0] == 0
    checkpoint = f"checkpoint={only_run(tmp_path)}/checkpoints/best.ckpt"
    code, out, err, read, rows = certify(cli, tmp_path, checkpoint, "audit.steps=5", "evaluation.max_samples=2")
    assert code == 0, err
    assert read["broken"] == 0
    assert read["L"] >= read["sigma_max"]
    assert len(rows) == 2 * len(read["rho"])
    for row in rows:
        assert float(row["attacked"]) <= float(row["certified"]) * (1 + 1e-4)
        assert float(row["attack_psnr"]) >= float(row["floor_psnr"]) - 1e-3
        assert float(row["L"]) == read["L"]
    assert (tmp_path / "certified/figures/certificate.png").is_file()
    assert (tmp_path / "certified/figures/certificate.pdf").is_file()
    assert "certified floor" in out
    assert cli("mode=verify", "run_dir=certified")[0] == 0


def test_a_network_without_a_theorem_is_told_the_layer(cli, tmp_path):
    assert cli("task=mri", "scale=smoke", "logger=none", "evaluation.panels=0", "trainer.threads=1")[0] == 0
    code, _, err, _, _ = certify(cli, tmp_path, f"checkpoint={only_run(tmp_path)}/checkpoints/best.ckpt")
    assert code == 5
    (line,) = err.strip().splitlines()
    assert "learned.body.3 (GroupNorm)" in line
    assert not (tmp_path / "certified").exists()


def test_declarations_that_are_wrong_are_found_out(cli, tmp_path):
    (tmp_path / "mine.py").write_text(
        "class Mine:\n"
        "    ingredients = {'constant': 0.5}\n"
        "    def __call__(self, y, operator):\n"
        "        return operator.adjoint(y)\n"
    )
    options = ("task=toy", "scale=smoke", "reconstructor=mine:Mine", "audit.steps=5")
    code, _, err, _, _ = certify(cli, tmp_path, *options)
    assert code == 5
    assert "σ_max(J) = 1.0000" in err
    assert "exceeds L = 0.5" in err


def test_budgets_in_another_norm_are_refused(cli, tmp_path):
    code, _, err, _, _ = certify(cli, tmp_path, *SMOKE, "reconstructor=mine:Mine", "attack.norm=linf")
    assert code == 2
    assert "attack.norm" in err


FORGED = """
import math
from sgdj.networks import Nonexpansive, ProximalGradient, StepSize
from sgdj.networks.descent import ConvolutionalDescent

class Forged(ConvolutionalDescent):
    def scaled(self):
        W = super().scaled()
        return W * (1.05 / math.sqrt(float(self._largest(W.detach(), (34, 34)))))

network = ProximalGradient(
    Nonexpansive("prox", 2, None, 2, 6, 3, False, False, 0.5), StepSize("sigmoid", 1.0, 0.0, True), 2, "adjoint"
)
network.learned.layers[1] = Forged(2, 6, 3)
"""


def test_a_forged_layer_fails_on_the_command_line(cli, tmp_path):
    (tmp_path / "mine.py").write_text(FORGED)
    options = ("task=mri", "scale=smoke", "reconstructor=mine:network", "evaluation.max_samples=1")
    code, _, err, _, _ = certify(cli, tmp_path, *options)
    assert code == 5
    assert "layer learned.layers.1 has norm 1.050000 at 32 x 32" in err
    assert json.loads((tmp_path / "certified/run.json").read_text())["status"] == "failed"
