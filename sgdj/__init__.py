"""Robust training and honest evaluation of unrolled reconstruction networks."""

__version__ = "0.1.0"
