"""What was validated is what travels: the settings of a run, typed and frozen."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from sgdj.config.nodes import get
from sgdj.config.types import STRICT, Count, Name, NonEmpty, NonNegative, NonNegativeInt, Positive, Seed
from sgdj.errors import InputError

T = TypeVar("T", int, float, str)


def _frozen(value: Any) -> Any:
    """Plain values that nobody can change."""
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(entry) for name, entry in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


@plain_dataclass(frozen=True)
class Node:
    """An object that is to be built, which has been tried out.

    Parameters
    ----------
    target
        Import path of its class; empty for one that is left out.
    name
        The option that it was chosen by; empty if it is nameless.
    settings
        Arguments of its constructor; inner objects are mappings with a `_target_`.
    """

    target: str
    name: str
    settings: Mapping[str, object]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """The node that a mapping of a configuration describes."""
        settings = {name: value for name, value in content.items() if name not in ("_target_", "name")}
        return cls(str(content.get("_target_", "")), str(content.get("name", "")), _frozen(settings))

    def get(self, key: str, kind: type[T]) -> T | None:
        """Look up the value under a dotted key.

        Parameters
        ----------
        key
            Name of a setting, with dots for those of inner objects and mappings.
        kind
            Type of the value; a whole number is a float as well.

        Returns
        -------
        int, float or str
            The value; None if there is none, or it is of another type.
        """
        found: object = self.settings
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if kind is float and isinstance(found, int):
            return kind(found)
        return found if isinstance(found, kind) else None


def _node(content: object) -> Node:
    if not isinstance(content, Mapping):
        raise ValueError("Input should be a mapping of settings")
    return Node.of(content)


Built = Annotated[Node, BeforeValidator(_node)]


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Trainer:
    """How a network is trained, whatever the strategy."""

    lr: Positive
    batch_size: Count
    optimizer: Literal["adam", "adamw"]
    schedule: Literal["constant", "cosine", "onecycle"]
    loss_average: Literal["entries", "channels"] = "entries"
    drop_last: bool = False
    images: Count | None = None
    weight_decay: NonNegative | None = None
    clip_norm: Positive | None
    patience: Count | None
    workers: Annotated[int, Field(ge=0, le=256)]
    devices: Count
    deterministic: bool = False
    threads: Annotated[int, Field(ge=1, le=1024)] | None
    reuse_memory: bool = True
    keep: Count


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Logger:
    """What is sent to, or recorded for, Weights & Biases."""

    mode: Literal["offline", "online", "disabled"]
    project: NonEmpty
    panels: NonNegativeInt
    private: bool = False


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Evaluation:
    """What is measured of a network, and how."""

    batch_size: Count
    max_samples: Count | None
    split: Literal["test", "val", "train"] = "test"
    curve: tuple[NonNegative, ...]
    pgd_steps: Count | None = None
    iterations: tuple[Count, ...] = ()
    shift_levels: Annotated[Mapping[Name, tuple[float | int, ...]], AfterValidator(_frozen)] = field(
        default_factory=dict
    )  # whole ones stay whole
    sweep: Literal["warm", "independent"] = "independent"
    panels: NonNegativeInt
    part: Literal["magnitude", "real"] = "magnitude"
    clamp01_prediction: bool = False
    clamp01_reference: bool = False
    drop_last: bool = False
    fresh_noise: Literal["none", "shifts", "all"] = "none"


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Audit:
    """How thoroughly a reconstructor is audited."""

    samples: Count
    steps: Annotated[int, Field(ge=5)]
    random_draws: Count
    light: bool = False


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Settings:
    """Every top-level key of a configuration that was checked; see ``conf/config.yaml``."""

    task: NonEmpty
    scale: NonEmpty
    mode: Literal["train", "evaluate", "reconstruct", "audit", "certify", "verify", "tune"]
    sigma: NonNegative | None = None
    seed: Seed
    epochs: Count
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")]
    precision: Literal["32", "bf16"]
    checkpoint: NonEmpty | None
    reconstructor: NonEmpty | None = None
    reconstructor_settings: Annotated[Mapping[Name, object], AfterValidator(_frozen)] = field(default_factory=dict)
    input: NonEmpty | None
    output: NonEmpty | None
    run_dir: NonEmpty | None
    output_dir: NonEmpty
    resume: bool
    force: bool
    plugins: tuple[NonEmpty, ...]
    operator: Built
    dataset: Built
    architecture: Built
    strategy: Built
    defence: Built | None = None
    attack: Built
    shift: Annotated[Mapping[str, Built], AfterValidator(MappingProxyType)]
    trainer: Trainer
    logger: Logger
    evaluation: Evaluation
    audit: Audit
    _plain: Mapping[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Type and freeze a composed configuration.

        Parameters
        ----------
        config
            The configuration in plain types, by top-level key.

        Returns
        -------
        Settings
            The same, which nobody can change.

        Raises
        ------
        pydantic.ValidationError
            If a key is missing, unknown or out of range.
        """
        settings: Self = TypeAdapter(cls).validate_json(json.dumps(config))
        object.__setattr__(settings, "_plain", deepcopy(config))
        return settings

    def plain(self) -> dict[str, Any]:
        """A copy in plain types, in the order and with the numbers that were composed: what is hashed and written."""
        return deepcopy(dict(self._plain))

    def changed(self, key: str, value: object) -> Self:
        """The same settings but for the value under a dotted key, which is not checked against the others."""
        config = self.plain()
        outer, _, name = key.rpartition(".")
        node = get(config, outer) if outer else config
        node[name] = value
        return self.of(config)

    @property
    def data_seed(self) -> int:
        """Seed of masks, noise and the random starts of attacks, whatever the training's."""
        seed = self.dataset.get("seed", int)
        if seed is None:
            raise InputError("the data set has no seed to draw masks and noise from", "dataset.seed", "give it one")
        return seed
