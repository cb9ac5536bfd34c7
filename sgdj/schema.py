"""The configuration's schema: one dataclass per option, checked without importing torch.

Types and ranges live here and nowhere else. Every node with a `_target_` is checked against the dataclass registered
for that target; a test holds the dataclasses to the signatures of the classes they describe.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1, le=10**9)]  # a square of it is still a number of bytes
Share = Annotated[float, Field(gt=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Text = Annotated[str, Field(min_length=1)]
Support = Literal["measured", "full"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


@dataclass(config=STRICT)
class IdentityAcquisition:
    name: Name
    noise: NonNegative


@dataclass(config=STRICT)
class ConvolutionAcquisition:
    name: Name
    noise: NonNegative
    length: Count
    width: Positive
    phase: float


@dataclass(config=STRICT)
class CartesianAcquisition:
    name: Name
    noise: NonNegative
    mask: Literal["gaussian", "random", "equispaced"]
    acceleration: Annotated[float, Field(ge=1)]
    center_fraction: Share
    axis: Literal["columns", "rows"]
    masks: Literal["fixed", "per_volume"]
    mask_adjoint: bool
    noise_support: Support


@dataclass(config=STRICT)
class Samples:
    train: Count
    val: Count
    test: Count


@dataclass(config=STRICT)
class Volumes:
    train: Count | None
    val: Count | None
    test: Count | None


@dataclass(config=STRICT)
class Fractions:
    train: Fraction
    val: Fraction
    test: Fraction


@dataclass(config=STRICT)
class SubspaceSource:
    name: Name
    directory: Text
    seed: Seed
    size: Count
    dimension: Count
    samples: Samples
    max_gib: Positive | None


@dataclass(config=STRICT)
class LayeredSource:
    name: Name
    directory: Text
    seed: Seed
    height: Annotated[int, Field(ge=11)]
    width: Annotated[int, Field(ge=11)]
    samples: Samples
    max_gib: Positive | None


@dataclass(config=STRICT)
class PhantomSource:
    name: Name
    directory: Text
    seed: Seed
    size: Annotated[int, Field(ge=16)]
    slices: Count
    volumes: Samples
    reference: Literal["complex", "magnitude"]
    cache_gib: NonNegative
    max_gib: Positive | None


@dataclass(config=STRICT)
class FastMRISource:
    name: Name
    root: Text
    seed: Seed
    crop: Annotated[int, Field(ge=11)] | None
    slice_offsets: list[int] | None
    reference: Literal["complex", "magnitude"]
    partition: Literal["auto", "folder", "volume", "none"]
    volumes: Volumes
    cache_gib: NonNegative
    max_gib: Positive | None


@dataclass(config=STRICT)
class SectionSource:
    name: Name
    path: Text
    seed: Seed
    quantity: Literal["velocity", "impedance", "reflectivity"]
    key: Text | None
    panel: Annotated[list[Annotated[int, Field(ge=11)]], Field(min_length=2, max_length=2)]
    stride: Count
    fractions: Fractions
    gap: Annotated[int, Field(ge=0)]
    max_gib: Positive | None


@dataclass(config=STRICT)
class ImageSource:
    name: Name
    path: Text
    seed: Seed
    kind: Literal["real", "magnitude"]
    crop: Annotated[int, Field(ge=11)] | None
    partition: Literal["volume", "none"]
    volumes: Volumes
    max_gib: Positive | None


@dataclass(config=STRICT)
class PointSource:
    name: Name
    directory: Text
    seed: Seed
    size: Literal[2]
    samples: Samples
    max_gib: Positive | None


@dataclass(config=STRICT)
class PatchSource:
    name: Name
    directory: Text
    seed: Seed
    size: Annotated[int, Field(ge=11, le=128)]
    samples: Samples
    max_gib: Positive | None


@dataclass(config=STRICT)
class Step:
    rule: Literal["exp", "sigmoid"]
    scale: Positive
    initial: float
    learned: bool


@dataclass(config=STRICT)
class Unrolled:
    name: Name
    learned: dict
    step: dict
    iterations: Count
    start: Literal["adjoint", "measurement"]
    checkpointing: bool


@dataclass(config=STRICT)
class ProximalGradient(Unrolled):
    noise_step: Literal["step", "exp"]


@dataclass(config=STRICT)
class DnCNN:
    channels: Count
    layers: Annotated[int, Field(ge=3)]
    features: Count
    groups: Count
    residual: bool


@dataclass(config=STRICT)
class SeismicCNN:
    features: Count
    groups: Count
    residual: bool


@dataclass(config=STRICT)
class Linear:
    size: Count
    residual: bool


@dataclass(config=STRICT)
class MLP:
    size: Count
    layers: Count
    features: Count
    residual: bool


@dataclass(config=STRICT)
class MSE:
    name: Name


@dataclass(config=STRICT)
class InputJitter:
    name: Name
    sigma: NonNegative
    support: Support


@dataclass(config=STRICT)
class Jitter:
    name: Name
    sigma: NonNegative
    noise_scale: Literal["relative", "absolute", "upstream"]
    last_iteration: bool
    validation: bool


@dataclass(config=STRICT)
class Adversarial:
    name: Name
    attack: dict


@dataclass(config=STRICT)
class Gaussian:
    name: Name
    epsilon: NonNegative | None
    rho: NonNegative | None
    support: Support
    norm: Literal["l2", "linf"]


@dataclass(config=STRICT)
class APGD(Gaussian):
    steps: Count
    restarts: Count
    random_start: bool
    goal: Literal["squared_error", "magnitude_error", "region_error", "output_change"]
    average: Count


@dataclass(config=STRICT)
class PGD(APGD):
    step_size: Positive
    keep: Literal["best", "last"]


@dataclass(config=STRICT)
class SPSA(APGD):
    directions: Count
    width: Positive


@dataclass(config=STRICT)
class Detail:
    row: Fraction
    column: Fraction
    height: Count
    width: Count
    contrast: float
    mode: Literal["brighten", "set", "parts"]


@dataclass(config=STRICT)
class RandomDetail:
    count: Count
    length: Count
    contrast: float
    mode: Literal["brighten", "set", "parts"]


@dataclass(config=STRICT)
class Lesion:
    radius: Annotated[float, Field(gt=0, le=0.5)]
    contrast: Fraction
    texture: NonNegative


@dataclass(config=STRICT)
class Sampling:
    acceleration: Annotated[float, Field(ge=1)] | None
    center_fraction: Share | None
    mask: Literal["gaussian", "random", "equispaced"] | None
    axis: Literal["columns", "rows"] | None
    told: bool


@dataclass(config=STRICT)
class Wavelet:
    width: Positive | None
    phase: float
    told: bool


@dataclass(config=STRICT)
class NoiseColour:
    exponent: Annotated[float, Field(ge=-4, le=4)]
    axis: Literal[-1, -2]


@dataclass(config=STRICT)
class Geometry:
    angle: float
    zoom: Positive


@dataclass(config=STRICT)
class Layers:
    thickness: Positive


@dataclass(config=STRICT)
class Contrast:
    gamma: Positive


@dataclass(config=STRICT)
class Phase:
    strength: NonNegative


@dataclass(config=STRICT)
class Texture:
    period: Positive
    size: Share
    contrast: float


@dataclass(config=STRICT)
class Words:
    text: Text
    height: Annotated[int, Field(ge=4)]
    contrast: float


@dataclass(config=STRICT)
class NoiseLevel:
    factor: NonNegative


@dataclass(config=STRICT)
class Trainer:
    lr: Positive
    batch_size: Count
    optimizer: Literal["adam", "adamw"]
    schedule: Literal["constant", "cosine"]
    clip_norm: Positive | None
    patience: Count | None
    workers: Annotated[int, Field(ge=0, le=256)]
    devices: Count
    deterministic: bool
    threads: Annotated[int, Field(ge=1, le=1024)] | None
    reuse_memory: bool
    keep: Count


@dataclass(config=STRICT)
class Logger:
    mode: Literal["offline", "online", "disabled"]
    project: Text
    panels: Annotated[int, Field(ge=0)]
    private: bool


@dataclass(config=STRICT)
class Evaluation:
    batch_size: Count
    max_samples: Count | None
    split: Literal["test", "val", "train"]
    curve: list[NonNegative]
    iterations: list[Count]
    shift_levels: dict[Name, list[float]]
    sweep: Literal["warm", "independent"]
    panels: Annotated[int, Field(ge=0)]
    part: Literal["magnitude", "real"]
    clamp01_prediction: bool
    drop_last: bool
    fresh_noise: Literal["none", "shifts", "all"]


@dataclass(config=STRICT)
class Audit:
    samples: Count
    steps: Annotated[int, Field(ge=5)]
    random_draws: Count
    light: bool


@dataclass(config=STRICT)
class Root:
    task: Text
    scale: Text
    mode: Literal["train", "evaluate", "reconstruct", "audit", "verify", "tune"]
    sigma: NonNegative | None
    seed: Seed
    epochs: Count
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")]
    precision: Literal["32", "bf16"]
    checkpoint: Text | None
    reconstructor: Text | None
    input: Text | None
    output: Text | None
    run_dir: Text | None
    output_dir: Text
    resume: bool
    force: bool
    plugins: list[Text]
    operator: dict
    dataset: dict
    architecture: dict
    strategy: dict
    attack: dict
    shift: dict
    trainer: Trainer
    logger: Logger
    evaluation: Evaluation
    audit: Audit


@dataclass(config=STRICT)
class Transfer(Gaussian):
    source: Text
    steps: Count
    restarts: Count


@dataclass(config=STRICT)
class WorstOf(Gaussian):
    attacks: dict


_ATTACKS: dict[str, type] = {
    "sgdj.attacks.PGD": PGD,
    "sgdj.attacks.APGD": APGD,
    "sgdj.attacks.SPSA": SPSA,
    "sgdj.attacks.Gaussian": Gaussian,
}

#: Nodes with a `_target_`: dotted key of the node (with * for any name), the base class it
#: must derive from, and the shipped options.
TARGETS: dict[str, tuple[str, dict[str, type]]] = {
    "operator": (
        "sgdj.operators.Acquisition",
        {
            "sgdj.operators.IdentityAcquisition": IdentityAcquisition,
            "sgdj.operators.ConvolutionAcquisition": ConvolutionAcquisition,
            "sgdj.operators.CartesianAcquisition": CartesianAcquisition,
        },
    ),
    "dataset": (
        "sgdj.data.Source",
        {
            "sgdj.data.subspace.SubspaceSource": SubspaceSource,
            "sgdj.data.points.PointSource": PointSource,
            "sgdj.data.layered.LayeredSource": LayeredSource,
            "sgdj.data.phantom.PhantomSource": PhantomSource,
            "sgdj.data.fastmri.FastMRISource": FastMRISource,
            "sgdj.data.section.SectionSource": SectionSource,
            "sgdj.data.images.ImageSource": ImageSource,
            "sgdj.data.patches.PatchSource": PatchSource,
        },
    ),
    "architecture": (
        "sgdj.networks.Reconstructor",
        {"sgdj.networks.GradientDescent": Unrolled, "sgdj.networks.ProximalGradient": ProximalGradient},
    ),
    "architecture.learned": (
        "sgdj.networks.LearnedPart",
        {
            "sgdj.networks.DnCNN": DnCNN,
            "sgdj.networks.SeismicCNN": SeismicCNN,
            "sgdj.networks.Linear": Linear,
            "sgdj.networks.MLP": MLP,
        },
    ),
    "architecture.step": ("sgdj.networks.StepSize", {"sgdj.networks.StepSize": Step}),
    "strategy": (
        "sgdj.strategies.Strategy",
        {
            "sgdj.strategies.MSE": MSE,
            "sgdj.strategies.InputJitter": InputJitter,
            "sgdj.strategies.Jitter": Jitter,
            "sgdj.strategies.Adversarial": Adversarial,
        },
    ),
    "strategy.attack": (
        "sgdj.attacks.Attack",
        _ATTACKS,
    ),
    "attack": (
        "sgdj.attacks.Attack",
        _ATTACKS | {"sgdj.attacks.WorstOf": WorstOf, "sgdj.attacks.transfer.Transfer": Transfer},
    ),
    "attack.attacks.*": ("sgdj.attacks.Attack", _ATTACKS | {"sgdj.attacks.transfer.Transfer": Transfer}),
    "shift.*": (
        "sgdj.shifts.Shift",
        {
            "sgdj.shifts.Detail": Detail,
            "sgdj.shifts.RandomDetail": RandomDetail,
            "sgdj.shifts.Lesion": Lesion,
            "sgdj.shifts.NoiseLevel": NoiseLevel,
            "sgdj.shifts.Sampling": Sampling,
            "sgdj.shifts.Wavelet": Wavelet,
            "sgdj.shifts.NoiseColour": NoiseColour,
            "sgdj.shifts.Geometry": Geometry,
            "sgdj.shifts.Contrast": Contrast,
            "sgdj.shifts.Layers": Layers,
            "sgdj.shifts.Phase": Phase,
            "sgdj.shifts.Texture": Texture,
            "sgdj.shifts.Text": Words,
        },
    ),
}
