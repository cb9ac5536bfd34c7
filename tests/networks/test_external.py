"""Reconstructors from outside the project go through the same evaluation and audit."""

import csv
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sgdj.attacks import APGD
from sgdj.data import Batch
from sgdj.data.batch import Image
from sgdj.data.source import ImageSet
from sgdj.errors import InputError, Interrupted
from sgdj.evaluation.conditions import conditions
from sgdj.evaluation.evaluate import COLUMNS, evaluate
from sgdj.networks import StartingPoint
from sgdj.networks.external import External, ExternalUnrolled, external
from sgdj.operators import CartesianFourier, Identity, IdentityAcquisition
from sgdj.reporting import curves
from sgdj.reporting.terminal import result_table
from sgdj.runtime.draws import Draws
from tests.conftest import only_run
from tests.helper import evaluation

SMOKE = ("task=mri", "scale=smoke", "logger=none", "trainer.threads=1", "evaluation.curve=[]")
CODE = """
import torch
from torch import nn

def adjoint(y, operator):
    return operator.adjoint(y)

class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.5))

    def forward(self, y, operator):
        return self.factor * operator.adjoint(y)

def make():
    return Scaled()

number = 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path


def rows(run: Path) -> dict[tuple[str, str, str], float]:
    with (run / "evaluation" / "samples.csv").open() as file:
        return {(r["reconstructor"], r["condition"], r["sample"]): float(r["psnr"]) for r in csv.DictReader(file)}


def test_a_function_is_evaluated_like_our_own(cli, mine):
    code, _, err = cli("mode=evaluate", "reconstructor=mine:adjoint", *SMOKE)
    assert (code, err) == (0, "")
    run = only_run(mine)
    assert "mine-adjoint" in str(run)
    found = rows(run)
    clean = [name for name in found if name[:2] == ("network", "clean")]
    assert clean
    for name in clean:  # this function is the starting point itself
        assert found[name] == found["x0", *name[1:]]
    code, _, err = cli("mode=evaluate", "reconstructor=mine:adjoint", *SMOKE)
    assert "already finished" in err
    (mine / "mine.py").write_text(CODE + "# changed\n")
    sys.modules.pop("mine")
    code, _, err = cli("mode=evaluate", "reconstructor=mine:adjoint", *SMOKE)
    assert (code, err) == (0, "")  # other code is another run
    assert len(list(mine.glob("outputs/*/*/*/run.json"))) == 2


@pytest.mark.parametrize("name", ["mine:Scaled", "mine:make"])
def test_a_module_with_weights(cli, mine, name):
    torch.save({"factor": torch.tensor(1.0)}, mine / "weights.pt")
    code, _, err = cli("mode=evaluate", f"reconstructor={name}", "checkpoint=weights.pt", *SMOKE)
    assert (code, err) == (0, "")
    found = rows(only_run(mine))
    assert all(v == found["x0", *n[1:]] for n, v in found.items() if n[:2] == ("network", "clean"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript(cli, mine):
    traced = torch.jit.trace(torch.nn.Conv2d(2, 2, 1), torch.rand(1, 2, 8, 8))
    traced.save("net.pt")
    assert cli("mode=evaluate", "reconstructor=net.pt", *SMOKE)[0] == 0
    network = external("net.pt", None)
    assert sum(p.numel() for p in network.parameters()) == 6


def test_it_is_audited(cli, mine):
    light = ("audit.light=true", "audit.samples=2", "audit.random_draws=3")
    code, out, _ = cli("mode=audit", "reconstructor=mine:adjoint", *light, *SMOKE)
    assert code in (0, 5)
    assert "autograd agrees with finite" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mode=evaluate", "reconstructor=mine:nothing"), "cannot be imported"),
        (("mode=evaluate", "reconstructor=nowhere:x"), "cannot be imported"),
        (("mode=evaluate", "reconstructor=mine:number"), "cannot be called"),
        (("mode=evaluate", "reconstructor=absent.pt"), "no such file"),
        (("mode=evaluate", "reconstructor=mine.py"), "no TorchScript file"),
        (("mode=evaluate", "reconstructor=mine:adjoint", "checkpoint=mine.py"), "has no weights"),
        (("mode=evaluate", "reconstructor=mine:Scaled", "checkpoint=mine.py"), "do not fit"),
        (("mode=evaluate", "reconstructor=mine:Scaled", "checkpoint=absent"), "no such file"),
        (("reconstructor=mine:adjoint",), "not trained here"),
    ],
)
def test_mistakes_are_one_line(cli, mine, arguments, words):
    code, _, err = cli(*arguments, *SMOKE)
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not (mine / "outputs").exists()


def test_the_worked_example(cli, tmp_path, monkeypatch):
    """The README's U-Net, trained for a second."""
    root = Path(__file__).resolve().parents[2]
    monkeypatch.syspath_prepend(str(root))
    from scripts.unet import main

    assert main(["unet.pt", "--seconds", "1", "scale=smoke"]) == 0
    code, _, err = cli("mode=evaluate", "reconstructor=scripts.unet:UNet", "checkpoint=unet.pt", *SMOKE)
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(y):\n    return y\n", "it failed (TypeError: f() takes 1 positional argument but 2 were given)"),
        ("def f(y, operator):\n    return 3\n", "it returned int, expected a tensor of shape (1, 1, "),
        ("def f(y, operator):\n    raise KeyError('weights')\n", "it failed (KeyError: 'weights')"),
    ],
)
def test_a_failing_reconstructor_is_one_line(cli, tmp_path, text, words):
    (tmp_path / f"mine{len(text)}.py").write_text(text)
    arguments = ("mode=evaluate", "task=toy", "scale=smoke", "logger=none", f"reconstructor=mine{len(text)}:f")
    code, _, err = cli(*arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert words in err


def batch(count: int = 3) -> Batch:
    operator = CartesianFourier(torch.tensor([True, False, True, True, True, False, True, True]))
    x = torch.randn(count, 1, 12, 8, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    names = tuple(map(str, range(count)))
    return Batch(x, operator.forward(x), operator, names, names)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda x: x.to(torch.complex128), "it returned complex128, taken as complex64"),
        (lambda x: x.abs(), "it returned float32, taken as complex64"),
        (lambda x: x.abs().bfloat16(), "it returned bfloat16, taken as complex64"),
        (lambda x: (10 * x.abs()).long(), "it returned int64, taken as complex64"),
        (lambda x: x.abs() > 1, "it returned bool, taken as complex64"),
        (lambda x: x.detach().numpy()[..., ::-1], "it returned a NumPy array"),
    ],
)
def test_what_has_a_meaning_is_taken_and_told_once(change, note):
    data = batch()
    network = External(lambda y, operator: change(operator.adjoint(y)))
    for _ in range(2):
        made = network(data.y, data.operator)
    assert (made.shape, made.dtype) == (data.x.shape, torch.complex64)
    expected = change(data.operator.adjoint(data.y))
    assert np.allclose(
        made.numpy(), np.asarray(expected.float() if getattr(expected, "dtype", 0) is torch.bfloat16 else expected)
    )
    assert network.notes == [note]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:, 0], "it returned shape (3, 12, 8), expected (3, 1, 12, 8), reconstructor"),
        (lambda x: x[:1], "it returned shape (1, 1, 12, 8), expected (3, 1, 12, 8), reconstructor"),
        (lambda x: x.abs().sum(), "it returned shape (), expected (3, 1, 12, 8), reconstructor"),
        (lambda x: (x, x), "it returned tuple, expected a tensor of shape (3, 1, 12, 8), complex64, reconstructor"),
        (lambda x: [x], "it returned list, expected a tensor"),
        (lambda x: {"x": x}, "it returned dict, expected a tensor"),
        (lambda x: None, "it returned NoneType, expected a tensor"),
        (lambda x: np.array([object()]), "it returned ndarray, expected a tensor"),
        (lambda x: x.to("meta"), "it returned no dense tensor"),
        (lambda x: x.to_sparse(), "it returned no dense tensor"),
        (lambda x: sys.exit(0), "it failed (SystemExit: 0)"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(change, words):
    data = batch()
    with pytest.raises(InputError) as caught:
        External(lambda y, operator: change(operator.adjoint(y)))(data.y, data.operator)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_complex_image_is_refused_where_a_real_one_is_measured():
    with pytest.raises(InputError, match="it returned complex64, expected a tensor of shape"):
        External(lambda y, operator: y.to(torch.complex64))(torch.rand(1, 1, 12, 12), Identity())


def test_a_signal_within_somebody_elses_code_stops_the_run():
    def interrupted(y, operator):
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        External(interrupted)(batch().y, batch().operator)


def test_it_may_overwrite_its_measurement():
    data = batch()
    before = data.y.clone()
    made = External(lambda y, operator: operator.adjoint(y.mul_(2)))(data.y, data.operator)
    assert torch.equal(data.y, before)
    assert torch.allclose(made, 2 * data.operator.adjoint(before))
    attack = APGD(rho=0.1, steps=3, restarts=1, random_start=False)
    found = attack.found(External(lambda y, operator: operator.adjoint(y.mul_(2))), data, Draws(0))
    assert found.believable.all()


def test_this_projects_kind_keeps_its_start_and_iterations():
    from sgdj.networks import DnCNN, GradientDescent, StepSize

    inner = GradientDescent(DnCNN(2, 3, 8, 4, False), StepSize("exp", 1.0, 0.0, True), 3, "adjoint")
    network = ExternalUnrolled(inner)
    network.iterations = 5
    assert (inner.iterations, network.iterations, network.start) == (5, 5, "adjoint")
    assert not hasattr(External(lambda y, operator: y), "iterations")


class Few(ImageSet):
    """Random images of two volumes, for quick tests."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return Image(torch.rand(1, 16, 16, generator=generator), f"v{index // 2}/{index}", f"v{index // 2}")

    def shape(self, index):
        return 16, 16


def measured(function, attack=None):
    attack = attack or APGD(rho=0.1, steps=2, restarts=1, random_start=False)
    settings = evaluation(batch_size=4, curve=(0.5,))
    result = evaluate(
        {"network": External(function).eval(), "x0": StartingPoint()}, Few(), IdentityAcquisition(noise=0.1),
        conditions(("apgd", attack), {}, settings), seed=0, settings=settings, device=torch.device("cpu"),
        volume_metrics=False,
    )  # fmt: skip
    assert list(result.rows[0]) == list(COLUMNS)
    result_table(result.summary, "shown whatever was measured")
    curves.points(result.rows)
    return result


def marks(result, condition, who="network"):
    return [r["believable"] for r in result.rows if (r["reconstructor"], r["condition"]) == (who, condition)]


def test_honest_networks_are_believed():
    result = measured(lambda y, operator: 0.9 * y)
    assert all(row["believable"] == 1 for row in result.rows)
    assert result.notes == [] and "notes" not in result.summary
    assert result.summary["network"]["apgd"]["believable"]["mean"] == 1


def test_without_a_gradient_the_attacked_conditions_are_marked():
    result = measured(lambda y, operator: 0.9 * y.detach())
    for condition, expected in (("clean", 1), ("gaussian", 1), ("apgd", 0), ("apgd-x0.5", 0)):
        assert marks(result, condition) == [expected] * 4
        assert marks(result, condition, "x0") == [1] * 4
    (note,) = result.notes
    assert note.startswith("not believable: network under apgd, apgd-x0.5: no usable gradient: its output has no graph")
    assert result.summary["notes"] == [note]
    psnr = {c: result.summary["network"][c]["psnr"]["mean"] for c in ("clean", "gaussian", "apgd")}
    assert psnr["apgd"] < min(psnr["gaussian"], psnr["clean"])
    assert {p.believable for p in curves.points(result.rows) if p.reconstructor == "network" and p.x > 0.09} == {0, 1}


def test_nan_for_some_samples_leaves_the_others_measured():
    def some(y, operator):
        second = (y - Few()[1].x).flatten(1).norm(dim=1) < 4
        return torch.where(second.view(-1, 1, 1, 1), torch.nan, y)

    result = measured(some)
    rows = [row for row in result.rows if (row["reconstructor"], row["condition"]) == ("network", "clean")]
    assert [math.isnan(row["psnr"]) for row in rows] == [False, True, False, False]
    assert [row["believable"] for row in rows] == [1, 0, 1, 1]
    assert any("NaN" in note and "clean (1 of 4 samples)" in note for note in result.notes)
    everywhere = measured(lambda y, operator: y * torch.nan)
    assert everywhere.summary["network"]["clean"]["psnr"]["mean"] is None


def test_dependence_on_the_batch_and_on_chance_is_told():
    result = measured(lambda y, operator: y - 0.1 * y.mean(0, keepdim=True))
    assert all(row["believable"] == (row["reconstructor"] != "network") for row in result.rows)
    assert any("depends on the other samples of a batch" in note for note in result.notes)
    assert any("two passes differ" in note for note in measured(lambda y, operator: y + torch.rand(())).notes)


def test_budgets_without_a_value_are_measured():
    """A budget of zero leaves the clean error; an infinite one costs neither the clean row nor the run."""

    def attacked(epsilon):
        attack = APGD(epsilon=epsilon, steps=2, restarts=1, random_start=False)
        return measured(lambda y, operator: 0.9 * y, attack).summary["network"]

    nothing, without_end = attacked(0.0), attacked(math.inf)
    assert nothing["apgd"]["psnr"] == nothing["clean"]["psnr"]
    assert nothing["apgd"]["delta_norm"]["mean"] == 0
    assert without_end["clean"]["psnr"] == nothing["clean"]["psnr"]
    assert without_end["apgd"]["epsilon"]["mean"] is None


def test_a_network_that_cuts_its_gradient_on_the_command_line(cli, mine):
    (mine / "mine.py").write_text(CODE + "def cut(y, operator):\n    return operator.adjoint(y).detach()\n")
    code, out, err = cli(
        "mode=evaluate", "reconstructor=mine:cut", "evaluation.max_samples=1", "evaluation.panels=0", *SMOKE
    )
    assert (code, err) == (0, "")
    assert "not believable: network under apgd, pgd: no usable gradient" in out
    with (only_run(mine) / "evaluation" / "samples.csv").open() as file:
        found = list(csv.DictReader(file))
    searched = ("apgd", "pgd")
    assert {r["believable"] for r in found if r["attack"] in searched and r["reconstructor"] == "network"} == {"0"}
    assert {r["believable"] for r in found if r["attack"] not in searched} == {"1"}
