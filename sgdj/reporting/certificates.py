"""Draw what is certified of a network, and the directions in which it is fragile."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table
from torch import Tensor

from sgdj.metrics.image import to_real
from sgdj.metrics.volumes import volume_mean
from sgdj.reporting.style import COLOURS, save_both
from sgdj.runtime.text import printable

#: A curve: PSNR in dB at every ρ of the axis.
Curve = Sequence[float]


class Floors(NamedTuple):
    """Means over volumes by budget, for one network.

    Parameters
    ----------
    rho
        Norms ρ = ‖δ‖ / ‖y‖, ascending.
    noise, attack, floor
        PSNR in dB under random noise, under Auto-PGD, and that no perturbation of the norm goes below.
    bracket
        L ε over the increase of the error that Auto-PGD reached.
    """

    rho: Curve
    noise: Curve
    attack: Curve
    floor: Curve
    bracket: Curve


def averaged(rows: Sequence[Mapping[str, str | float]]) -> Floors:
    """Average the rows of ``certificate.csv`` over volumes, by budget."""
    groups: dict[float, list[Mapping[str, str | float]]] = defaultdict(list)
    for row in rows:
        groups[float(row["factor"])].append(row)
    names = ("rho", "noise_psnr", "attack_psnr", "floor_psnr", "bracket")
    return Floors(
        *(
            [volume_mean((str(row["volume"]), float(row[name])) for row in groups[factor]) for factor in sorted(groups)]
            for name in names
        )
    )


def floor_figure(found: Floors, clean: float, start: float, note: str, folder: Path) -> None:
    """Draw the certified floor, the attack and random noise of equal norm in one picture.

    Parameters
    ----------
    found
        Means by budget.
    clean
        PSNR in dB of the network, without a perturbation.
    start
        PSNR in dB of the starting point, without a perturbation.
    note
        What the network is, and its constant.
    folder
        Folder where ``certificate.png`` and ``certificate.pdf`` are written.
    """
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    rho = [0.0, *found.rho]
    noise, attack, floor = ([clean, *curve] for curve in (found.noise, found.attack, found.floor))
    axes.plot(rho, noise, "--^", color=COLOURS["third"], ms=4, label="random noise")
    axes.plot(rho, attack, "-s", color=COLOURS["second"], ms=4, label="Auto-PGD")
    axes.plot(rho, floor, "-o", color=COLOURS["first"], ms=4, label="certified floor")
    axes.fill_between(rho, floor, attack, color="0.5", alpha=0.15, lw=0, label="neither proof nor attack")
    bottom = min(floor) - 1
    axes.fill_between(rho, bottom, floor, color=COLOURS["first"], alpha=0.12, lw=0, label="proved out of reach")
    axes.axhline(start, color="0.4", lw=0.8, ls=":", label="starting point, no perturbation")
    axes.set(xlabel=r"norm of the perturbation, $\rho = \|\delta\| / \|y\|$", ylabel="PSNR (dB)", ylim=(bottom, None))
    axes.set_title(note, fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    save_both(figure, folder, "certificate")


def floor_table(found: Floors, title: str) -> Table:
    """Tabulate noise, attack, floor and bracket by the norm of the perturbation, for the terminal."""
    made = Table(title=printable(title), title_justify="left")
    for name in ("‖δ‖/‖y‖", "random noise (dB)", "Auto-PGD (dB)", "certified floor (dB)", "bracket of increases"):
        made.add_column(name, justify="right")
    for rho, *psnr, bracket in zip(*found, strict=True):
        made.add_row(f"{rho:.4f}", *(f"{value:.2f}" for value in psnr), f"{bracket:.2f}")
    return made


def fragile_directions(
    values: Sequence[float], images: Sequence[Tensor], responses: Sequence[Tensor], note: str, folder: Path
) -> None:
    """Draw the leading right singular vectors v of the Jacobian as images Aᴴv, above what they do to x̂.

    Parameters
    ----------
    values
        Singular values σ, the largest first.
    images
        Image Aᴴv of every direction, shape (C, H, W); complex ones are shown by magnitude.
    responses
        Change J v / σ of the reconstruction, in the same shapes.
    note
        Sample whose Jacobian it is.
    folder
        Folder where ``fragile-directions.png`` and ``.pdf`` are written.
    """
    figure = Figure(figsize=(2.7 * len(values), 5.2), layout="constrained")
    axes = figure.subplots(2, len(values), squeeze=False)
    for column, (value, *pair) in enumerate(zip(values, images, responses, strict=True)):
        titles = (rf"$\sigma$ = {value:.3f}: $A^Hv$", r"$J v / \sigma$")
        for axis, tensor, title in zip(axes[:, column], pair, titles, strict=True):
            image = to_real(tensor)[0].cpu().numpy()
            axis.set_title(title, fontsize=9)
            if image.shape[1] == 1:
                axis.plot(image[:, 0], color=COLOURS["first"], lw=1)
                continue
            top = float(np.abs(image).max()) or 1.0
            low, colours = (0.0, "gray") if tensor.is_complex() else (-top, "seismic")
            axis.imshow(image, cmap=colours, vmin=low, vmax=top, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
    figure.suptitle(note, fontsize=10)
    save_both(figure, folder, "fragile-directions")
