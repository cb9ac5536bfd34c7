"""Compute image metrics, one value per sample.

References are scaled so that the data range is 1 (see `Image`); nothing is clamped. Complex images are compared by
magnitude, real ones with their sign.
"""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

DEFINITIONS = {
    "psnr": "torchmetrics peak_signal_noise_ratio, per sample, data_range=1, no clamping; magnitude if complex",
    "ssim": "torchmetrics structural_similarity_index_measure, per sample, Gaussian window, data_range=1; "
    "magnitude if complex; empty where the image is smaller than the window",
    "nmse": "||x - x_hat||^2 / ||x||^2 per sample; complex difference if complex",
    "loss": "mean |x - x_hat|^2 over the entries of a sample; complex difference if complex; what attacks maximise",
    "local_psnr": "like psnr, over the structure that a shift drew and 2 pixels around it",
    "fastmri_psnr": "fastmri.evaluate.psnr per volume: data_range = volume maximum, mean error over the volume",
    "fastmri_ssim": "fastmri.evaluate.ssim per volume: uniform 7x7, data_range = volume maximum, mean over slices",
    "fastmri_nmse": "fastmri.evaluate.nmse per volume, of magnitudes",
    "mean, std": "mean over samples within a volume, then mean and standard deviation (n - 1) over volumes",
}
SSIM_WINDOW = 11
FASTMRI_WINDOW = 7  # side of the window of fastMRI's SSIM, in pixels
REGION_MARGIN = 2


def definitions(part: str, clamp: bool, clamp_reference: bool = False) -> dict[str, str]:
    """Describe each metric of a summary in words, under the settings of `sample_metrics`."""
    clamped = " and ".join(["reconstruction"] * clamp + ["reference"] * clamp_reference)
    changed = dict(DEFINITIONS)
    for name in ("psnr", "ssim"):
        if part == "real":
            changed[name] = changed[name].replace("magnitude if complex", "real part if complex")
        if clamped:
            changed[name] = changed[name].replace("no clamping", "") + f"; {clamped} clamped to [0, 1]"
    return changed


def squared_error(reconstruction: Tensor, reference: Tensor) -> Tensor:
    """Compute the mean of |x̂ - x|² over the entries of each sample.

    Parameters
    ----------
    reconstruction
        Reconstruction x̂, shape (B, ...), real or complex.
    reference
        Reference x, of the same shape.

    Returns
    -------
    Tensor
        Mean squared error of each sample, shape (B,), real.
    """
    difference = reconstruction - reference
    if difference.is_complex():
        difference = torch.view_as_real(difference)
        return difference.square().sum(-1).flatten(1).mean(1)
    return difference.square().flatten(1).mean(1)


Part = Literal["magnitude", "real"]


def to_real(x: Tensor, part: Part = "magnitude") -> Tensor:
    """Return the magnitude or the real part of a complex image; a real one as it is."""
    if not x.is_complex():
        return x
    return x.abs() if part == "magnitude" else x.real


def sample_metrics(
    reconstruction: Tensor,
    reference: Tensor,
    part: Part = "magnitude",
    clamp: bool = False,
    clamp_reference: bool = False,
) -> dict[str, list[float]]:
    """Compute PSNR (dB), SSIM, NMSE and loss of each sample; see `DEFINITIONS`.

    Parameters
    ----------
    reconstruction
        Reconstruction x̂, shape (B, C, H, W), real or complex.
    reference
        Reference x, of the same shape.
    part
        What PSNR and SSIM compare of complex images: "magnitude" or "real" (the authors' code).
    clamp
        Whether to clamp the reconstruction to [0, 1] for PSNR and SSIM (the authors' code).
    clamp_reference
        Whether to clamp the reference in the same way (the authors' code for MRI). Where it has values outside [0, 1]
        and only the reconstruction is clamped, a perfect reconstruction has a finite PSNR.

    Returns
    -------
    dict
        One value per sample, by the metric's name.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    loss = squared_error(reconstruction, reference)
    energy = squared_error(reference, torch.zeros_like(reference))
    estimate, target = to_real(reconstruction, part), to_real(reference, part)
    estimate = estimate.clamp(0, 1) if clamp else estimate
    target = target.clamp(0, 1) if clamp_reference else target
    psnr = peak_signal_noise_ratio(estimate, target, data_range=1.0, reduction="none", dim=(1, 2, 3))
    if min(target.shape[-2:]) >= SSIM_WINDOW:
        ssim = structural_similarity_index_measure(estimate, target, data_range=1.0, reduction="none")
        ssim_values = torch.as_tensor(ssim).reshape(-1).tolist()
    else:
        ssim_values = [math.nan] * len(target)
    return {
        "psnr": psnr.tolist(),
        "ssim": ssim_values,
        "nmse": torch.where(energy > 0, loss / energy, torch.nan).tolist(),  # nothing to be relative to: left out
        "loss": loss.tolist(),
    }


def local_psnr(reconstruction: Tensor, reference: Tensor, region: Tensor, part: Part = "magnitude") -> list[float]:
    """Compute the PSNR (dB, data range 1) of each sample in and around a region.

    Parameters
    ----------
    reconstruction
        Reconstruction x̂, shape (B, 1, H, W), real or complex.
    reference
        Reference x, of the same shape.
    region
        Boolean, shape (B, 1, H, W); it is widened by `REGION_MARGIN` pixels.
    part
        What is compared of complex images: "magnitude" or "real".

    Returns
    -------
    list of float
        One PSNR per sample, NaN where the region is empty.
    """
    side = 2 * REGION_MARGIN + 1
    near = max_pool2d(region.float(), side, stride=1, padding=REGION_MARGIN)
    error = (to_real(reconstruction, part) - to_real(reference, part)).square() * near
    return (-10 * torch.log10(error.flatten(1).sum(1) / near.flatten(1).sum(1))).tolist()


_Magnitudes = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def fastmri_metrics(reconstruction: _Magnitudes, reference: _Magnitudes) -> dict[str, float]:
    """Compute fastMRI's own metrics of one volume.

    Parameters
    ----------
    reconstruction
        Magnitudes of the reconstruction, shape (S, H, W).
    reference
        Magnitudes of the reference, shape (S, H, W).

    Returns
    -------
    dict
        One value for the volume, by the metric's name; PSNR in dB.
    """
    from fastmri.evaluate import nmse, psnr, ssim

    return {
        "fastmri_psnr": float(psnr(reference, reconstruction)),
        "fastmri_ssim": float(ssim(reference, reconstruction).item()),
        "fastmri_nmse": float(nmse(reference, reconstruction).item()),
    }
