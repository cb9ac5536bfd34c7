"""An exported network reconstructs the same without this package."""

import pytest
import torch

from scripts import export
from sgdj import load
from sgdj.errors import CheckFailed, InputError
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
