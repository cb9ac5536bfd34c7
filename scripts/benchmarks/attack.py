"""Measure how close attacks of fewer steps come to Auto-PGD with 100 steps, on a trained network and its test data.

python -m scripts.benchmarks.attack RUN_DIR
python -m scripts.benchmarks.attack RUN_DIR evaluation.max_samples=4 device=cuda

Prints shares of the loss of Auto-PGD with 100 steps, and whether the default attack reaches what it must: at ρ = 0.03
no sample more than 0.5 % short; at ρ = 0.1 the mean at most 1 %, no sample more than 5 %. If not, the exit code is 5.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scripts.common import Parser, status
from sgdj.attacks import APGD, PGD
from sgdj.attacks.iterative import Iterative
from sgdj.data.loader import Measure, batches
from sgdj.errors import ExitCode
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.metrics.image import squared_error
from sgdj.modes.plan import plan
from sgdj.runs.network import given_network
from sgdj.runtime.draws import Draws
from sgdj.runtime.text import markdown_table

STEPS = 60  # of the default attack, conf/attack/apgd.yaml
_REFERENCE = 100
_TRIED = (20, 40, STEPS)


@dataclass(frozen=True)
class Wanted:
    """Share of the reference's loss that the default attack must reach at a budget.

    Parameters
    ----------
    rho
        Budget, relative to the norm of the measurement.
    worst
        Smallest share of any sample.
    mean
        Smallest mean share over samples.
    """

    rho: float
    worst: float
    mean: float


WANTED = (Wanted(0.03, 0.995, 0.995), Wanted(0.1, 0.95, 0.99))


def attacks(rho: float) -> dict[str, Iterative]:
    """Make the attacks that are compared at a budget, by name; the reference is the last."""
    pgd = PGD(rho=rho, steps=10, step_size=2.0, restarts=1, random_start=False)
    searches = {steps: APGD(rho=rho, steps=steps, restarts=1, random_start=False) for steps in (*_TRIED, _REFERENCE)}
    return {"PGD, 10 steps": pgd} | {f"Auto-PGD, {steps} steps": search for steps, search in searches.items()}


def losses(overrides: Sequence[str], found: dict[str, Iterative]) -> dict[str, Tensor]:
    """Attack the test data of a run, and collect the losses.

    Parameters
    ----------
    overrides
        Command line of an evaluation, with the checkpoint.
    found
        Attacks by name.

    Returns
    -------
    dict
        Mean of |x̂ - x|² of each sample under each attack, shape (samples,).
    """
    job = load(parse(list(overrides)))
    settings, planned = job.settings.evaluation, plan(job)
    planned.source.prepare()
    network = given_network(job.settings).to(planned.device).eval()
    draws = Draws(planned.data_seed)
    values: dict[str, list[Tensor]] = {name: [] for name in found}
    measured = 0
    for here in batches(planned.images, Measure(planned.acquisition, draws), settings.batch_size):
        batch = here.to(planned.device)
        for name, attack in found.items():
            delta = attack(network, batch, draws)
            with torch.no_grad():
                values[name].append(squared_error(network(batch.y + delta, batch.operator), batch.x).cpu())
        measured += len(batch)
        if settings.max_samples is not None and measured >= settings.max_samples:
            break
    return {name: torch.cat(parts)[: settings.max_samples] for name, parts in values.items()}


def compare(found: dict[str, Tensor], wanted: Wanted) -> tuple[list[tuple[str, ...]], bool]:
    """Compare losses with those of the reference.

    Parameters
    ----------
    found
        Losses of each sample by name of the attack; those of the reference are the last.
    wanted
        Shares that the default attack must reach.

    Returns
    -------
    tuple
        Lines of a table: budget, attack, worst and mean share, and what is wanted; and whether the default reaches it.
    """
    lines, reached = [], False
    reference = list(found.values())[-1]
    for name, loss in found.items():
        share = loss / reference
        worst, mean, said = float(share.min()), float(share.mean()), ""
        if name == f"Auto-PGD, {STEPS} steps":
            reached = worst >= wanted.worst and mean >= wanted.mean
            said = f"≥ {wanted.worst:g}, ≥ {wanted.mean:g}: {'reached' if reached else 'not reached'}"
        lines.append((f"{wanted.rho:g}", name, f"{worst:.4f}", f"{mean:.4f}", said))
    return lines, reached


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python -m scripts.benchmarks.attack", __doc__)
    made.add_argument("run", type=Path, metavar="RUN_DIR", help="run directory of a trained network")
    made.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="further settings, such as evaluation.max_samples=4",
    )
    return made


def main(arguments: list[str]) -> int:
    """Measure the shares, print them, and say whether they are what they must be."""
    options = parser().parse_args(arguments)
    checkpoint = options.run / "checkpoints" / "best.ckpt"
    command = ["mode=evaluate", f"checkpoint={checkpoint}", *options.overrides]
    lines, kept = [], True
    for wanted in WANTED:
        made, reached = compare(losses(command, attacks(wanted.rho)), wanted)
        lines, kept = lines + made, kept and reached
    head = ("ρ", "attack", "worst sample", "mean", "wanted of worst and mean")
    print(markdown_table(head, lines))
    print(f"\nShares of the loss of Auto-PGD with {_REFERENCE} steps.")
    return int(ExitCode.DONE if kept else ExitCode.CHECK_FAILED)


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
