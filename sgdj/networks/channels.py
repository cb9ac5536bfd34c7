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


def channels_last(x: Tensor) -> Tensor:
    """(B, H, W, C) as (B, C, H, W), a view in the channels-last format, in which convolutions are faster."""
    return x.permute(0, 3, 1, 2)


def to_channels(x: Tensor) -> Tensor:
    """(B, C, H, W) complex to (B, 2C, H, W) real, real parts first; a real image keeps its channels.

    With C = 1 it is a view in the channels-last format: nothing is copied.
    """
    if x.shape[1] != 1:
        return torch.cat([x.real, x.imag], dim=1) if x.is_complex() else x
    image = x[:, 0]
    return channels_last(torch.view_as_real(image) if x.is_complex() else image[..., None])


def from_channels(x: Tensor, like: Tensor) -> Tensor:
    """Inverse of `to_channels`, to the kind of number that `like` holds."""
    if not like.is_complex():
        return x
    pairs = x.to(like.real.dtype).unflatten(1, (2, -1)).movedim(1, -1)  # half precision has no complex form
    return torch.view_as_complex(pairs.contiguous())
