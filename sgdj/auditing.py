"""Audit a reconstructor: run the checks, write the report."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sgdj.attacks.audit import SMALL, Audit, Check
from sgdj.attacks.base import Attack
from sgdj.data.loader import Measure
from sgdj.data.source import ImageSet
from sgdj.draws import Draws
from sgdj.networks.base import Reconstructor
from sgdj.operators.acquisition import Acquisition


def audit(
    reconstructor: Reconstructor,
    images: ImageSet,
    acquisition: Acquisition,
    attack: Attack,
    *,
    seed: int,
    settings: dict[str, Any],
    device: torch.device,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Check]:
    """Run the checks on the first images of one shape.

    Parameters
    ----------
    reconstructor
        What is audited.
    images, acquisition
        Where measurements come from.
    attack
        Gives budget, norm and support.
    seed
        `dataset.seed`.
    settings
        The `audit` node of the configuration.
    device
        Where to compute.
    tell
        Called with the name of every check before it runs.
    """
    draws = Draws(seed)
    alike = [i for i in range(len(images)) if images.shape(i) == images.shape(0)][: settings["samples"]]
    batch = Measure(acquisition, draws)([images[i] for i in alike]).to(device)
    small = acquisition.operator((SMALL, SMALL), batch.volumes[:3], draws).to(device)
    checks = Audit(reconstructor.eval(), batch, attack, draws, small, settings["steps"], settings["random_draws"])
    return checks.light() if settings["light"] else checks.full(tell)


def markdown(checks: list[Check], title: str) -> str:
    """The report."""
    failed = [check for check in checks if check.status == "FAIL"]
    verdict = f"{len(failed)} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks passed"
    text = [f"# {title}", "", f"{verdict[0].upper()}{verdict[1:]}.", "", "| | check | outcome | measured | rule |"]
    text.append("|---|---|---|---|---|")
    for check in checks:
        name = f"{check.name} (of this tool)" if check.self_test else check.name
        outcome = f"**{check.status}**" if check.status == "FAIL" else check.status
        text.append(f"| {check.number} | {name} | {outcome} | {check.value} | {check.rule} |")
    return "\n".join(text) + "\n"


def write(checks: list[Check], title: str, folder: Path) -> None:
    """Write ``audit.json`` and ``audit.md``."""
    (folder / "audit.json").write_text(json.dumps([asdict(check) for check in checks], indent=1) + "\n")
    (folder / "audit.md").write_text(markdown(checks, title))
