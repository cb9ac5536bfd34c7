"""The configuration of a trained network, with what an evaluation may change of it."""

import dataclasses
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from sgdj.composition import CONF, GROUPS, compose_config, withdrawn
from sgdj.errors import InputError, InputErrors
from sgdj.identity import YOUNGER
from sgdj.model_metadata import read_metadata
from sgdj.nodes import get, leaves
from sgdj.schema import TARGETS

#: What mode=evaluate may change of a trained network's configuration.
_EVALUATION_PARTS = (
    "operator", "dataset", "attack", "shift", "evaluation", "audit", "logger", "mode", "checkpoint", "input", "output",
    "run_dir", "output_dir",
    "device", "precision", "force", "resume", "plugins", "trainer.threads", "trainer.workers", "trainer.reuse_memory",
    "architecture.iterations", "scale", "experiment",
)  # fmt: skip

#: What is never taken over from the training.
_OF_THIS_RUN = (
    "mode", "checkpoint", "input", "output", "run_dir", "output_dir", "force", "resume", "plugins", "device",
    "precision",
)  # fmt: skip


def _has(config: dict[str, Any], key: str) -> bool:
    """Whether the class that a node names takes this setting."""
    parent, _, name = key.rpartition(".")
    if parent not in TARGETS:  # a node without a class, which every configuration has
        return True
    target = (get(config, parent) or {}).get("_target_")
    shipped = TARGETS[parent][1]
    return target in shipped and name in {f.name for f in dataclasses.fields(shipped[target])}


def is_ours(config: dict[str, Any]) -> bool:
    """Whether a checkpoint of this project gives the configuration."""
    return isinstance(config.get("checkpoint"), str) and config.get("reconstructor") is None


def _put(config: dict[str, Any], key: str, value: Any) -> None:
    """Set the value under a dotted key."""
    *parents, last = key.split(".")
    for part in parents:
        config = config.setdefault(part, {})
    config[last] = value


def _saved_config(path: Path) -> dict[str, Any]:
    """The configuration in a safetensors file, or beside a folder of checkpoints, completed by younger keys."""
    if path.suffix == ".safetensors":
        saved = read_metadata(path)["config"]
    else:
        saved = _config_beside(path.resolve().parent.parent / "config.yaml")
    flat = dict(leaves(saved))
    for key, value in YOUNGER.items():
        if key not in flat and get(saved, key) is None and _has(saved, key):
            _put(saved, key, value)
    return saved


def _config_beside(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError("no config.yaml beside the checkpoints", str(path), "keep the run directory whole")
    try:
        saved: Any = OmegaConf.to_container(OmegaConf.load(path))
        return dict(saved)
    except Exception as error:
        raise InputError("the configuration cannot be read", str(path), "restore the file") from error


def _is_part(key: str) -> bool:
    return any(key == part or key.startswith(f"{part}.") for part in _EVALUATION_PARTS)


def _refuse(saved: dict[str, Any], given: dict[str, Override]) -> None:
    """Refuse what would make another network of it."""
    mistakes = [
        InputError("an evaluation cannot change this of a trained network", key, "train another one, or leave it out")
        for key, override in given.items()
        if not (key.startswith("hydra") or _is_part(key) or (key == "task" and override.value() == saved.get("task")))
    ]
    if mistakes:
        raise InputErrors(mistakes)


def _fresh(saved: dict[str, Any], given: dict[str, Override]) -> dict[str, Any]:
    """What the command line alone composes, for the task of the trained network."""
    scale = given["scale"].value() if "scale" in given else saved["scale"]
    overrides = [f"task={saved['task']}", f"scale={scale}"]
    for key, override in given.items():
        line = (override.input_line or "").lstrip("+")
        if key in GROUPS and key not in ("scale", "task"):
            overrides.append(f"+{line}" if key == "experiment" else line)
        elif key not in GROUPS and "hydra" not in key:
            overrides.append(f"++{key}={override.get_value_element_as_str()}")
    return compose_config(overrides)


def _take_experiment(saved: dict[str, Any], fresh: dict[str, Any], name: str) -> None:
    """Put in what an experiment says about evaluation."""
    experiment: Any = OmegaConf.to_container(OmegaConf.load(CONF / "experiment" / f"{name}.yaml"))
    overridden = [key for entry in get(experiment, "defaults") or [] if isinstance(entry, dict) for key in entry]
    for group in ("attack", "shift"):
        if f"override /{group}" in overridden:
            saved[group] = fresh[group]
    for key, _ in leaves(experiment):
        if _is_part(key):
            _put(saved, key, get(fresh, key))


def from_checkpoint(config: dict[str, Any], given: dict[str, Override]) -> dict[str, Any]:
    """The trained network's configuration, with the evaluation parts of the command line put in.

    Raises
    ------
    InputError
        If the checkpoint or its configuration cannot be read.
    InputErrors
        If the command line would change the network.
    """
    path = Path(config["checkpoint"])
    if not path.is_file():
        raise InputError(f"no such file: {path}", "checkpoint", "give RUN_DIR/checkpoints/best.ckpt")
    saved = _saved_config(path)
    saved.setdefault("audit", config["audit"])
    _refuse(saved, given)
    fresh = _fresh(saved, given)
    for key in _OF_THIS_RUN:
        saved[key] = fresh[key]
    if "experiment" in given:
        _take_experiment(saved, fresh, str(given["experiment"].value()))
    for key, override in given.items():
        if key in GROUPS and key not in ("scale", "task", "experiment"):
            saved[key] = fresh[key]
        elif key not in GROUPS:
            _put(saved, key, get(fresh, key) if get(fresh, key) is not None else override.value())
    for key in withdrawn(given):
        _put(saved, key, None)
    return saved
