"""Training strategies: the risks that a network is trained on."""

from sgdj.strategies.adversarial import Adversarial
from sgdj.strategies.base import Strategy
from sgdj.strategies.firmly_nonexpansive import FirmlyNonexpansive
from sgdj.strategies.input_jitter import InputJitter
from sgdj.strategies.jacobian_penalty import JacobianPenalty
from sgdj.strategies.jitter import Jitter
from sgdj.strategies.jitter_adversarial import JitterAdversarial
from sgdj.strategies.mixed import Mixed
from sgdj.strategies.mse import MSE
from sgdj.strategies.self_supervised import SelfSupervised
from sgdj.strategies.sharpness_aware import SharpnessAware
from sgdj.strategies.smoothed_unrolling import SmoothedUnrolling
from sgdj.strategies.smoothing import Smoothing

__all__ = [
    "MSE",
    "Adversarial",
    "FirmlyNonexpansive",
    "InputJitter",
    "JacobianPenalty",
    "Jitter",
    "JitterAdversarial",
    "Mixed",
    "SelfSupervised",
    "SharpnessAware",
    "SmoothedUnrolling",
    "Smoothing",
    "Strategy",
]
