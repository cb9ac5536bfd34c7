"""Defences: what is done around a trained network at test."""

from sgdj.defences.averaging import Averaging
from sgdj.defences.base import Defence
from sgdj.defences.cyclic import CyclicConsistency
from sgdj.defences.smoothed import SmoothedIterations

__all__ = ["Averaging", "CyclicConsistency", "Defence", "SmoothedIterations"]
