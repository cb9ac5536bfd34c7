"""Audit a reconstructor: run the checks, write the report."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from rich.table import Table

from sgdj.attacks.base import Attack
from sgdj.audit.checks import SMALL, Audit, Check
from sgdj.audit.sensitivity import sensitivity
from sgdj.audit.worst_case import Direction
from sgdj.data.loader import Measure
from sgdj.data.source import ImageSet
from sgdj.errors import RunError, as_run_error
from sgdj.networks.base import Reconstructor
from sgdj.operators.acquisition import Acquisition
from sgdj.runtime.draws import Draws
from sgdj.runtime.text import bold, markdown_table, printable
from sgdj.runtime.text import markdown as plain


@dataclass(frozen=True)
class Report:
    """Outcome of an audit.

    Parameters
    ----------
    title
        Name of the audited network.
    checks
        Outcomes in the order of their numbers.
    largest, frobenius
        Means over samples of `sgdj.audit.sensitivity.Sensitivity`; None without a gradient.
    notes
        What was converted in the values that the reconstructor returned, such as the precision.
    directions
        Fragile directions of the first sample, the most fragile first; none without a gradient, or in a light audit.
    sample
        Id of that sample.
    """

    title: str
    checks: list[Check]
    largest: float | None
    frobenius: float | None
    notes: list[str] = field(default_factory=list)
    directions: list[Direction] = field(default_factory=list)
    sample: str = ""

    @property
    def failed(self) -> list[Check]:
        """Checks that failed."""
        return [check for check in self.checks if check.status == "FAIL"]

    @property
    def jacobian(self) -> str:
        """State the sensitivity in words."""
        if self.largest is None or self.frobenius is None:
            return "The Jacobian ∂x̂/∂y cannot be computed."
        return (
            f"Jacobian ∂x̂/∂y on the measured entries, mean over samples: largest singular value {self.largest:.3f}, "
            f"‖J‖_F / √m = {self.frobenius:.3f} (the amplification of white noise)."
        )


def audit_network(
    title: str,
    reconstructor: Reconstructor,
    images: ImageSet,
    acquisition: Acquisition,
    attack: Attack,
    *,
    seed: int,
    samples: int,
    steps: int,
    random_draws: int,
    light: bool = False,
    device: torch.device,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Run the checks on the first images of one shape.

    Parameters
    ----------
    title
        Name of the network, for the report.
    reconstructor
        Network to audit, in evaluation mode.
    images
        Test images, of which the first are used.
    acquisition
        Protocol that measures the images.
    attack
        Attack that states budget, norm and support.
    seed
        Seed of masks and noise, `dataset.seed`.
    samples
        Number of images, at most.
    steps
        Number of steps of the attacks that are compared.
    random_draws
        Number of random perturbations that the attack is compared with.
    light
        Whether only the quick checks are run.
    device
        Device to compute on.
    tell
        Function that is called with the name of every check before it runs.

    Returns
    -------
    Report
        Outcomes of all checks.
    """
    draws = Draws(seed)
    reconstructor.forget()
    alike = [i for i in range(len(images)) if images.alike(i) == images.alike(0)][:samples]
    batch = Measure(acquisition, draws)([images[i] for i in alike]).to(device)
    small = acquisition.operator((SMALL, SMALL), batch.volumes[:3], draws).to(device)
    checks = Audit(reconstructor.eval(), batch, attack, draws, small, steps, random_draws)
    found = checks.light() if light else checks.full(tell)
    tell("sensitivity")
    try:
        local = sensitivity(reconstructor, batch, draws)
        means = [float(value.mean()) for value in (local.largest, local.frobenius)]
    except Exception as error:  # one of the checks has reported by now that there is no gradient
        if isinstance(error, RunError) or (isinstance(error, RuntimeError | MemoryError) and as_run_error(error)):
            raise
        means = [math.nan]
    largest, frobenius = means if all(map(math.isfinite, means)) else (None, None)
    notes = getattr(reconstructor, "notes", [])
    return Report(title, found, largest, frobenius, notes, checks.directions, batch.samples[0])


def _line(check: Check) -> tuple[object, ...]:
    name = f"{check.name} (of this tool)" if check.self_test else check.name
    outcome = bold(check.status) if check.status == "FAIL" else check.status
    return check.number, name, outcome, check.value, check.rule


def markdown(report: Report) -> str:
    """Write the report as Markdown."""
    checks, failed = report.checks, report.failed
    verdict = f"{len(failed)} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks passed"
    text = [
        f"# {plain(report.title)}",
        "",
        f"{verdict[0].upper()}{verdict[1:]}.",
        "",
        markdown_table(("", "check", "outcome", "measured", "rule"), map(_line, checks)),
    ]
    return "\n".join([*text, "", report.jacobian, *(f"The reconstructor: {note}." for note in report.notes)]) + "\n"


def table(report: Report) -> Table:
    """Tabulate the outcome of every check for the terminal."""
    shown = Table(title=printable(report.title), title_justify="left")
    shown.add_column("", justify="right")
    for name in ("check", "outcome", "measured", "rule"):
        shown.add_column(name, overflow="fold")
    for check in report.checks:
        shown.add_row(*map(printable, (check.number, check.name, check.status, check.value, check.rule)))
    return shown


def write(report: Report, folder: Path) -> None:
    """Write ``audit.json`` and ``audit.md`` into a folder."""
    content = asdict(replace(report, directions=[]))
    content["directions"] = [{"value": one.value, "residual": one.residual} for one in report.directions]
    (folder / "audit.json").write_text(json.dumps(content, indent=1) + "\n")
    (folder / "audit.md").write_text(markdown(report))
