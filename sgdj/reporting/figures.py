"""Figures of a single run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sgdj.evaluation import Panel
from sgdj.metrics import to_real
from sgdj.reconstruction import Outcome
from sgdj.reporting.style import COLOURS, save

mpl.use("Agg")


def training_curve(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Loss and validation PSNR by epoch."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    left = figure.add_subplot()
    epochs = [row["epoch"] + 1 for row in rows]
    left.semilogy(epochs, [row["train_loss"] for row in rows], color=COLOURS["first"], marker="o", ms=3)
    left.set(xlabel="epoch")
    left.set_ylabel("training loss", color=COLOURS["first"])
    right = left.twinx()
    right.plot(epochs, [row["val_psnr"] for row in rows], color=COLOURS["second"], marker="s", ms=3)
    right.set_ylabel("validation PSNR (dB)", color=COLOURS["second"])
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    save(figure, path)


def curve_points(summary: dict[str, Any], reconstructor: str, attack: str) -> list[tuple[float, float, float]]:
    """Points (ρ, mean PSNR, standard deviation over volumes) of an attack, from ρ = 0; ρ = ‖δ‖ / ‖y‖ on average."""
    points = []
    for name, entry in summary[reconstructor].items():
        if name == "clean" or name == attack or name.startswith(f"{attack}-x"):
            psnr = entry["psnr"]
            rho = 0.0 if name == "clean" else entry["delta_norm"]["mean"] / entry["y_norm"]["mean"]
            points.append((rho, psnr["mean"], psnr["std"] or 0.0))
    return sorted(points)


def robustness_curve(summary: dict[str, Any], attacks: Sequence[str], path: Path) -> None:
    """PSNR against the relative norm of the perturbation, worst case and random."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    lines = {"network": "-", "zero_filled": "--"}
    for index, attack in enumerate(attacks):
        colour = COLOURS["second" if index else "first"]
        for reconstructor, line in lines.items():
            points = curve_points(summary, reconstructor, attack)
            label = f"{reconstructor.replace('_', ' ')}, {'random noise' if attack == 'gaussian' else attack}"
            rho, mean, _ = zip(*points, strict=True)
            axes.plot(rho, mean, line, color=colour, marker="o", ms=3, label=label)
    axes.set(xlabel=r"perturbation norm $\rho = \|\delta\| / \|y\|$", ylabel="PSNR (dB)")
    axes.legend(frameon=False, fontsize="small")
    save(figure, path)


def _show(axes: Any, image: np.ndarray, title: str, signed: bool, window: float) -> None:
    low = -window if signed else 0.0
    shown = axes.imshow(image, cmap="seismic" if signed else "gray", vmin=low, vmax=window, interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.figure.colorbar(shown, ax=axes, shrink=0.7, pad=0.02).ax.tick_params(labelsize=7)


def reconstruction_panel(panel: Panel, path: Path) -> None:
    """Reference, starting point, reconstruction, error and perturbation of one sample.

    Images share one window, the reference's range; the error has a fixed window of a quarter of it, stated on its
    colour bar. The perturbation is shown as Aᴴδ, in its own window.
    """
    signed = not panel.reference.is_complex()

    def real(x: torch.Tensor) -> np.ndarray:
        return to_real(x)[0].float().numpy()

    reference, start, reconstruction = map(real, (panel.reference, panel.start, panel.reconstruction))
    error = np.abs(reconstruction - reference)
    top = float(np.abs(reference).max())
    delta = to_real(panel.delta)[0].float().numpy()
    attacked = bool(np.any(delta))
    if reference.shape[1] == 1:
        _signal_panel(panel, reference, start, reconstruction, path)
        return
    height, width = reference.shape
    count = 4 + attacked
    figure = Figure(figsize=(2.6 * count, 0.6 + 2.2 * min(height / width, 2)), layout="constrained")
    axes = figure.subplots(1, count)
    _show(axes[0], reference, "reference", signed, top)
    _show(axes[1], start, f"starting point $x_0$, {_psnr(start, reference):.2f} dB", signed, top)
    _show(axes[2], reconstruction, f"network, {_psnr(reconstruction, reference):.2f} dB", signed, top)
    _show(axes[3], error, "|error| of the network", False, top / 4)
    if attacked:
        _show(axes[4], delta, r"perturbation $A^H\delta$", signed, float(np.abs(delta).max()))
    figure.suptitle(f"{panel.condition}: {panel.sample}", fontsize=10)
    save(figure, path)


def file_panel(outcome: Outcome, name: str, path: Path) -> None:
    """Starting point and reconstruction of a file's middle image, with reference and error where there is one."""
    images = [("starting point $x_0$", outcome.start), ("reconstruction", outcome.reconstruction)]
    reference = outcome.reference
    if reference is not None:
        images.insert(0, ("reference", reference))
    signed = any(float(image.min()) < 0 for _, image in images)
    top = float(np.abs(images[0][1] if reference is not None else outcome.reconstruction).max())
    count = len(images) + (reference is not None)
    height, width = outcome.reconstruction.shape
    figure = Figure(figsize=(2.8 * count, 0.6 + 2.4 * min(height / width, 2)), layout="constrained")
    axes = figure.subplots(1, count)
    for axis, (title, image) in zip(axes, images, strict=False):
        _show(axis, image, title, signed, top)
    if reference is not None:
        _show(axes[-1], np.abs(outcome.reconstruction - reference), "|error|", False, top / 4)
    figure.suptitle(name, fontsize=10)
    save(figure, path)


def _signal_panel(panel: Panel, reference: np.ndarray, start: np.ndarray, estimate: np.ndarray, path: Path) -> None:
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(start[:, 0], ".", color="0.6", label=f"measurement, {_psnr(start, reference):.2f} dB")
    axes.plot(reference[:, 0], color="black", lw=1, label="reference")
    label = f"network, {_psnr(estimate, reference):.2f} dB"
    axes.plot(estimate[:, 0], color=COLOURS["first"], lw=1, label=label)
    axes.set(xlabel="entry", ylabel="value", title=f"{panel.condition}: {panel.sample}")
    axes.legend(frameon=False, fontsize="small")
    save(figure, path)


def _psnr(estimate: np.ndarray, reference: np.ndarray) -> float:
    return float(-10 * np.log10(max(np.mean((estimate - reference) ** 2), 1e-20)))
