"""Compare the error at K and at K + 1 iterations, to find networks whose iterates oscillate."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from sgdj.evaluation.key import Key
from sgdj.runtime.text import markdown_table
from sgdj.study.paper import NAMES
from sgdj.study.rows import Row
from sgdj.study.tables import title

OSCILLATES = 2.0  # error at K + 1 over that at K, from which on a network counts as oscillating

_HEAD = (
    "Weights are shared by all iterations, so that a network can be run one iteration further. Some have learned a map "
    "that is only good every second time, and their iterates in between are no images. The subspace toy has the like "
    "in closed form: for even K two minimisers are equally good, and with one of them the error changes its sign at "
    f"every step (`sgdj/theory/iteration.py`). *Oscillating*: more than {OSCILLATES:g} times the error at K + 1, on "
    "the mean over volumes."
)


def markdown(rows: Sequence[Row]) -> str:
    """Tabulate the error at K and K + 1 of every kind of network, and how many of them oscillate.

    Parameters
    ----------
    rows
        Rows of the experiment `figure_iterations`.

    Returns
    -------
    str
        Table in Markdown.
    """
    groups: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        now, then = (row.mean(Key(iterations=k), "nmse") for k in (row.iterations, row.iterations + 1))
        groups[row.architecture, row.strategy].append((now, then))
    lines = []
    for name in [*NAMES, *(name for name in groups if name not in NAMES)]:
        if name in groups:
            now, then = np.array(groups[name]).T
            count = int((then > OSCILLATES * now).sum())
            errors = [f"{np.median(e):.3f} ({e.min():.3f} to {e.max():.3f})" for e in (now, then)]
            lines.append((title(*name), len(now), *errors, f"{count} of {len(now)}"))
    table = markdown_table(("training", "seeds", "error at K", "at K + 1", "oscillating"), lines)
    return "\n".join([_HEAD, "", table, "", "Errors: ‖x̂ − x‖² / ‖x‖², median and range over seeds."])
