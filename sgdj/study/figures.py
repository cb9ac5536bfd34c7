"""Draw figures over many runs: accuracy against robustness, curves over level, budget and iterations."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sgdj.evaluation.key import CLEAN, Key
from sgdj.jobs.measured import EXTERNAL
from sgdj.reporting.style import save_both
from sgdj.runtime.text import label as plain
from sgdj.study.columns import columns as shown_columns
from sgdj.study.columns import task_title
from sgdj.study.looks import look
from sgdj.study.paper import ARCHITECTURES, BASELINE, LEVELS, NAMES, SPECIAL
from sgdj.study.rows import Row
from sgdj.study.tables import Line, level_text

mpl.use("Agg")


def _title(row: Row) -> str:
    return plain(f"{task_title(row)}, {row.data} data, scale {row.scale}")


def _name(row: Row) -> str:
    return SPECIAL.get((row.architecture, row.strategy), look(row.strategy)[2])


def tradeoff(task: str, found: Sequence[Line], candidates: Sequence[Row], folder: Path) -> None:
    """Draw attacked against clean PSNR: the table's lines; beside it the gradient form at other levels.

    Left: a small marker per seed, a large one for the mean. Right: one seed; markers grow with the level.

    Parameters
    ----------
    task
        Task whose table is drawn.
    found
        Lines of the task's table.
    candidates
        Rows of one seed at other levels of the strategies.
    folder
        Folder where the figures are written.
    """
    other = {key: rows for key, rows in _levelled(candidates).items() if key[0] == BASELINE[0]}
    figure = Figure(figsize=(9.6 if other else 5.6, 4.8), layout="constrained")
    axes = figure.subplots(1, 2 if other else 1, squeeze=False)[0]
    attack = shown_columns(found[0].first)["adversarial"]
    for line in found:
        colour, marker, _ = look(line.first.strategy)
        face = colour if line.first.architecture == BASELINE[0] else "white"
        points = np.array([[row.mean(CLEAN), row.mean(attack)] for row in line.rows])
        axes[0].plot(*points.T, marker, color=colour, mfc=face, ms=3, alpha=0.45)
        axes[0].plot(*points.mean(0), marker, color=colour, mfc=face, ms=9, label=plain(line.name))
    for (_, strategy), group in other.items():
        colour, marker, name = look(strategy)
        ordered = sorted(group, key=lambda row: next(iter(row.level.values())))
        points = np.array([[row.mean(CLEAN), row.mean(attack)] for row in ordered])
        ends = " to ".join(level_text(ordered[i]).rpartition(" ")[2] for i in (0, -1))
        sign = level_text(ordered[0]).partition(" ")[0]
        axes[1].plot(*points.T, "-", color=colour, lw=0.8, label=f"{name}, {sign} {ends}")
        axes[1].scatter(*points.T, s=np.linspace(12, 90, len(points)), color=colour, marker=marker, alpha=0.7)
    for axis in axes:
        axis.set(xlabel="clean PSNR (dB)", ylabel="PSNR under attack (dB)")
        axis.legend(frameon=False, fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    figure.suptitle(_title(found[0].first), fontsize=9)
    save_both(figure, folder, f"tradeoff-{task}")


def _grouped(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.architecture, row.strategy].append(row)
    return groups


def _levelled(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Group the rows whose strategy has a noise level or budget."""
    return _grouped([row for row in rows if row.level])


def _panels(rows: Sequence[Row]) -> tuple[Figure, dict[str, Axes]]:
    """Create a panel for each architecture, with a common vertical axis; references stand in all of them."""
    there = {row.architecture for row in rows if not row.external} or {EXTERNAL}
    present = sorted(there, key=lambda name: (name not in ARCHITECTURES, name))  # the paper's two first
    figure = Figure(figsize=(4.4 * len(present), 3.6), layout="constrained")
    axes = figure.subplots(1, len(present), sharey=True, squeeze=False)[0]
    for axis, name in zip(axes, present, strict=True):
        axis.set_title(ARCHITECTURES.get(name, plain(name)), fontsize=9)
    figure.suptitle(_title(rows[0]), fontsize=9)
    return figure, dict(zip(present, axes, strict=True))


def _band(
    axis: Axes, x: npt.NDArray[np.float64], values: npt.NDArray[np.float64], style: str, row: Row, label: str | None
) -> None:
    """Mean over seeds, and the range between the extremes of the seeds."""
    colour, marker, _ = look(row.strategy)
    axis.plot(x, values.mean(0), style, color=colour, marker=marker, ms=3.5, lw=1.2, label=label)
    if len(values) > 1:
        axis.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.15, lw=0)


def _legend(figure: Figure, axes: dict[str, Axes], note: str) -> None:
    """One legend for all panels, below them."""
    named = {
        label: handle for axis in axes.values() for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        named.values(), named.keys(), loc="outside lower center", ncols=len(named), frameon=False, fontsize=7,
        title=note, title_fontsize=7,
    )  # fmt: skip


