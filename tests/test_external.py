"""Somebody else's reconstructor goes through the same evaluation and audit."""

import csv
import sys
from pathlib import Path

import pytest
import torch

from sgdj.networks.external import external
from tests.conftest import only_run

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
    monkeypatch.delitem(sys.modules, "mine", raising=False)
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
        assert found[name] == found["zero_filled", *name[1:]]
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
    assert all(v == found["zero_filled", *n[1:]] for n, v in found.items() if n[:2] == ("network", "clean"))


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
    root = Path(__file__).resolve().parent.parent
    monkeypatch.syspath_prepend(str(root))
    from scripts.unet import main

    main(tmp_path / "unet.pt", 1.0, ["scale=smoke"])
    code, _, err = cli("mode=evaluate", "reconstructor=scripts.unet:UNet", "checkpoint=unet.pt", *SMOKE)
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(y):\n    return y\n", "it failed (TypeError: f() takes 1 positional argument but 2 were given)"),
        ("def f(y, operator):\n    return 3\n", "it gave int, no tensor"),
        ("def f(y, operator):\n    raise KeyError('weights')\n", "it failed (KeyError: 'weights')"),
    ],
)
def test_a_failing_reconstructor_is_one_line(cli, tmp_path, text, words):
    (tmp_path / f"mine{len(text)}.py").write_text(text)
    arguments = ("mode=evaluate", "task=toy", "scale=smoke", "logger=none", f"reconstructor=mine{len(text)}:f")
    code, _, err = cli(*arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert words in err
