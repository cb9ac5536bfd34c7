"""Draw the figures of a single run."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from sgdj.evaluation.evaluate import Panel
from sgdj.metrics.image import to_real
from sgdj.reporting.curves import METRICS, Point
from sgdj.reporting.style import COLOURS, save, save_both
from sgdj.runtime.arrays import Array
from sgdj.runtime.contents import Metrics
from sgdj.runtime.text import label

mpl.use("Agg")


def training_curve(rows: Sequence[Metrics], path: Path) -> None:
    """Draw loss and validation PSNR by epoch."""
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


NORM = r"norm of the perturbation, $\rho = \|\delta\| / \|y\|$"

#: Line style, marker, colour and label of a curve's points.
Look = Callable[[Point], tuple[str, str, str, str]]


def by_curve(found: Sequence[Point]) -> Look:
    """Choose a colour for each curve, and a line style for each reconstructor."""
    names = list(dict.fromkeys(p.curve for p in found))
    palette = dict(zip(names, islice(cycle(COLOURS.values()), len(names)), strict=True))

    def look(point: Point) -> tuple[str, str, str, str]:
        style, marker = {"network": ("-", "o")}.get(point.reconstructor, ("--", "s"))
        curve = {"gaussian": "random noise"}.get(point.curve, point.curve) if len(names) > 1 else ""
        text = ", ".join(part for part in (point.reconstructor.replace("_", " "), curve) if part)
        return style, marker, palette[point.curve], label(text)

    return look


def curves(found: Sequence[Point], label: str, look: Look, note: str, folder: Path, name: str) -> None:
    """Draw curves over one common axis, a panel for each metric: mean and 95 % band over volumes.

    Parameters
    ----------
    found
        Points of all curves.
    label
        Label of the horizontal axis.
    look
        Function that chooses line style, marker, colour and label of each curve.
    note
        Remark above the legend.
    folder
        Folder where PNG and PDF are written.
    name
        Name of both files, without suffix.
    """
    metrics = [metric for metric in METRICS if any(p.metric == metric for p in found)]
    figure = Figure(figsize=(4 * len(metrics), 3.8), layout="constrained")
    axes = dict(zip(metrics, figure.subplots(1, len(metrics), squeeze=False)[0], strict=True))
    groups: dict[tuple[str, str, str], list[Point]] = defaultdict(list)
    for point in found:
        groups[point.reconstructor, point.curve, point.metric].append(point)
    for (*_, metric), line in groups.items():
        style, marker, colour, text = look(line[0])
        x = [p.x for p in line]
        axes[metric].plot(x, [p.mean for p in line], style, color=colour, marker=marker, ms=3, lw=1.2, label=text)
        axes[metric].fill_between(x, [p.low for p in line], [p.high for p in line], color=colour, alpha=0.12, lw=0)
    for metric, axis in axes.items():
        axis.set(xlabel=label, ylabel=METRICS[metric])
    handles, labels = axes[metrics[0]].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8, title=note, title_fontsize=8
    )
    save_both(figure, folder, name)


def _show(axes: Axes, image: Array, title: str, signed: bool, window: float) -> None:
    low = -window if signed else 0.0
    shown = axes.imshow(image, cmap="seismic" if signed else "gray", vmin=low, vmax=window, interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.figure.colorbar(shown, ax=axes, shrink=0.7, pad=0.02).ax.tick_params(labelsize=7)


_ERROR_SHARE = 4  # the error's window is the reference's range divided by this
_ZOOM = 1.8  # side of the zoomed square, in sides of the drawn structure
_SMALLEST_ZOOM = 16


def _zoomed(region: Array, shape: tuple[int, ...]) -> "tuple[slice[int, int, None], slice[int, int, None]] | None":
    """Return a square around a drawn structure, or None if that is most of the image."""
    rows, columns = (np.flatnonzero(region.any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    side = max(_SMALLEST_ZOOM, round(_ZOOM * max(np.ptp(rows), np.ptp(columns)) + 1))
    if side >= 0.7 * min(shape):
        return None
    starts = [
        int(np.clip((line[0] + line[-1] + 1 - side) // 2, 0, size - side))
        for line, size in zip((rows, columns), shape, strict=True)
    ]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)


def reconstruction_panel(panel: Panel, path: Path) -> None:
    """Draw reference, starting point, reconstruction and error of one sample; the attack's δ; a drawn structure.

    Images share one window, the reference's range; the error has a fixed window of a quarter of it, stated in its
    title. A perturbation is shown as Aᴴδ and in the measurement domain (k-space: log |δ|, zero frequency in the
    middle), each in its own window. Where a shift drew something small, a second row shows it enlarged.
    """
    signed = not panel.reference.is_complex()

    def real(x: torch.Tensor) -> Array:
        return to_real(x)[0].float().numpy()

    reference, start, reconstruction = map(real, (panel.reference, panel.start, panel.reconstruction))
    if reference.shape[1] == 1:
        _signal_panel(panel, reference, start, reconstruction, path)
        return
    top = float(np.abs(reference).max())
    error = np.abs(reconstruction - reference)
    images: list[tuple[Array, str, bool, float]] = [
        (reference, "reference", signed, top),
        (start, f"starting point $x_0$, {_psnr(start, reference):.2f} dB", signed, top),
        (reconstruction, f"network, {_psnr(reconstruction, reference):.2f} dB", signed, top),
        (error, f"|error| of the network, 0 to {top / _ERROR_SHARE:.2g}", False, top / _ERROR_SHARE),
    ]
    zoom = None if panel.region is None else _zoomed(panel.region[0].numpy(), reference.shape)
    enlarged = [] if zoom is None else [(image[zoom], "", low, high) for image, _, low, high in images]
    if bool(panel.delta.abs().any()):
        back = real(panel.back)
        images.append((back, r"perturbation $A^H\delta$", signed, float(np.abs(back).max())))
        images.append(_measured(panel.delta))
    height, width = reference.shape
    across, down = len(images), 2 if enlarged else 1
    tall = 2.2 * min(height / width, 2) + (2.2 if enlarged else 0)
    figure = Figure(figsize=(2.6 * across, 0.6 + tall), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False)
    for axis, image in zip(axes[0], images, strict=True):
        _show(axis, *image)
    if zoom is not None:
        for axis, image in zip(axes[1], enlarged, strict=False):
            _show(axis, *image)
        axes[1, 0].set_ylabel("the drawn structure", fontsize=9)
        for axis in axes[0]:
            side = zoom[0].stop - zoom[0].start
            corner = (zoom[1].start - 0.5, zoom[0].start - 0.5)
            axis.add_patch(Rectangle(corner, side, side, fill=False, color=COLOURS["second"], lw=0.8))
    figure.suptitle(label(f"{panel.condition}: {panel.sample}"), fontsize=10)
    save(figure, path)


def _measured(delta: torch.Tensor) -> tuple[Array, str, bool, float]:
    """Show δ in the measurement domain: k-space on a logarithmic scale of three decades, anything else unchanged."""
    values = delta[0]
    if not values.is_complex():
        shown = values.float().numpy()
        return shown, r"perturbation $\delta$, as measured", True, float(np.abs(shown).max())
    shown = np.log10(values.abs().float().numpy() / float(values.abs().max()) + 1e-3) + 3
    return shown, r"$\log_{10} |\delta|$ in k-space (its maximum at 3)", False, 3.0


def file_panel(start: Array, reconstruction: Array, reference: Array | None, name: str, path: Path) -> None:
    """Draw starting point and reconstruction of a file's middle image, with reference and error where there is one."""
    images = [("starting point $x_0$", start), ("reconstruction", reconstruction)]
    if reference is not None:
        images.insert(0, ("reference", reference))
    signed = any(float(image.min()) < 0 for _, image in images)
    top = float(np.abs(images[0][1] if reference is not None else reconstruction).max())
    count = len(images) + (reference is not None)
    height, width = reconstruction.shape
    figure = Figure(figsize=(2.8 * count, 0.6 + 2.4 * min(height / width, 2)), layout="constrained")
    axes = figure.subplots(1, count)
    for axis, (title, image) in zip(axes, images, strict=False):
        _show(axis, image, title, signed, top)
    if reference is not None:
        _show(axes[-1], np.abs(reconstruction - reference), "|error|", False, top / 4)
    figure.suptitle(label(name), fontsize=10)
    save(figure, path)


def _signal_panel(panel: Panel, reference: Array, start: Array, estimate: Array, path: Path) -> None:
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(start[:, 0], ".", color="0.6", label=f"measurement, {_psnr(start, reference):.2f} dB")
    axes.plot(reference[:, 0], color="black", lw=1, label="reference")
    text = f"network, {_psnr(estimate, reference):.2f} dB"
    axes.plot(estimate[:, 0], color=COLOURS["first"], lw=1, label=text)
    axes.set(xlabel="entry", ylabel="value", title=label(f"{panel.condition}: {panel.sample}"))
    axes.legend(frameon=False, fontsize="small")
    save(figure, path)


def _psnr(estimate: Array, reference: Array) -> float:
    return float(-10 * np.log10(max(np.mean((estimate - reference) ** 2), 1e-20)))
