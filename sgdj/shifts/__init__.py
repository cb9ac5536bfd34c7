"""Distribution shifts."""

from sgdj.shifts.base import Shift
from sgdj.shifts.detail import Detail
from sgdj.shifts.noise_level import NoiseLevel

__all__ = ["Detail", "NoiseLevel", "Shift"]
