"""mode=evaluate: measure an existing network, trained here or elsewhere, in a folder of its own."""

from functools import partial

from sgdj.config.instantiate import build
from sgdj.evaluation.conditions import conditions
from sgdj.evaluation.evaluate import COLUMNS, Result
from sgdj.evaluation.evaluate import evaluate as evaluate_networks
from sgdj.jobs.load import Job
from sgdj.modes.plan import Plan, plan
from sgdj.modes.report import report
from sgdj.modes.run import Steps, conduct
from sgdj.networks import Reconstructor, StartingPoint
from sgdj.networks.precision import computing_in
from sgdj.runs.directory import RunDirectory
from sgdj.runs.network import given_network
from sgdj.runs.tracking import Tracker
from sgdj.runtime.contents import Record


def evaluate(job: Job) -> Record:
    """Measure the network of `checkpoint` or `reconstructor`; returns the run's record."""
    planned = plan(job)
    return conduct(planned, Steps(partial(given_network, job.settings), partial(measured, planned)))


def measured(planned: Plan, network: Reconstructor, run: RunDirectory, tracker: Tracker) -> Result:
    """Measure a network and its starting point under every condition, write the numbers, and report them."""
    settings = planned.settings
    start = getattr(network, "start", "adjoint")
    with computing_in(settings.precision, network):
        result = evaluate_networks(
            {"network": network.to(planned.device), "x0": StartingPoint(start).to(planned.device)},
            planned.images,
            planned.acquisition,
            conditions(
                (settings.attack.name, build(settings, "attack")),
                {name: build(settings, f"shift.{name}") for name in settings.shift},
                settings.evaluation,
            ),
            seed=planned.data_seed,
            settings=settings.evaluation,
            device=planned.device,
            volume_metrics=planned.source.fastmri_layout,
            workers=settings.trainer.workers,
        )
    run.write_rows("samples.csv", COLUMNS, result.rows)
    run.write_json("summary.json", result.summary)
    report(settings, result, run, tracker, planned.source.synthetic)
    return result
