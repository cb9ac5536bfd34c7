"""Robust training and honest evaluation of unrolled reconstruction networks.

The public names below are imported on first use, so that the command line can check its input before torch loads.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "sgdj.operators": (
        "CartesianFourier",
        "Convolution",
        "Identity",
        "LongConvolution",
        "MultiCoil",
        "Operator",
        "PointFourier",
    ),
    "sgdj.networks": (
        "DnCNN",
        "GradientDescent",
        "LearnedPart",
        "Nonexpansive",
        "ProximalGradient",
        "Reconstructor",
        "SeismicCNN",
        "StartingPoint",
        "StepSize",
    ),
    "sgdj.networks.bridges": (
        "DeepInverseModel",
        "DeepInverseReconstructor",
        "LinearOperator",
        "OperatorPhysics",
        "PhysicsOperator",
    ),
    "sgdj.strategies": ("MSE", "Adversarial", "InputJitter", "Jitter", "Strategy"),
    "sgdj.attacks": ("APGD", "PGD", "SPSA", "Attack", "Gaussian", "WorstOf"),
    "sgdj.attacks.transfer": ("Transfer",),
    "sgdj.audit.report": ("audit_network",),
    "sgdj.certificates.certificate": ("Certificate", "certify_network"),
    "sgdj.config.settings": ("Audit", "Evaluation", "Settings"),
    "sgdj.data": ("Batch", "ImageSet", "Source"),
    "sgdj.data.fastmri": ("FastMRISource",),
    "sgdj.data.images": ("ImageSource",),
    "sgdj.data.layered": ("LayeredSource",),
    "sgdj.data.multi_coil": ("MultiCoilSource",),
    "sgdj.data.multi_coil_phantom": ("MultiCoilPhantomSource",),
    "sgdj.data.patches": ("PatchSource",),
    "sgdj.data.phantom": ("PhantomSource",),
    "sgdj.data.points": ("PointSource",),
    "sgdj.data.section": ("SectionSource",),
    "sgdj.data.spikes": ("SpikeSource",),
    "sgdj.data.subspace": ("SubspaceSource",),
    "sgdj.runtime.draws": ("Draws",),
    "sgdj.evaluation.evaluate": ("Condition", "evaluate"),
    "sgdj.metrics.image": ("sample_metrics",),
    "sgdj.runs.network": ("Trained", "load"),
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'sgdj' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
