"""Perturbations of the measurement."""

from sgdj.attacks.base import Attack
from sgdj.attacks.gaussian import Gaussian
from sgdj.attacks.pgd import PGD

__all__ = ["PGD", "Attack", "Gaussian"]
