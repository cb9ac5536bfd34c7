"""The scale of noise that is put into an image."""

import math
from typing import Literal

import torch
from torch import Tensor

NoiseScale = Literal["relative", "absolute", "upstream"]


def deviation(sigma: float | Tensor, scale: NoiseScale, z: Tensor, constant: bool = True) -> Tensor | float:
    r"""Return the standard deviation of noise per real entry.

    Parameters
    ----------
    sigma
        Noise level σ, a number, or one for each sample of shape (B, 1, 1, 1).
    scale
        Rule of the scale: "relative": :math:`\sigma \max_j |z_j|` of each sample; "absolute":
        :math:`\sigma / \sqrt n`, n the real entries of a sample; "upstream": :math:`\sigma \max z`, the signed maximum
        over the whole batch and both parts of a complex image, which carries gradient (the authors' code).
    z
        Image that the noise is added to, shape (B, C, H, W).
    constant
        Whether a relative scale counts as a constant in derivatives, as in training.

    Returns
    -------
    Tensor or float
        Standard deviation, a number or of shape (B, 1, 1, 1).
    """
    if scale == "absolute":
        entries = z[0].numel() * (2 if z.is_complex() else 1)
        return sigma / math.sqrt(entries)
    if scale == "relative":
        return sigma * (z.detach() if constant else z).abs().amax(dim=(1, 2, 3), keepdim=True)
    return sigma * (torch.view_as_real(z) if z.is_complex() else z).max()
