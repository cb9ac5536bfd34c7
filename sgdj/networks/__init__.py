"""Reconstruction networks and their learned parts."""

from sgdj.networks.base import LearnedPart, Perturb, Reconstructor
from sgdj.networks.black_box import BlackBox
from sgdj.networks.deep_equilibrium import DeepEquilibrium
from sgdj.networks.dncnn import DnCNN
from sgdj.networks.linear import Linear
from sgdj.networks.mlp import MLP
from sgdj.networks.nonexpansive import Nonexpansive
from sgdj.networks.regularised import ADMM, HalfQuadratic, MoDL, Regularised
from sgdj.networks.seismic_cnn import SeismicCNN
from sgdj.networks.starting_point import StartingPoint
from sgdj.networks.step import StepSize
from sgdj.networks.unet import UNet
from sgdj.networks.unrolled import GradientDescent, ProximalGradient, Unrolled
from sgdj.networks.varnet import VarNet

__all__ = [
    "ADMM",
    "MLP",
    "BlackBox",
    "DeepEquilibrium",
    "DnCNN",
    "GradientDescent",
    "HalfQuadratic",
    "LearnedPart",
    "Linear",
    "MoDL",
    "Nonexpansive",
    "Perturb",
    "ProximalGradient",
    "Reconstructor",
    "Regularised",
    "SeismicCNN",
    "StartingPoint",
    "StepSize",
    "UNet",
    "Unrolled",
    "VarNet",
]
