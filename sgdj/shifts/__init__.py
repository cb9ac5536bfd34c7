"""Distribution shifts: changes of the problem before it is measured."""

from sgdj.shifts.base import Shift
from sgdj.shifts.contrast import Contrast
from sgdj.shifts.detail import Detail
from sgdj.shifts.geometry import Geometry
from sgdj.shifts.layers import Layers
from sgdj.shifts.lesion import Lesion
from sgdj.shifts.noise_colour import NoiseColour
from sgdj.shifts.noise_level import NoiseLevel
from sgdj.shifts.phase import Phase
from sgdj.shifts.random_detail import RandomDetail
from sgdj.shifts.sampling import Sampling
from sgdj.shifts.text import Text
from sgdj.shifts.texture import Texture
from sgdj.shifts.wavelet import Wavelet
from sgdj.shifts.white import White

__all__ = [
    "Contrast",
    "Detail",
    "Geometry",
    "Layers",
    "Lesion",
    "NoiseColour",
    "NoiseLevel",
    "Phase",
    "RandomDetail",
    "Sampling",
    "Shift",
    "Text",
    "Texture",
    "Wavelet",
    "White",
]
