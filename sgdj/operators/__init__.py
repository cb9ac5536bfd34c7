"""Forward operators, and the acquisition protocols that choose them."""

from sgdj.operators.acquisition import (
    Acquisition,
    CartesianAcquisition,
    ConvolutionAcquisition,
    IdentityAcquisition,
)
from sgdj.operators.base import Operator
from sgdj.operators.convolution import Convolution
from sgdj.operators.fourier import CartesianFourier
from sgdj.operators.identity import Identity

__all__ = [
    "Acquisition",
    "CartesianAcquisition",
    "CartesianFourier",
    "Convolution",
    "ConvolutionAcquisition",
    "Identity",
    "IdentityAcquisition",
    "Operator",
]
