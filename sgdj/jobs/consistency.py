"""Find mistakes of a configuration that no single object shows by itself."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sgdj.config.nodes import get, nearest
from sgdj.config.schema import TRAINING
from sgdj.config.tasks import task_of, tasks
from sgdj.config.undersampling import unsuitable
from sgdj.errors import InputError
from sgdj.jobs.credentials import has_key
from sgdj.jobs.saved import other_architecture

#: Settings of an acquisition that name a file, whose content decides the numbers.
ACQUISITION_FILES = ("mask_file", "wavelet_file")
#: Data sets that bring coil sensitivities.
WITH_COILS = ("multicoil", "multicoil_phantom")


def _shift_mistakes(config: dict[str, Any]) -> Iterator[InputError]:
    """Find shifts that a task does not have, levels of shifts that are not chosen, accelerations out of reach."""
    task, operator, levels = config["task"], config["operator"], config["evaluation"]["shift_levels"]
    for name, shift in config["shift"].items():
        meant = [other.name for other in tasks(config["plugins"]).values() if shift["_target_"] in other.shifts]
        if meant and task not in meant:
            yield InputError(f"shift {name} does not fit task {task}", "shift", f"it is for {', '.join(meant)}")
    for name in levels:
        if name not in config["shift"]:
            chosen = ",".join([*config["shift"], name])
            yield InputError(f"no shift {name} is chosen", "evaluation.shift_levels", f"add it, shift=[{chosen}]")
    for name, shift in config["shift"].items():
        if shift["_target_"] != "sgdj.shifts.Sampling" or "acceleration" not in operator:
            continue
        given = [operator["acceleration"] if shift["acceleration"] is None else shift["acceleration"]]
        given += levels.get(name, [])
        if min(given) < 1:
            where = f"evaluation.shift_levels.{name}"
            yield InputError(f"{min(given):g} is no acceleration", where, "give levels of at least 1")
        center = shift["center_fraction"] or operator["center_fraction"]
        wrong = unsuitable(shift["mask"] or operator["mask"], max(given), center)
        if wrong is not None:
            yield InputError(wrong[1], f"shift.{name}.{wrong[0]}", wrong[2])


def _there(path: str, kind: Callable[[Path], bool]) -> bool:
    """Check whether a file or folder is at a path; False for a path that the system does not accept."""
    try:
        return kind(Path(path))
    except (OSError, ValueError):
        return False


def _transfer_mistakes(attack: dict[str, Any], key: str) -> Iterator[InputError]:
    """Find what is wrong with the other network that an attack is made for."""
    source = attack.get("source")
    if source is None:
        for name, inner in attack.get("attacks", {}).items():
            yield from _transfer_mistakes(inner, f"{key}.attacks.{name}")
    elif not _there(source, Path.is_file):
        yield InputError(f"no such file: {source}", f"{key}.source", "give RUN_DIR/checkpoints/best.ckpt")
    else:
        try:
            other_architecture(Path(source))
        except InputError as error:
            yield error


def inconsistencies(config: dict[str, Any]) -> Iterator[InputError]:
    """Yield every mistake of a configuration whose single values are valid."""
    task = task_of(config)
    for group, kind in (("operator", "operators"), ("dataset", "datasets")):
        name, fitting = config[group].get("name"), getattr(task, kind)
        named = any(name in getattr(other, kind) for other in tasks(config["plugins"]).values())
        if named and name not in fitting:
            yield InputError(f"{group} {name} does not fit task {task.name}", group, nearest("", sorted(fitting)))
    yield from _shift_mistakes(config)
    operator, dataset, architecture = config["operator"], config["dataset"], config["architecture"]
    if dataset.get("name") in WITH_COILS and operator.get("name") != "multicoil":
        what = f"dataset {dataset['name']} has several coils, operator {operator.get('name')} one"
        yield InputError(what, "operator", "set operator=multicoil")
    reading = config["mode"] not in ("reconstruct", "verify")  # which needs no data set
    if operator.get("masks") == "stored" and reading and dataset.get("grid") != "kspace":
        where = "dataset.grid" if "grid" in dataset else "operator.masks=stored"
        mend = "set dataset.grid=kspace" if "grid" in dataset else "choose dataset=fastmri or dataset=multicoil"
        yield InputError("masks of files need images on the grid of k-space", where, mend)
    if operator.get("name") in ("fourier", "multicoil") and architecture.get("start") == "measurement":
        yield InputError("k-space is no image to start from", "architecture.start", "set it to adjoint")
    counts = config["evaluation"]["iterations"] if config["reconstructor"] is None else []
    own = architecture.get("name") == "varnet" or architecture.get("shared") is False
    if counts and "iterations" not in architecture:
        what = f"architecture {architecture.get('name')} has no iterations to count"
        yield InputError(what, "evaluation.iterations", "set it to []")
    elif counts and own and max(counts) > architecture["iterations"]:
        what = f"only {architecture['iterations']} iterations have weights of their own"
        yield InputError(what, "evaluation.iterations", f"use at most {architecture['iterations']}")
    if task.images == "signal" and architecture.get("name") == "unet":
        yield InputError("a U-Net is for images, and these are signals", "architecture", "choose another one")
    learned = architecture.get("learned", {})
    for key, node in (("architecture", architecture), ("architecture.learned", learned)):
        if "channels" in node and node["channels"] != task.channels:
            what = "complex images have 2 real channels" if task.channels == 2 else "real images have 1 channel"
            yield InputError(what, f"{key}.channels", f"set it to {task.channels}")
    if task.images == "signal" and "size" in learned and "size" in dataset and learned["size"] != dataset["size"]:
        what = f"the learned part is for signals of size {learned['size']}"
        yield InputError(what, f"dataset.size={dataset['size']}", f"set it to {learned['size']}")
    available = get(config, "dataset.samples.train")
    if get(config, "dataset.volumes.train") and "slices" in dataset:
        available = dataset["volumes"]["train"] * dataset["slices"]
    if available is not None and config["trainer"]["batch_size"] > available:
        yield InputError(
            f"{config['trainer']['batch_size']} exceeds the {available} training images",
            "trainer.batch_size",
            "lower it, or enlarge the data set",
        )
    if reading and "root" in dataset and not _there(dataset["root"], Path.is_dir):
        yield InputError(f"no such folder: {dataset['root']}", "dataset.root", "give a folder of fastMRI .h5 files")
    if reading and "path" in dataset and not _there(dataset["path"], Path.exists):
        yield InputError(f"no such file: {dataset['path']}", "dataset.path", "give a file that exists")
    for key in ACQUISITION_FILES:
        file = operator.get(key)
        if isinstance(file, str) and config["mode"] != "verify" and not _there(file, Path.is_file):
            mend = f"give a file of a {key.removesuffix('_file')}"
            yield InputError(f"no such file: {file}", f"operator.{key}", mend)
    if "kind" in dataset and dataset["name"] == "images" and dataset["kind"] != task.images:
        yield InputError(f"task {task.name} needs {task.images} images", "dataset.kind", f"set it to {task.images}")
    yield from _transfer_mistakes(config["attack"], "attack")
    external = config["reconstructor"]
    if external is not None and config["mode"] not in ("evaluate", "audit", "certify", "tune"):
        yield InputError(
            "somebody else's network is not trained here",
            "reconstructor",
            "add mode=evaluate, mode=audit, mode=certify or mode=tune",
        )
    if external is not None and config["precision"] != "32":
        yield InputError("somebody else's network chooses its own precision", "precision", "leave it out")
    if config.get("reconstructor_settings") and (external is None or ":" not in external):
        mend = "leave them out, or add reconstructor=MODULE:NAME"
        yield InputError("these are settings of a class that is not named", "reconstructor_settings", mend)
    if external is not None and ":" not in external and not _there(external, Path.is_file):
        yield InputError(f"no such file: {external}", "reconstructor", "give MODULE:NAME or a TorchScript file")
    if external is not None and config["checkpoint"] is not None and not _there(config["checkpoint"], Path.is_file):
        yield InputError(f"no such file: {config['checkpoint']}", "checkpoint", "give a file of weights")
    if config["logger"]["mode"] == "online" and not has_key():
        mend = "run wandb login, or use logger.mode=offline"
        yield InputError("no key for Weights & Biases", "logger.mode=online", mend)
    if config["mode"] == "verify" and config["run_dir"] is None:
        yield InputError("no value", "run_dir", "name the run directory to verify")
    if config["mode"] not in (*TRAINING, "verify") and config["checkpoint"] is None and external is None:
        yield InputError("no checkpoint", "checkpoint", "set checkpoint=RUN_DIR/checkpoints/best.ckpt")
    if config["mode"] in TRAINING and config["checkpoint"] is not None and external is None:
        yield InputError("a checkpoint is not used in training", "checkpoint", "add mode=evaluate")
    for key in ("input", "output"):
        if (config["mode"] == "reconstruct") != (config[key] is not None):
            what = "no value" if config[key] is None else "not used in this mode"
            yield InputError(what, key, f"set {key}=PATH with mode=reconstruct, and only there")
    if config["input"] is not None and not _there(config["input"], Path.exists):
        yield InputError(f"no such file or folder: {config['input']}", "input", "give one that exists")
    if config["mode"] in TRAINING and dataset.get("partition") == "none":
        yield InputError("no volume is left to train on", "dataset.partition", "use it with mode=evaluate only")
