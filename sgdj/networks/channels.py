"""Complex images as real channels; needed inside a CNN only."""

import torch
from torch import Tensor

from sgdj.errors import SettingError


def check_groups(features: int, groups: int) -> None:
    """Whether features can be normalised in groups.

    Raises
    ------
    SettingError
        If they cannot be divided into them.
    """
    if features % groups:
        what = f"{features} features cannot be divided into {groups} groups"
        raise SettingError("features", what, f"use a multiple of {groups}")


def to_channels(x: Tensor) -> Tensor:
    """(B, C, H, W) complex to (B, 2C, H, W) real, real part first; a real image passes unchanged."""
    return torch.cat([x.real, x.imag], dim=1) if x.is_complex() else x


def from_channels(x: Tensor, like: Tensor) -> Tensor:
    """Inverse of `to_channels`, to the kind of number that `like` holds."""
    if not like.is_complex():
        return x
    real, imag = x.to(like.real.dtype).chunk(2, dim=1)  # half precision has no complex form
    return torch.complex(real, imag)
