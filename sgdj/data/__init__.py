"""Data sets, and the batches made from them."""

from sgdj.data.batch import Batch, Image, Problem, measure, pose
from sgdj.data.source import ImageSet, Source

__all__ = ["Batch", "Image", "ImageSet", "Problem", "Source", "measure", "pose"]
