"""Read the configuration of a trained network, with the parts that an evaluation may change."""

from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from sgdj.config.nodes import get, leaves, put
from sgdj.config.search_path import groups, opened, option_file
from sgdj.errors import InputError, InputErrors
from sgdj.jobs.composition import compose_config, withdrawn
from sgdj.jobs.roles import Role, has
from sgdj.jobs.saved import Saved, check_options, read_saved, settle


def is_ours(config: dict[str, Any]) -> bool:
    """Check whether the configuration is given by a checkpoint of this project."""
    return isinstance(config.get("checkpoint"), str) and config.get("reconstructor") is None


def _refuse(saved: dict[str, Any], given: dict[str, Override]) -> None:
    """Refuse changes that would make another network of it; repeating a saved value is no change."""
    mistakes = [
        InputError("an evaluation cannot change this of a trained network", key, "train another one, or leave it out")
        for key, override in given.items()
        if not (key.startswith("hydra") or has(key, Role.EVALUATION) or override.value() == get(saved, key))
    ]
    if mistakes:
        raise InputErrors(mistakes)


def _fresh(saved: dict[str, Any], given: dict[str, Override]) -> dict[str, Any]:
    """Compose what the command line alone says, for the task of the trained network."""
    scale = given["scale"].value() if "scale" in given else saved["scale"]
    overrides, known = [f"task={saved['task']}", f"scale={scale}"], groups(opened(given.values()))
    for key, override in given.items():
        line = (override.input_line or "").lstrip("+")
        if key in known and key not in ("scale", "task"):
            overrides.append(f"+{line}" if key == "experiment" else line)
        elif key not in known and "hydra" not in key:
            overrides.append(f"++{key}={override.get_value_element_as_str()}")
    return compose_config(overrides)


def _take_experiment(saved: dict[str, Any], fresh: dict[str, Any], path: Path) -> list[str]:
    """Put in what an experiment says about evaluation; returns the groups that it replaces."""
    experiment: Any = OmegaConf.to_container(OmegaConf.load(path))
    overridden = [key for entry in get(experiment, "defaults") or [] if isinstance(entry, dict) for key in entry]
    replaced = [group for group in ("attack", "shift") if f"override /{group}" in overridden]
    for group in replaced:
        saved[group] = fresh[group]
    for key, _ in leaves(experiment):
        if has(key, Role.EVALUATION):
            put(saved, key, get(fresh, key))
    return replaced


def _unused(read: Saved) -> list[str]:
    """Return the groups that mode=reconstruct does not use: it reads no data set, trains nothing and attacks nothing.

    A data set of this project stays, since masks and noise are drawn from its seed; its files need not be there.
    """
    if "dataset" in read.foreign:
        return ["dataset", "strategy", "attack", "shift"]
    for key in [key for key in read.texts if key.startswith("dataset.")]:
        put(read.config, key, "not read")
        read.leave_out(key)
    return ["strategy", "attack", "shift"]


def _readable(checkpoint: str) -> Path:
    """Return the checkpoint's path.

    Raises
    ------
    InputError
        If there is no such file.
    """
    path, mend = Path(checkpoint), "give RUN_DIR/checkpoints/best.ckpt"
    if not checkpoint.strip():
        raise InputError("no value", "checkpoint", mend)
    if "://" in checkpoint:
        raise InputError("a checkpoint is a file on this machine", f"checkpoint={checkpoint}", "download it first")
    try:
        if path.is_dir():
            inside = [p for p in (path / "best.ckpt", path / "checkpoints" / "best.ckpt") if p.is_file()]
            mend = f"give {inside[0]}" if inside else mend
            raise InputError("this is a folder", f"checkpoint={checkpoint}", mend)
        if not path.is_file():
            raise InputError(f"no such file: {checkpoint}", "checkpoint", mend)
        with path.open("rb"):
            return path
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", f"checkpoint={checkpoint}", mend) from error


def from_checkpoint(config: dict[str, Any], given: dict[str, Override]) -> dict[str, Any]:
    """Return the trained network's configuration, with the evaluation parts of the command line put in.

    Parameters
    ----------
    config
        Configuration that the command line composes by itself.
    given
        Overrides on the command line, by key.

    Returns
    -------
    dict
        Configuration in plain types.

    Raises
    ------
    InputError
        If the checkpoint or its configuration cannot be read.
    InputErrors
        If the command line would change the network.
    """
    plugins = opened(given.values())
    read = read_saved(_readable(config["checkpoint"]))
    check_options(read, plugins)
    saved = read.config
    _refuse(saved, given)
    fresh = _fresh(saved, given)
    replaced: list[str] = [key for key in ("operator", "dataset", "defence", "attack", "shift") if key in given]
    if config["mode"] == "reconstruct":
        replaced += _unused(read)
    for key in replaced:
        saved.pop(key, None)
        saved |= {key: fresh[key]} if key in fresh else {}  # defence=none leaves no node
    saved.setdefault("audit", fresh["audit"])
    experiment = str(given["experiment"].value()) if "experiment" in given else ""
    if path := option_file("experiment", experiment, plugins):
        replaced += _take_experiment(saved, fresh, path)
    for key in replaced:
        read.leave_out(key)
    settle(read, fresh, given)
    known = groups(plugins)
    for key, override in given.items():
        if key not in known and not key.startswith("hydra"):
            put(saved, key, get(fresh, key) if get(fresh, key) is not None else override.value())
    for key in withdrawn(given):
        put(saved, key, None)
    return saved
