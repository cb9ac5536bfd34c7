"""An exported network reconstructs the same without this package."""

import pytest
import torch

from scripts import export
from sgdj import load
from sgdj.errors import CheckFailed, InputError
from sgdj.operators import MultiCoilAcquisition
from sgdj.runtime.draws import Draws
from tests.conftest import QUIET, only_run

SHAPES = {"mri": (32, 32), "seismic": (64, 16)}


@pytest.mark.filterwarnings("ignore")  # the compiler warns of itself
@pytest.mark.parametrize("task", SHAPES)
def test_it_equals_the_network(task, cli, tmp_path, capfd, monkeypatch):
    assert cli(f"task={task}", "scale=smoke", "evaluation.max_samples=1", *QUIET)[0] == 0
    checkpoint, target = only_run(tmp_path) / "checkpoints" / "best.ckpt", tmp_path / "network.pt2"
    shape = SHAPES[task]
    command = [str(checkpoint), str(target), "--shape", ",".join(map(str, shape))]
    assert export.main(command) == 0
    assert "its reconstructions differ by" in capfd.readouterr().out
    trained = load(checkpoint)
    operator = trained.acquisition.operator(shape, ("a",), Draws(trained.settings["dataset"]["seed"]))
    x = torch.randn(5, 1, *shape, dtype=torch.complex64 if task == "mri" else torch.float32)
    y = operator.forward(x)
    with torch.no_grad():
        made = torch.export.load(target).module()(y)
        torch.testing.assert_close(made, trained.network(y, operator), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="the file exists"):
        export.main(command)
    monkeypatch.setattr(export, "_TOLERANCE", -1.0)
    with pytest.raises(CheckFailed, match="the exported program differs"):
        export.main([str(checkpoint), str(tmp_path / "other.pt2"), *command[2:]])
    assert not (tmp_path / "other.pt2").exists()


def test_a_shape_is_two_numbers(tmp_path):
    with pytest.raises(InputError, match="64 is no image size"):
        export.main(["none.ckpt", str(tmp_path / "a.pt2"), "--shape", "64"])


@pytest.mark.parametrize(
    ("settings", "dataset", "said"),
    [
        ({"masks": "per_volume"}, "phantom", "its masks are per_volume"),
        ({"masks": "stored"}, "fastmri", "its masks are stored"),
        ({}, "multicoil", "has its own coils"),
    ],
)
def test_an_operator_that_the_data_do_not_share_is_refused(settings, dataset, said):
    plain = {
        "noise": 0.0, "mask": "gaussian", "acceleration": 4.0, "center_fraction": 0.1, "axis": "columns",
        "masks": "fixed", "mask_adjoint": True, "coils": 4,
    }  # fmt: skip
    with pytest.raises(InputError, match=said):
        export.refuse_many(MultiCoilAcquisition(**plain | settings), dataset, "a.ckpt")
    export.refuse_many(MultiCoilAcquisition(**plain), "phantom", "a.ckpt")
    given = MultiCoilAcquisition(**plain | {"masks": "per_volume"}, mask_lines=(0, 1, 1, 0))
    export.refuse_many(given, "phantom", "a.ckpt")


@pytest.mark.filterwarnings("ignore")  # the compiler warns of itself
@pytest.mark.parametrize("architecture", ["modl", "hqs", "admm", "deq"])
def test_other_architectures_are_exported_or_refused_in_one_line(architecture, cli, tmp_path):
    given = ("task=mri", "scale=smoke", f"architecture={architecture}", "evaluation.max_samples=1", *QUIET)
    assert cli(*given, "attack=gaussian", "shift=[]")[0] == 0
    target = tmp_path / "network.pt2"
    try:
        export.main([str(only_run(tmp_path) / "checkpoints" / "best.ckpt"), str(target), "--shape", "32,32"])
    except InputError as error:
        assert error.what.startswith("it cannot be exported")
        assert "\n" not in str(error)
        assert not target.exists()
    else:
        assert target.exists()
