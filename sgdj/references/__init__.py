"""Classical references: reconstructors without training, ``reconstructor=sgdj.references:TotalVariation``."""

from sgdj.references.tikhonov import Tikhonov
from sgdj.references.total_variation import TotalVariation
from sgdj.references.wavelet import WaveletL1

__all__ = ["Tikhonov", "TotalVariation", "WaveletL1"]
