"""Attacks: perturbations of the measurement, after it was made."""

from sgdj.attacks.apgd import APGD
from sgdj.attacks.base import Attack
from sgdj.attacks.gaussian import Gaussian
from sgdj.attacks.pgd import PGD
from sgdj.attacks.spsa import SPSA
from sgdj.attacks.worst_of import WorstOf

__all__ = ["APGD", "PGD", "SPSA", "Attack", "Gaussian", "WorstOf"]
