"""Which batches a training sees."""

import pytest

from sgdj.config.instantiate import build
from sgdj.data.loader import Measure
from sgdj.errors import InputError
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.runtime.draws import Draws
from sgdj.training.fit import _loaders
from sgdj.training.settings import Settings


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Six slices to train with, four to validate with."""
    folder = tmp_path_factory.mktemp("data")
    counts = ["dataset.volumes.train=3", "dataset.volumes.val=2", f"dataset.directory={folder}"]
    return load(parse(["task=mri", "scale=smoke", *counts])).settings


def sizes(job, train, val, drop):
    """Sizes of the batches of training and of validation."""
    trainer = job.changed("trainer.batch_size", train).changed("trainer.drop_last", drop).trainer
    settings = Settings(seed=0, epochs=1, validation_batch_size=val, device="cpu", precision="32", trainer=trainer)
    source = build(job, "dataset")
    source.prepare()
    measure = Measure(build(job, "operator"), Draws(job.data_seed))
    return [[len(b) for b in loader] for loader in _loaders(source, measure, settings)]


def test_incomplete_batches_are_left_out_of_training_and_validation(job):
    assert sizes(job, 4, 3, False) == [[4, 2], [3, 1]]
    assert sizes(job, 4, 3, True) == [[4], [3]]


def test_something_is_left_to_validate_with(job):
    assert sizes(job, 4, 8, True) == [[4], [4]]


def test_a_batch_beyond_the_data_is_refused(job):
    with pytest.raises(InputError, match="exceeds the 6 training images"):
        sizes(job, 7, 2, True)
