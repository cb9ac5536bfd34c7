"""Write the first entries of ``run.json``."""

import shlex
from datetime import UTC, datetime

import torch

from sgdj.data.batch import pose
from sgdj.jobs.identity import RESULT_VERSION
from sgdj.modes.plan import Plan
from sgdj.networks import Reconstructor
from sgdj.runtime import provenance
from sgdj.runtime.contents import Record
from sgdj.runtime.draws import Draws
from sgdj.runtime.ranks import world


def now() -> str:
    """Return the time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def first_record(plan: Plan, network: Reconstructor, data_hash: str, earlier: Record) -> Record:
    """Make the record of what is known when a run begins.

    Parameters
    ----------
    plan
        The run that begins.
    network
        What is trained or measured.
    data_hash
        Of the data's manifest.
    earlier
        The record of the run that this one goes on from; empty if it begins.

    Returns
    -------
    dict
        Content of ``run.json``.
    """
    trainer, device = plan.settings.trainer, plan.device
    return {
        "status": "running",
        "config_hash": plan.key,
        "result_version": RESULT_VERSION,
        "data_hash": data_hash,
        "content_hash": plan.source.content_hash(),
        "seed": plan.settings.seed,
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "machine": provenance.machine(),
        "threads": torch.get_num_threads(),
        "processes": world(),
        "workers": trainer.workers,
        "deterministic": trainer.deterministic or device.type == "cpu",
        "started": earlier.get("started", now()),
        "parameters": sum(p.numel() for p in network.parameters()),
        "command": shlex.join(["python", "run.py", *plan.job.overrides]),
        "experiment": plan.job.experiment,
        "data": "synthetic" if plan.source.synthetic else "real",
        "trained": earlier.get("trained", False),
        "wall_s": earlier.get("wall_s", 0.0),
        **({"acceleration": a} if (a := _acceleration(plan)) else {}),
        **plan.subject,
    }


def _acceleration(plan: Plan) -> dict[str, float] | None:
    """Measure the acceleration of the masks of the test data, which a drawn mask has on average only."""
    images, draws, values = plan.source.images("test"), Draws(plan.data_seed), []
    for i in range(len(images)):
        operator = pose([images[i]], plan.acquisition, draws).operator(plan.acquisition)
        found = operator.acceleration()
        if found is None:
            return None
        values.append(float(found.mean()))
    return {"mean": sum(values) / len(values), "min": min(values), "max": max(values)}
