"""mode=train and mode=tune: train a network, then measure it on test data, or score it on validation data."""

import math
from functools import partial

from omegaconf import OmegaConf

from sgdj.config.instantiate import build
from sgdj.data.loader import Measure
from sgdj.evaluation.evaluate import Result
from sgdj.jobs.load import Job
from sgdj.modes.evaluate import measured
from sgdj.modes.plan import Plan, plan
from sgdj.modes.run import Log, Steps, conduct
from sgdj.networks import Reconstructor
from sgdj.networks.initial import initial_network
from sgdj.reporting import figures
from sgdj.runs.checkpoints import read_checkpoint
from sgdj.runs.directory import RunDirectory
from sgdj.runs.model_card import write_model
from sgdj.runs.network import defended, given_network
from sgdj.runs.tracking import Tracker
from sgdj.runtime.contents import Record
from sgdj.runtime.draws import Draws
from sgdj.runtime.ranks import rank, tell
from sgdj.runtime.signals import stop
from sgdj.training.settings import Kept, Settings


def train(job: Job) -> Record:
    """Train a network, measure it, and leave a model that others can load; returns the run's record."""
    planned = plan(job)

    def measure(network: Reconstructor, run: RunDirectory, tracker: Tracker) -> None:
        result = measured(planned, defended(network, job.settings), run, tracker)
        best = read_checkpoint(run.checkpoints / "best.ckpt")
        write_model(run.path / "model", best, run.record, result.summary)

    return conduct(planned, Steps(partial(initial_network, job.settings), measure, partial(_fit, planned)))


def tune(job: Job) -> Record:
    """Train a network and score it, or score a reconstructor, for a sweep to choose by; returns the record."""
    planned = plan(job)

    def measure(network: Reconstructor, run: RunDirectory, tracker: Tracker) -> None:
        tested = defended(network, job.settings) if planned.trains else network
        _score(measured(planned, tested, run, tracker), job.settings.attack.name, run)

    if not planned.trains:
        return conduct(planned, Steps(partial(given_network, job.settings), measure))
    return conduct(planned, Steps(partial(initial_network, job.settings), measure, partial(_fit, planned)))


def _fit(planned: Plan, network: Reconstructor, run: RunDirectory, log: Log) -> None:
    """Train or resume, and draw the training curve; the network then has the best weights."""
    with stop.patiently():  # a signal in the middle of an import can be lost
        from sgdj.training.fit import train as fit  # Lightning takes seconds to import
    stop.check()
    asked = planned.settings
    settings = Settings(
        seed=asked.seed,
        epochs=asked.epochs,
        validation_batch_size=asked.evaluation.batch_size,
        device=asked.device,
        precision=asked.precision,
        trainer=asked.trainer,
    )
    text = OmegaConf.to_yaml(OmegaConf.create(asked.plain()))
    kept = Kept(run, planned.key, text)
    strategy = build(asked, "strategy")
    defence = None if asked.defence is None else build(asked, "defence")
    measure = Measure(planned.acquisition, Draws(planned.data_seed))
    fit(network, strategy, planned.source, measure, settings, kept, log, tell, defence)
    if rank() == 0:
        figures.training_curve(run.metrics(), run.figures / "training.png")


def _score(result: Result, attack: str, run: RunDirectory) -> None:
    """Record the score that levels are chosen by: the mean of clean and attacked PSNR on the validation data."""
    found = result.summary["network"]
    means = [found[name]["psnr"]["mean"] for name in ("clean", attack)]
    if any(mean is None or not math.isfinite(mean) for mean in means):
        tell("no score: a PSNR on the validation data is not finite")
        return
    score = sum(means) / 2
    run.update(score=round(score, 6))
    print(f"score, mean of clean and attacked PSNR on the validation data: {score:.3f} dB", flush=True)
