# ruff: noqa: F401
"""Imported by the process that `tests.program` forks from: everything that takes time to import.

A process that is forked must have no threads but one, or a lock that another thread held stays locked in the child.
Importing starts none, as long as OpenBLAS is asked for one thread; a parallel region would start OpenMP's.
"""

import gc
from pathlib import Path

import h5py
import hydra._internal.hydra
import lightning.pytorch
import matplotlib.backends.backend_agg
import matplotlib.backends.backend_pdf
import PIL.Image
import scipy.ndimage
import scipy.signal
import scipy.stats
import torchmetrics.functional.image

import sgdj.modes.audit
import sgdj.modes.cli
import sgdj.modes.evaluate
import sgdj.modes.reconstruct
import sgdj.modes.sweep
import sgdj.modes.train
import sgdj.modes.verify
import sgdj.study.campaign
import sgdj.study.report
import sgdj.training.fit
import tests.drawing

gc.collect()
gc.freeze()  # no collection in a child then touches, and so copies, these pages
if len(list(Path("/proc/self/task").iterdir())) != 1:
    raise RuntimeError("an import has started a thread: this process cannot be forked safely")
