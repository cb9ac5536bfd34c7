"""Report how far networks overfit, and what attacks and shifts cost them; measured, not tested."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sgdj.evaluation.key import CLEAN
from sgdj.runtime.text import markdown_table, plus_minus
from sgdj.study.columns import columns
from sgdj.study.paper import reported
from sgdj.study.rows import Row, matrix
from sgdj.study.tables import Line, title

_HEAD = (
    "Likely reasons where a claim is not supported; measured, but not tested. By regularising, jittering can win back "
    "at most what a network loses from its training data to its test data (*lost*: difference of the gains over x₀, "
    "± standard error over volumes); it can make robust only what an attack or a shift harms. *Costs* are in dB of "
    "PSNR against the in-distribution column; in brackets the paper's."
)


def gains(rows: Sequence[Row]) -> npt.NDArray[np.float64]:
    """Return PSNR over that of the starting point in dB, per volume, mean over seeds.

    Seeds that were trained on images of their own have no volume in common; their volumes follow one another.
    """
    if len({tuple(row.values["network"][CLEAN]["psnr"]) for row in rows}) > 1:
        return np.concatenate([gains([row]) for row in rows])
    start = np.array([list(row.values["x0"][CLEAN]["psnr"].values()) for row in rows])
    return np.asarray((matrix(rows, CLEAN) - start).mean(axis=0))


def lost(trained: Sequence[Row], tested: Sequence[Row]) -> tuple[float, float]:
    """Return the mean gain on training data minus that on test data in dB, and its standard error over volumes."""
    both = [gains(rows) for rows in (trained, tested)]
    error = np.sqrt(sum(g.var(ddof=1) / len(g) for g in both))
    return float(both[0].mean() - both[1].mean()), float(error)


def _cost(line: Line, column: str) -> str:
    there = columns(line.first)
    if column not in there:  # of a task that the paper does not have
        return "—"
    known = reported(line.first.task, line.first.architecture, line.first.strategy)
    ours = line.cell(CLEAN, "psnr")[0] - line.cell(there[column], "psnr")[0]
    return f"{round(ours, 2) + 0.0:.2f}" + (f" ({known['in-distribution'][0] - known[column][0]:.2f})" if known else "")


def markdown(task: str, found: Sequence[Line], trained: Sequence[Row]) -> str:
    """Write one line of Markdown per kind of network.

    Parameters
    ----------
    task
        Task whose table is reported.
    found
        Lines of the task's table, on test data.
    trained
        Rows of the experiment `generalisation`, on training data; compared with the same seeds' test data.

    Returns
    -------
    str
        Table in Markdown.
    """
    header = (
        "training", "seeds", "gain on training data (dB)", "on test data", "lost", "attack costs", "shift costs",
    )  # fmt: skip
    lines = []
    for line in found:
        rows = [row for row in trained if title(row.architecture, row.strategy) == line.name]
        tested = [row for row in line.rows if row.seed in {r.seed for r in rows}]
        if not tested:
            continue
        loss, error = lost(rows, tested)
        costs = [_cost(line, column) for column in ("adversarial", "out-of-distribution")]
        gained = [f"{gains(kept).mean():.2f}" for kept in (rows, tested)]
        lines.append((line.name, len(rows), *gained, plus_minus(loss, error, 2), *costs))
    return f"{_HEAD}\n\n{markdown_table(header, lines)}"
