"""Distribution shifts."""

from sgdj.shifts.base import Shift
from sgdj.shifts.detail import Detail
from sgdj.shifts.lesion import Lesion
from sgdj.shifts.noise_level import NoiseLevel
from sgdj.shifts.random_detail import RandomDetail

__all__ = ["Detail", "Lesion", "NoiseLevel", "RandomDetail", "Shift"]
