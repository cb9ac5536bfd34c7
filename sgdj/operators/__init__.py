"""Forward operators, and the acquisition protocols that choose them."""

from sgdj.operators.acquisition import (
    Acquired,
    Acquisition,
    CartesianAcquisition,
    ConvolutionAcquisition,
    IdentityAcquisition,
    MultiCoilAcquisition,
)
from sgdj.operators.base import Operator
from sgdj.operators.convolution import Convolution
from sgdj.operators.fourier import CartesianFourier
from sgdj.operators.identity import Identity
from sgdj.operators.long_convolution import LongConvolution
from sgdj.operators.multi_coil import MultiCoil
from sgdj.operators.point_fourier import PointFourier

__all__ = [
    "Acquired",
    "Acquisition",
    "CartesianAcquisition",
    "CartesianFourier",
    "Convolution",
    "ConvolutionAcquisition",
    "Identity",
    "IdentityAcquisition",
    "LongConvolution",
    "MultiCoil",
    "MultiCoilAcquisition",
    "Operator",
    "PointFourier",
]
