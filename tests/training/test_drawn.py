"""Every seed trains on images of its own, and its training data are these images alone."""

import csv

import pytest

from sgdj.data.drawn import drawn
from sgdj.errors import InputError
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.modes.plan import plan
from sgdj.networks.initial import initial_network
from sgdj.runtime.draws import Draws
from sgdj.strategies import MSE
from sgdj.training.module import Training
from tests.conftest import QUIET, only_run

TOY = ("task=toy", "scale=smoke", *QUIET)


def test_seeds_draw_their_own_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = plan(load(parse(TOY))).source
    source.prepare()
    images = source.images("train")
    first, again, other = (drawn(images, 8, seed) for seed in (5, 5, 6))
    names = [[image.sample for image in (part[i] for i in range(len(part)))] for part in (first, again, other)]
    assert names[0] == names[1] == sorted(names[0])
    assert len(set(names[0])) == 8
    assert names[0] != names[2]
    assert drawn(images, None, 5) is images
    with pytest.raises(InputError, match=r"exceeds the 32 training images, trainer\.images"):
        drawn(images, 33, 0)


def test_an_evaluation_on_training_data_measures_the_drawn_images(cli, tmp_path):
    assert cli(*TOY, "trainer.images=8", "trainer.batch_size=4", "epochs=1")[0] == 0
    best = only_run(tmp_path) / "checkpoints" / "best.ckpt"
    assert cli("mode=evaluate", f"checkpoint={best}", "evaluation.split=train", "run_dir=again", *QUIET)[0] == 0
    with (tmp_path / "again" / "evaluation" / "samples.csv").open(newline="") as file:
        assert len({line["sample"] for line in csv.DictReader(file)}) == 8


@pytest.mark.parametrize(
    ("given", "decay"),
    [((), 0), (("trainer.weight_decay=0.1",), 0.1), (("trainer.optimizer=adamw",), 0.01),
     (("trainer.optimizer=adamw", "trainer.weight_decay=0.3"), 0.3)],
)  # fmt: skip
def test_weight_decay(given, decay):
    settings = load(parse([*TOY, "trainer.schedule=constant", *given])).settings
    made = Training(initial_network(settings), MSE(), Draws(0), settings.trainer, "").configure_optimizers()
    assert made.param_groups[0]["weight_decay"] == decay
