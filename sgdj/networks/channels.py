"""Convert complex images to real channels and back; only CNNs need them."""

import torch
from torch import Tensor

from sgdj.errors import SettingError


def check_groups(features: int, groups: int) -> None:
    """Check that the features can be normalised in groups.

    Parameters
    ----------
    features
        Number of feature channels of a layer.
    groups
        Number of groups of its GroupNorm.

    Raises
    ------
    SettingError
        If `features` is not a multiple of `groups`.
    """
    if features % groups:
        what = f"{features} features cannot be divided into {groups} groups"
        raise SettingError("features", what, f"use a multiple of {groups}")


def to_channels(x: Tensor) -> Tensor:
    """Turn complex images (B, C, H, W) into real ones (B, 2C, H, W), real part first; real images pass unchanged."""
    return torch.cat([x.real, x.imag], dim=1) if x.is_complex() else x


def from_channels(x: Tensor, like: Tensor) -> Tensor:
    """Invert `to_channels`: return a real or complex image, as `like` is."""
    if not like.is_complex():
        return x
    real, imag = x.to(like.real.dtype).chunk(2, dim=1)  # half precision has no complex form
    return torch.complex(real, imag)
