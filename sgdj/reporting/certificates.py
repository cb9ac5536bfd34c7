"""Draw what is certified of a network, and the directions in which it is fragile."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sgdj.reporting.style import COLOURS, save_both
from sgdj.runtime.arrays import Array

#: A curve: PSNR in dB at every ρ of the axis.
Curve = Sequence[float]


def floor_figure(
    rho: Sequence[float], floor: Curve, attack: Curve, noise: Curve, start: float, note: str, folder: Path
) -> None:
    """Draw the certified floor, the attack and random noise of equal norm in one picture.

    Parameters
    ----------
    rho
        Norms ρ = ‖δ‖ / ‖y‖, ascending, the first of them 0.
    floor
        PSNR in dB that no perturbation goes below.
    attack
        PSNR in dB under Auto-PGD.
    noise
        PSNR in dB under random noise of the same norm.
    start
        PSNR in dB of the starting point, without a perturbation.
    note
        What the network is, and its constant.
    folder
        Folder where ``certificate.png`` and ``certificate.pdf`` are written.
    """
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(rho, noise, "--^", color=COLOURS["third"], ms=4, label="random noise")
    axes.plot(rho, attack, "-s", color=COLOURS["second"], ms=4, label="Auto-PGD")
    axes.plot(rho, floor, "-o", color=COLOURS["first"], ms=4, label="certified floor")
    axes.fill_between(rho, floor, attack, color="0.5", alpha=0.15, lw=0, label="neither proof nor attack")
    bottom = min(floor)
    axes.fill_between(rho, bottom - 1, floor, color=COLOURS["first"], alpha=0.12, lw=0, label="proved out of reach")
    axes.axhline(start, color="0.4", lw=0.8, ls=":", label="starting point, no perturbation")
    axes.set(
        xlabel=r"norm of the perturbation, $\rho = \|\delta\| / \|y\|$", ylabel="PSNR (dB)", ylim=(bottom - 1, None)
    )
    axes.set_title(note, fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    save_both(figure, folder, "certificate")


def fragile_directions(
    values: Sequence[float], images: Sequence[Array], responses: Sequence[Array], note: str, folder: Path
) -> None:
    """Draw the leading right singular vectors v of the Jacobian as images Aᴴv, above what they do to x̂.

    Parameters
    ----------
    values
        Singular values σ, the largest first.
    images
        Image Aᴴv of every direction, real, shape (H, W), or (n, 1) for a signal.
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
        for axis, image, title in zip(axes[:, column], pair, titles, strict=True):
            axis.set_title(title, fontsize=9)
            if image.shape[1] == 1:
                axis.plot(image[:, 0], color=COLOURS["first"], lw=1)
                continue
            top = float(np.abs(image).max()) or 1.0
            axis.imshow(image, cmap="seismic", vmin=-top, vmax=top, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
    figure.suptitle(note, fontsize=10)
    save_both(figure, folder, "fragile-directions")
