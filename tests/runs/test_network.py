"""One loader of trained networks, for every mode and as a library."""

import csv
from contextlib import chdir

import pytest
import torch

import sgdj
from sgdj.config.instantiate import build
from sgdj.data.loader import Measure, batches
from sgdj.errors import InputError, InputErrors
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.modes.cli import main
from tests.conftest import SMOKE, finished_run

PLUGIN = """
from sgdj.networks import Linear


class Mine(Linear):
    '''A learned part of somebody's own.'''
"""
FILES = ("checkpoints/best.ckpt", "model/weights.safetensors")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Create a folder with a finished run."""
    return finished_run(tmp_path_factory.mktemp("trained"), *SMOKE, "evaluation.curve=[]", "run_dir=run")


def measured(folder):
    """Return the PSNR of every clean test sample, as the run wrote it."""
    with (folder / "run" / "evaluation" / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {
        row["sample"]: row["psnr"] for row in rows if (row["reconstructor"], row["condition"]) == ("network", "clean")
    }


@pytest.mark.parametrize("file", FILES)
def test_a_loaded_network_is_the_evaluated_one(place, file):
    trained = sgdj.load(place / "run" / file)
    assert not trained.network.training
    assert trained.settings.keys() == {"task", "operator", "architecture", "dataset"}
    with chdir(place):
        config = load(parse([*SMOKE])).settings
        source = build(config, "dataset")
        source.prepare()
        found = {}
        draws = sgdj.Draws(trained.settings["dataset"]["seed"])
        measure = Measure(trained.acquisition, draws)
        for batch in batches(source.images("test"), measure, config.evaluation.batch_size):
            values = sgdj.sample_metrics(trained.reconstruct(batch.y, batch.operator), batch.x)["psnr"]
            found |= {sample: str(value) for sample, value in zip(batch.samples, values, strict=True)}
    assert found == measured(place)


def test_what_is_said_of_a_network_is_checked(place):
    path = place / "run" / FILES[0]
    assert sgdj.load(path, overrides=["architecture.iterations=1"]).settings["architecture"]["iterations"] == 1
    for overrides in (["architecture.iterations=-1"], ["architecture.start=measurement"], ["strategy=mse"]):
        with pytest.raises(InputErrors):
            sgdj.load(path, overrides=overrides)
    with pytest.raises(InputErrors, match="no such file"):
        sgdj.load(place / "none.ckpt")


def test_a_damaged_checkpoint_is_refused(place, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.yaml").write_bytes((place / "run" / "config.yaml").read_bytes())
    for name in ("best.ckpt", "best.ckpt.sha256"):
        (tmp_path / "checkpoints" / name).write_bytes((place / "run" / "checkpoints" / name).read_bytes())
    path = tmp_path / "checkpoints" / "best.ckpt"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged"):
        sgdj.load(path)


def test_loading_draws_nothing(place):
    before = torch.get_rng_state()
    sgdj.load(place / "run" / FILES[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_an_attack_is_made_for_the_network_of_another_run(place):
    path = place / "run" / FILES[1]
    attack = sgdj.Transfer(rho=0.1, source=str(path), steps=5, restarts=1)
    own = sgdj.load(path).network.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in attack.other.state_dict().items())


def test_a_network_of_plugin_classes_needs_them_named(place, tmp_path, monkeypatch):
    (tmp_path / "my_parts.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    more = ("evaluation.curve=[]", "run_dir=run", "plugins=[my_parts]", "architecture.learned._target_=my_parts.Mine")
    assert main([*SMOKE, *more]) == 0
    for file in FILES:
        with pytest.raises(InputErrors, match=r"plugins=\[my_parts\]"):
            sgdj.load(tmp_path / "run" / file)
        trained = sgdj.load(tmp_path / "run" / file, plugins=["my_parts"])
        assert type(trained.network.learned).__name__ == "Mine"
