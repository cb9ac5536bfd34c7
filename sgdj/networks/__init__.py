"""Reconstruction networks and their learned parts."""

from sgdj.networks.base import LearnedPart, Perturb, Reconstructor
from sgdj.networks.dncnn import DnCNN
from sgdj.networks.linear import Linear
from sgdj.networks.mlp import MLP
from sgdj.networks.nonexpansive import Nonexpansive
from sgdj.networks.seismic_cnn import SeismicCNN
from sgdj.networks.starting_point import StartingPoint
from sgdj.networks.step import StepSize
from sgdj.networks.unrolled import GradientDescent, ProximalGradient, Unrolled

__all__ = [
    "MLP",
    "DnCNN",
    "GradientDescent",
    "LearnedPart",
    "Linear",
    "Nonexpansive",
    "Perturb",
    "ProximalGradient",
    "Reconstructor",
    "SeismicCNN",
    "StartingPoint",
    "StepSize",
    "Unrolled",
]
