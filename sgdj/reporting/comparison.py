"""Compare runs in one table: mean and standard deviation over seeds, for every training and column."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import mean, stdev
from typing import NamedTuple

from rich.table import Table

from sgdj.config.nodes import leaves
from sgdj.runs.catalogue import RunView
from sgdj.runtime.text import plus_minus, printable

#: Settings in which runs of one row may differ; a checkpoint, as far as `_trainings` says.
_APART = ("seed", "checkpoint", "run_dir", "output_dir", "resume", "force", "device", "sigma")
#: Settings that the head of a row stands for, unless rows of one head differ in them.
_IMPLIED = ("logger.", "trainer.threads", "trainer.workers", "architecture.", "strategy.", "operator.noise")


class Compared(NamedTuple):
    """Runs of one task, compared.

    Parameters
    ----------
    title
        Task, and what all runs share.
    header
        Titles of the columns.
    rows
        Cells of every row.
    """

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def _settings(run: RunView) -> dict[str, str]:
    """List the settings by which a row is told from others."""
    kept = {key: str(value) for key, value in leaves(run.config) if key not in _APART and not key.startswith("logger.")}
    return kept | {"result version": str(run.record.get("result_version", ""))}


def _trainings(runs: Sequence[RunView]) -> list[dict[str, str]]:
    """List the settings of every run, with the checkpoint where trainings differ in more than their seed."""
    settings = [_settings(run) for run in runs]
    alike: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for i, one in enumerate(settings):
        alike[tuple(sorted(one.items()))].append(i)
    for members in alike.values():
        checkpoints, seeds = ({str(runs[i].setting(key)) for i in members} for key in ("checkpoint", "seed"))
        outside = runs[members[0]].setting("reconstructor") is not None
        if len(checkpoints) > 1 and (outside or len(seeds) < len(checkpoints)):
            for i in members:
                settings[i]["checkpoint"] = str(runs[i].setting("checkpoint"))
    return settings


def _head(run: RunView) -> str:
    """Name architecture, strategy and its level."""
    facts = run.facts
    level = f" σ = {facts['sigma']}" if facts["sigma"] not in ("", "None", "?") else ""
    return f"{facts['architecture']}, {facts['strategy']}{level}"


def _names(runs: Sequence[RunView], settings: Sequence[dict[str, str]], varied: Sequence[str]) -> list[str]:
    """Name the rows: first what tells rows of one head apart, then whatever else differs from other rows."""
    heads = [_head(run) for run in runs]
    shown = [key for key in varied if not key.endswith("_target_")]
    made = []
    for head, own in zip(heads, settings, strict=True):
        alike = [one for other, one in zip(heads, settings, strict=True) if other == head]
        telling = [key for key in shown if len({one.get(key) for one in alike}) > 1]
        keys = telling + [key for key in shown if key not in telling and not key.startswith(_IMPLIED)]
        others = [f"{key}={own[key]}" for key in keys if key in own]
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        made.append(", ".join([head, *others[:3]]) + more)
    return made


def _conditions(runs: Sequence[RunView]) -> list[str]:
    found: dict[str, None] = {}
    for run in runs:
        network = run.summary.get("network")
        found |= dict.fromkeys(network if isinstance(network, dict) else ())
    return [name for name in found if any(run.psnr(name) is not None for run in runs)]


def compared(found: Sequence[RunView]) -> list[Compared]:
    """Compare finished runs, task by task.

    Parameters
    ----------
    found
        Runs, of which those without an evaluation are left out.

    Returns
    -------
    list of Compared
        A table for each task: PSNR in dB, mean ± standard deviation over runs that differ in their seed alone.
    """
    tasks: dict[str, list[RunView]] = defaultdict(list)
    for run in found:
        if run.status == "finished" and run.psnr("clean") is not None:
            tasks[run.facts["task"]].append(run)
    return [_compared(task, runs) for task, runs in tasks.items()]


def _compared(task: str, runs: Sequence[RunView]) -> Compared:
    settings = _trainings(runs)
    keys = sorted({key for one in settings for key in one})
    varied = [key for key in keys if len({one.get(key) for one in settings}) > 1]
    rows: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for i, one in enumerate(settings):
        rows[tuple(one.get(key) for key in varied)].append(i)
    names = _conditions(runs)
    firsts = [members[0] for members in rows.values()]
    titles = _names([runs[i] for i in firsts], [settings[i] for i in firsts], varied)
    cells = []
    for row_title, members in zip(titles, rows.values(), strict=True):
        scores = []
        for name in names:
            values = [value for i in members if (value := runs[i].psnr(name)) is not None]
            spread = stdev(values) if len(values) > 1 else None
            scores.append(plus_minus(mean(values), spread, 2) if values else "—")
        cells.append((row_title, str(len(members)), *scores))
    data = {str(run.record.get("data", "?")) for run in runs}
    title = f"{task} ({', '.join(sorted(data))} data): PSNR (dB), mean ± std over seeds"
    return Compared(title, ("training", "seeds", *names), cells)


def comparison_table(one: Compared) -> Table:
    """Turn a comparison into a table for the terminal."""
    made = Table(title=printable(one.title), title_justify="left")
    for i, name in enumerate(one.header):
        made.add_column(printable(name), justify="right" if i else "left")
    for row in one.rows:
        made.add_row(*map(printable, row))
    return made
