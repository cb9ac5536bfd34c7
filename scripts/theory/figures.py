"""Draw the figures of the theory laboratory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sgdj.reporting.style import COLOURS, save_both
from sgdj.study.paper import LOOKS

mpl.use("Agg")


def gains(
    curves: dict[str, Any], worst: Sequence[dict[str, Any]], jitter: Sequence[dict[str, Any]], path: Path
) -> None:
    """Draw learned numbers (markers, ± standard error) on the exact curves: over ε for α, over σ for the gains H."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(curves["share"], curves["alpha"], color="black", lw=1)
    for key in ("adversarial", "input_jitter"):
        colour, marker, name = LOOKS[key]
        values = [(row["share"], *row[key]) for row in worst]
        left.errorbar(*zip(*values, strict=True), fmt=marker, color=colour, ms=5, mfc="none", label=f"{name}, learned")
    left.set(xlabel=r"$\varepsilon^2 / \sigma_c^2$ (input jitter: its equivalent level)", ylabel=r"gain $\alpha$")
    left.legend(frameon=False, fontsize=8, title="lines: exact", title_fontsize=8, loc="best")
    x = [row["v"] for row in jitter]
    for part, colour, marker in (("on", COLOURS["first"], "D"), ("off", COLOURS["fourth"], "v")):
        right.plot(curves["v"], curves[f"H_{part}"], color=colour, lw=1)
        means, errors = zip(*(row[f"learned_H_{part}"] for row in jitter), strict=True)
        label = f"SGD jittering, {part} the subspace, learned"
        right.errorbar(x, means, errors, fmt=marker, color=colour, ms=5, mfc="none", label=label)
    right.set(xlabel="jitter variance v per entry", ylabel="gain H")
    right.set_xscale("symlog", linthresh=0.01)
    right.legend(frameon=False, fontsize=8, title="lines: exact", title_fontsize=8, loc="best")
    save_both(figure, path.parent, path.name)


def thresholds(curves: dict[str, Any], points: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw exact thresholds over jitter variance; triangles: Monte Carlo, filled where jitter has the lower risk."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, key, label in zip(
        axes, ("s", "g"), (r"extra noise variance $s$", r"variance $g$ of an unseen signal"), strict=True
    ):
        axis.plot(curves["v"], curves[key], color="black", lw=1.2, label=f"threshold ${key}^*$")
        for wins, face in ((True, COLOURS["first"]), (False, "none")):
            chosen = [p for p in points if p["kind"] == key and (p["difference"] < 0) == wins]
            name = "jitter better" if wins else "MSE better"
            x, y = [p["v"] for p in chosen], [p["level"] for p in chosen]
            axis.plot(x, y, "^" if wins else "v", color=COLOURS["first"], mfc=face, ms=7, label=f"Monte Carlo: {name}")
        axis.set(xscale="log", yscale="log", xlabel="jitter variance v in training", ylabel=label)
        axis.legend(frameon=False, fontsize=8, loc="center right" if key == "g" else "upper left")
    axes[0].set_title("on the subspace: robustness (Thm 7.5)", fontsize=9)
    axes[1].set_title("off the subspace: generalisation (Thm 7.4)", fontsize=9)
    save_both(figure, path.parent, path.name)


def rate(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the mean squared gradient against K, for a shrinking and for a fixed step."""
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    counts = np.array([row["K"] for row in rows])
    axes.loglog(counts, [row["shrinking"] for row in rows], "o-", color=COLOURS["first"], label=r"$\eta = 1/\sqrt{K}$")
    axes.loglog(counts, [row["fixed"] for row in rows], "s--", color=COLOURS["second"], label=r"$\eta = 0.3$")
    reference = rows[0]["shrinking"] * np.sqrt(counts[0] / counts)
    axes.loglog(counts, reference, ":", color="0.4", label=r"slope of $1/\sqrt{K}$")
    axes.set(xlabel="iterations K", ylabel="mean squared gradient per entry")
    axes.legend(frameon=False, fontsize=8)
    save_both(figure, path.parent, path.name)


def plane(panels: Sequence[dict[str, Any]], curve: np.ndarray, path: Path) -> None:
    """Draw one panel per strategy: learned field −f(x), trajectories from measurements, and the effect of an attack.

    Each panel holds ``strategy``, ``grid`` and ``field`` of shape (m, 2), ``paths`` of shape (K+1, points, 2), and
    ``attacked`` of shape (points, 2), the outputs under attack.
    """
    figure = Figure(figsize=(3.5 * len(panels), 4.6), layout="constrained")
    for axis, panel in zip(figure.subplots(1, len(panels), sharey=True), panels, strict=True):
        colour, _, name = LOOKS[panel["strategy"]]
        axis.plot(*curve.T, color="0.75", lw=3, zorder=0)
        axis.quiver(*panel["grid"].T, *panel["field"].T, color="0.45", width=0.003, angles="xy")
        for i in range(panel["paths"].shape[1]):
            walk = panel["paths"][:, i]
            axis.plot(*walk.T, color=colour, lw=1)
            axis.plot(*walk[0], "o", color="black", ms=3)
            axis.plot(*walk[-1], "o", color=colour, ms=4)
            axis.annotate("", panel["attacked"][i], walk[-1], arrowprops={"arrowstyle": "->", "color": "#D55E00"})
        axis.set_title(f"{name}\nclean {panel['clean']:.2f} dB, attacked {panel['pgd']:.2f} dB", fontsize=9)
        axis.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), xlabel="$x_1$", aspect="equal")
    figure.axes[0].set_ylabel("$x_2$")
    figure.supxlabel(
        "learned field −f(x) (arrows), iterates from a measurement (black) to the output (coloured), "
        "and the output under attack (orange)", fontsize=9
    )  # fmt: skip
    save_both(figure, path.parent, path.name)