def epsilon(task: str, rows: Sequence[Row], folder: Path) -> None:
    """Draw PSNR against the perturbation's relative norm, attack (solid) and random noise of equal norm (dashed)."""
    figure, axes = _panels(rows)
    attack = shown_columns(rows[0])["adversarial"].attack
    for group in _grouped(rows).values():
        for name, style in ((attack, "-"), ("gaussian", "--")):
            listed = [c for c in group[0].values["network"] if c.attack == name]
            at = {c: group[0].budgets[c._replace(attack="gaussian")]["rho"] for c in listed}
            ordered = [CLEAN, *sorted(listed, key=at.__getitem__)]
            x = np.array([0.0, *(at[c] for c in ordered[1:])])
            values = np.array([[row.mean(c) for c in ordered] for row in group])
            first, label = group[0], _name(group[0]) if style == "-" else None
            for axis in axes.values() if first.external else [axes[first.architecture]]:
                _band(axis, x, values, style, first, label)
    for axis in axes.values():
        axis.set_xlabel(r"norm of the perturbation, $\rho = \|\delta\| / \|y\|$")
    _legend(figure, axes, "solid: attack, dashed: random noise of equal norm")
    next(iter(axes.values())).set_ylabel("PSNR (dB)")
    save_both(figure, folder, f"epsilon-{task}")


def iterations(task: str, rows: Sequence[Row], trained: int, folder: Path) -> None:
    """Draw the error after every iteration; with shared weights, iterate k is the output of a network with K = k."""
    figure, axes = _panels(rows)
    for group in _grouped(rows).values():
        counts = sorted(c.iterations for c in group[0].values["network"] if c.iterations is not None)
        values = np.array([[row.mean(Key(iterations=k), "nmse") for k in counts] for row in group])
        _band(axes[group[0].architecture], np.array(counts), values, "-", group[0], _name(group[0]))
    for axis in axes.values():
        axis.axvline(trained, color="0.6", lw=0.8, ls=":")
        axis.set(xlabel="iteration k (dotted: K in training)", yscale="log")
    _legend(figure, axes, "mean and range over seeds")
    next(iter(axes.values())).set_ylabel("normalised squared error of $x_k$")
    save_both(figure, folder, f"iterations-{task}")


def sigma(task: str, rows: Sequence[Row], baseline: Sequence[Row], folder: Path) -> None:
    """Draw PSNR against each strategy's level on the test data; horizontal lines: MSE."""
    groups = _levelled(rows)
    order = list(LEVELS)
    found = [strategy for architecture, strategy in groups if architecture == BASELINE[0]]
    shown = sorted(found, key=lambda s: (order.index(s) if s in order else len(order), s))
    if not shown:
        return
    figure = Figure(figsize=(3.4 * len(shown), 3.6), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    styles = {"in-distribution": "-", "adversarial": "--", "out-of-distribution": ":"}
    there = shown_columns(rows[0])
    conditions = {there[column]: (column, style) for column, style in styles.items() if column in there}
    for axis, strategy in zip(axes, shown, strict=True):
        group = sorted(groups[BASELINE[0], strategy], key=lambda row: next(iter(row.level.values())))
        x = [next(iter(row.level.values())) for row in group]
        colour, marker, name = look(strategy)
        for condition, (column, style) in conditions.items():
            axis.plot(x, [r.mean(condition) for r in group], style, color=colour, marker=marker, ms=4, label=column)
            if baseline:
                axis.axhline(np.mean([r.mean(condition) for r in baseline]), color="0.5", lw=0.8, ls=style)
        axis.set(
            xscale="log",
            xlabel=LEVELS.get(strategy, "level in training"),
        )
        axis.set_xticks(x, [f"{value:g}" for value in x])
        axis.minorticks_off()
        axis.set_title(name, fontsize=9)
        axis.legend(frameon=False, fontsize=7, handlelength=4)
    axes[0].set_ylabel(f"PSNR (dB); grey: {NAMES[BASELINE]}")
    figure.suptitle(_title(rows[0]), fontsize=9)
    save_both(figure, folder, f"sigma-{task}")


def points(name: str, columns: Mapping[str, Key], found: Sequence[Line], folder: Path, file: str) -> None:
    """Draw the PSNR of every line in every column: a small marker per seed, a large one for the mean.

    Parameters
    ----------
    name
        Title of the figure.
    columns
        Condition of every column by its title.
    found
        Lines of a table; those that do not measure a condition are left out there.
    folder
        Folder where the figure is written.
    file
        Name of its files, without a suffix.
    """
    figure = Figure(figsize=(max(4.8, 1.6 * len(columns) + 2), 4.2), layout="constrained")
    axis = figure.subplots()
    width = 0.7 / len(found)
    for number, line in enumerate(found):
        at = [(x, key) for x, key in enumerate(columns.values()) if line.measures(key)]
        marker = "osv^D<>Pp*hX"[number % 12]
        place = np.array([x for x, _ in at]) + (number - (len(found) - 1) / 2) * width
        (drawn,) = axis.plot(place, [line.cell(key, "psnr")[0] for _, key in at], marker, ms=7, label=plain(line.name))
        for row in line.rows:
            axis.plot(place, [row.mean(key) for _, key in at], marker, color=drawn.get_color(), ms=3, alpha=0.45)
    axis.set_xticks(range(len(columns)), [plain(title) for title in columns])
    axis.set_ylabel("PSNR (dB)")
    axis.set_title(plain(name), fontsize=9)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=7)
    save_both(figure, folder, file)
