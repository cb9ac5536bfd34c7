"""mode=evaluate: measure a network that is there, a trained one or somebody else's, in a folder of its own."""

from functools import partial
from typing import Any

from sgdj.config.instantiate import build
from sgdj.config.load import Job
from sgdj.evaluation.conditions import conditions
from sgdj.evaluation.evaluate import COLUMNS, Result
from sgdj.evaluation.evaluate import evaluate as evaluate_networks
from sgdj.modes.plan import Plan, plan
from sgdj.modes.run import Steps, conduct
from sgdj.networks import Reconstructor, StartingPoint
from sgdj.reporting.run_report import report
from sgdj.runs.directory import RunDirectory
from sgdj.runs.network import given_network
from sgdj.runs.tracking import Tracker


def evaluate(job: Job) -> dict[str, Any]:
    """Measure the network of `checkpoint` or `reconstructor`; the run's record."""
    planned = plan(job)
    return conduct(planned, Steps(partial(given_network, job.config), partial(measured, planned)))


def measured(planned: Plan, network: Reconstructor, run: RunDirectory, tracker: Tracker) -> Result:
    """Measure a network and its starting point under every condition, write the numbers, and report them."""
    config = planned.config
    start = getattr(network, "start", "adjoint")
    result = evaluate_networks(
        {"network": network.to(planned.device), "x0": StartingPoint(start).to(planned.device)},
        planned.images,
        planned.acquisition,
        conditions(
            (config["attack"]["name"], build(config, "attack")),
            {name: build(config, f"shift.{name}") for name in config["shift"]},
            config["evaluation"],
        ),
        seed=planned.data_seed,
        settings=config["evaluation"],
        device=planned.device,
        volume_metrics=planned.source.fastmri_layout,
        workers=config["trainer"]["workers"],
    )
    run.write_rows("samples.csv", COLUMNS, result.rows)
    run.write_json("summary.json", result.summary)
    report(config, result, run, tracker, planned.source.synthetic)
    return result
