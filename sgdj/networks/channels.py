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


def channels_last(x: Tensor) -> Tensor:
    """View (B, H, W, C) as (B, C, H, W) in the channels-last format, in which convolutions are faster."""
    return x.permute(0, 3, 1, 2)


def to_channels(x: Tensor) -> Tensor:
    """Turn complex images (B, C, H, W) into real ones (B, 2C, H, W), real parts first; real images keep their channels.

    With C = 1 it is a view in the channels-last format: nothing is copied.
    """
    if x.shape[1] != 1:
        return torch.cat([x.real, x.imag], dim=1) if x.is_complex() else x
    image = x[:, 0]
    return channels_last(torch.view_as_real(image) if x.is_complex() else image[..., None])


def from_channels(x: Tensor, like: Tensor) -> Tensor:
    """Invert `to_channels`: return a real or complex image, as `like` is."""
    if not like.is_complex():
        return x
    pairs = x.to(like.real.dtype).unflatten(1, (2, -1)).movedim(1, -1)  # half precision has no complex form
    return torch.view_as_complex(pairs.contiguous())
