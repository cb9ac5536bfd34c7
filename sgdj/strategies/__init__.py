"""Training strategies: the risks that a network is trained on."""

from sgdj.strategies.adversarial import Adversarial
from sgdj.strategies.base import Strategy
from sgdj.strategies.input_jitter import InputJitter
from sgdj.strategies.jitter import Jitter
from sgdj.strategies.mse import MSE

__all__ = ["MSE", "Adversarial", "InputJitter", "Jitter", "Strategy"]
