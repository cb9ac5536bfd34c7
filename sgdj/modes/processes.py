"""Train in several processes: start them, and check that each has its share."""

from collections import Counter

import torch

from sgdj.data.generated import GeneratedSource
from sgdj.errors import ExitCode, InputError, ResourceError
from sgdj.modes.plan import Plan
from sgdj.runs.directory import RunDirectory
from sgdj.runtime import distributed
from sgdj.runtime.contents import Record
from sgdj.runtime.ranks import local_world, world


def processes(plan: Plan) -> int:
    """Return the number of processes: as many as are asked for, or as a launcher has started; one if nothing trains."""
    return max(plan.settings.trainer.devices, world()) if plan.trains else 1


def check_devices(plan: Plan) -> None:
    """Check that there are as many devices, and a share of every batch for each, as far as the settings show."""
    count = processes(plan)
    if count == 1:
        return
    found = torch.cuda.device_count()
    if plan.device.type == "cuda" and local_world() == 1 and count > found:
        raise InputError(f"{count} of {found} CUDA devices", "trainer.devices", f"use {found} or fewer")
    dataset = plan.settings.dataset
    for split, node in (("train", "trainer"), ("val", "evaluation")):
        images = dataset.get(f"samples.{split}", int) or dataset.get(f"volumes.{split}", int) or 0
        number = images * (dataset.get("slices", int) or 1) if isinstance(plan.source, GeneratedSource) else 0
        _check_share(plan, split, node, number)


def check_shares(plan: Plan) -> None:
    """Check that every process has a sample of every batch, now that the data are there."""
    for split, node in (("train", "trainer"), ("val", "evaluation")):
        images = plan.source.images("train" if split == "train" else "val")
        for number in Counter(images.alike(i) for i in range(len(images))).values():
            _check_share(plan, split, node, number)


def _check_share(plan: Plan, split: str, node: str, number: int) -> None:
    """Check that the smallest batch of `number` images of one shape can be shared; 0 if their number is not known."""
    share = plan.settings.trainer if node == "trainer" else plan.settings.evaluation
    batch_size, count = share.batch_size, processes(plan)
    smallest = min(number % batch_size or batch_size, number or batch_size)
    if smallest < count:
        raise InputError(
            f"a batch of {smallest} {split} images cannot be shared by {count} processes",
            f"{node}.batch_size",
            "choose one whose last batch is larger, or lower trainer.devices",
        )


def launch(plan: Plan, run: RunDirectory) -> Record:
    """Run in several processes on this machine; returns the record that they leave."""
    count = processes(plan)
    code = distributed.launch(plan.job.overrides, count)
    if code not in set(ExitCode):
        raise ResourceError(f"one of {count} processes was killed (exit {code}): run the same command again")
    found = {**run.read_record(), "folder": str(run.path), "exit_code": code}
    return found if code == 0 else found | {"error": f"one of {count} processes ended with {code}"}
