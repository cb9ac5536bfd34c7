"""mode=audit: check whether the robustness measured of a network can be believed."""

import sys
from functools import partial

from sgdj.audit.report import audit_network, table, write
from sgdj.config.instantiate import build
from sgdj.errors import ExitCode
from sgdj.jobs import measured
from sgdj.jobs.load import Job
from sgdj.modes.plan import Plan, plan
from sgdj.modes.run import Steps, conduct
from sgdj.networks import Reconstructor
from sgdj.reporting.certificates import fragile_directions
from sgdj.reporting.terminal import show
from sgdj.runs.directory import RunDirectory
from sgdj.runs.network import given_network
from sgdj.runs.tracking import Tracker
from sgdj.runtime.contents import Record
from sgdj.runtime.output import say
from sgdj.runtime.text import label


def audit(job: Job) -> Record:
    """Audit the network of `checkpoint` or `reconstructor`; the record's exit code tells if a check failed."""
    planned = plan(job)
    return conduct(planned, Steps(partial(given_network, job.settings), partial(_measure, planned)))


def _measure(planned: Plan, network: Reconstructor, run: RunDirectory, tracker: Tracker) -> None:
    """Run the checks, write the report, and show it."""
    settings = planned.settings
    found = audit_network(
        f"Audit: {settings.task}, {measured.text(settings.plain())}",
        network.to(planned.device),
        planned.images,
        planned.acquisition,
        build(settings, "attack"),
        seed=planned.data_seed,
        samples=settings.audit.samples,
        steps=settings.audit.steps,
        random_draws=settings.audit.random_draws,
        light=settings.audit.light,
        device=planned.device,
        tell=lambda name: say(f"checking: {name}", sys.stderr),
    )
    write(found, run.evaluation)
    if found.directions:
        values = [one.value for one in found.directions]
        images, responses = ([getattr(one, name) for one in found.directions] for name in ("image", "response"))
        fragile_directions(values, images, responses, label(f"fragile directions: {found.sample}"), run.figures)
        tracker.images("audit", [run.figures / "fragile-directions.png"])
    show(table(found))
    print("\n".join([found.jacobian, *(f"network: {note}" for note in found.notes)]))
    run.update(exit_code=int(ExitCode.CHECK_FAILED if found.failed else ExitCode.DONE))
    say(f"run directory: {run.path}")
