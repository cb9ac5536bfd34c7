"""Checkpoints that survive crashes, and are verified before they are believed."""

import hashlib
import re
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from torch import nn

from sgdj.errors import InputError
from sgdj.runs.directory import write_atomically
from sgdj.runs.model_card import read_model

FORMAT = 1


def _hash_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    """The hash that was written for a checkpoint, or None if there is none or it is damaged beyond reading."""
    try:
        words = _hash_path(path).read_bytes()[:1024].split()
    except OSError:
        return None
    return words[0].decode("ascii", "replace") if words else None


def _is_weights(state: Any) -> bool:
    return isinstance(state, dict) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    )


def _is_dense(value: torch.Tensor) -> bool:
    return value.layout is torch.strided and not value.is_quantized and not value.is_meta


def _kind(value: torch.Tensor) -> tuple[bool, bool]:
    """What a copy would change in silence: whether values are complex, and whether they are whole numbers."""
    return value.is_complex(), value.is_floating_point()


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint: hash first, then the file, each in one durable step."""
    buffer = BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    write_atomically(_hash_path(path), f"{hashlib.sha256(data).hexdigest()}  {path.name}\n".encode())
    write_atomically(path, data)


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint after checking its hash, tensors and plain types only.

    Raises
    ------
    InputError
        If it is missing, damaged, of a newer format, or holds anything else. A ``.safetensors`` file of this program
        is read as well; it has no hash of its own.
    """
    if path.suffix == ".safetensors":
        return read_model(path)
    where = str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"the checkpoint cannot be read ({error.strerror})", where, "check the path") from error
    expected = _recorded(path)
    if expected is None:
        raise InputError("the checkpoint's .sha256 is missing", where, "copy it along with the checkpoint")
    if hashlib.sha256(data).hexdigest() != expected:
        raise InputError("the checkpoint is damaged (its hash differs)", where, "use an earlier one")
    try:
        with ZipFile(BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > len(data):  # PyTorch compresses nothing
                raise ValueError("what it holds is larger than the file")
        content = torch.load(BytesIO(data), map_location=map_location, weights_only=True)
    except Exception as error:
        raise InputError("this is not a checkpoint of tensors and plain types", where, "use another file") from error
    version = content.get("sgdj_format") if isinstance(content, dict) else None
    if not isinstance(version, int) or not _is_weights(content.get("state_dict")):
        raise InputError("this is not a checkpoint of this program", where, "use RUN_DIR/checkpoints/best.ckpt")
    if version > FORMAT:
        raise InputError(f"the checkpoint has format {version}, newer than {FORMAT}", where, "update sgdj")
    return dict(content)


def copy_checkpoint(source: Path, target: Path) -> None:
    """Copy a checkpoint with its hash, in durable steps."""
    write_atomically(_hash_path(target), f"{_recorded(source)}  {target.name}\n".encode())
    write_atomically(target, source.read_bytes())


def is_intact(path: Path) -> bool:
    """Whether a checkpoint is there and has the hash that was written for it."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == _recorded(path)
    except OSError:
        return False


def same_content(one: Path, other: Path) -> bool:
    """Whether two intact checkpoints have one hash."""
    return _recorded(one) == _recorded(other)


def epoch_path(folder: Path, epoch: int) -> Path:
    """Where the checkpoint of an epoch belongs."""
    return folder / f"epoch-{epoch:04d}.ckpt"


def epoch_of(path: Path) -> int:
    """The epoch that an epoch checkpoint's name says."""
    return int(path.stem.split("-")[1])


def epoch_checkpoints(folder: Path) -> list[Path]:
    """Epoch checkpoints, newest first; by number, since text puts epoch 10,000 before epoch 9,999."""
    named = (path for path in folder.glob("epoch-*.ckpt") if re.fullmatch(r"epoch-\d{4,}\.ckpt", path.name))
    return sorted(named, key=epoch_of, reverse=True)


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint and its hash."""
    path.unlink(missing_ok=True)
    _hash_path(path).unlink(missing_ok=True)


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Remove all but the newest `keep` epoch checkpoints and that of the best epoch, the twin of ``best.ckpt``."""
    spared = None if best is None else epoch_path(folder, best)
    for path in (p for p in epoch_checkpoints(folder)[keep:] if p != spared):
        remove_checkpoint(path)


def load_weights(network: nn.Module, checkpoint: dict[str, Any]) -> None:
    """Put a checkpoint's weights into a network.

    Raises
    ------
    InputError
        Naming the first ten differences, if the checkpoint is of another architecture.
    """
    state = {key.removeprefix("network."): value for key, value in checkpoint["state_dict"].items()}
    own = network.state_dict()
    differences = [f"missing {key}" for key in own if key not in state]
    differences += [f"unexpected {key}" for key in state if key not in own]
    differences += [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    differences += [
        f"{key} is no dense tensor of {own[key].dtype}"
        for key in own
        if key in state and not (_is_dense(state[key]) and _kind(state[key]) == _kind(own[key]))
    ]
    if differences:
        more = f" and {len(differences) - 10} more" if len(differences) > 10 else ""
        raise InputError(
            f"the checkpoint is of another architecture ({'; '.join(differences[:10])}{more})",
            "checkpoint",
            "evaluate it with the configuration it was trained with",
        )
    network.load_state_dict(state)
