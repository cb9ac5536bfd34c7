"""Write checkpoints that survive crashes, and verify them before they are used."""

import hashlib
import re
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import torch

from sgdj.errors import InputError
from sgdj.runs.model_card import read_model
from sgdj.runtime.contents import Checkpoint
from sgdj.runtime.writing import write_atomically

FORMAT = 1


def _hash_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    """Return the hash that was written for a checkpoint, or None if there is none or it is damaged beyond reading."""
    try:
        words = _hash_path(path).read_bytes()[:1024].split()
    except OSError:
        return None
    return words[0].decode("ascii", "replace") if words else None


def _is_weights(state: object) -> bool:
    return isinstance(state, dict) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    )


def write_checkpoint(path: Path, content: Checkpoint) -> None:
    """Write a checkpoint: hash first, then the file, each in one durable step."""
    buffer = BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    write_atomically(_hash_path(path), f"{hashlib.sha256(data).hexdigest()}  {path.name}\n".encode())
    write_atomically(path, data)


def read_checkpoint(path: Path, map_location: torch.device | str | None = "cpu") -> Checkpoint:
    """Read a checkpoint after checking its hash, tensors and plain types only.

    Parameters
    ----------
    path
        The checkpoint, or a ``.safetensors`` file of this program, which has no hash of its own.
    map_location
        Device on which tensors are put; None leaves them where they were saved.

    Returns
    -------
    dict
        Content of the checkpoint, with weights under ``state_dict``.

    Raises
    ------
    InputError
        If it is missing, damaged, of a newer format, or holds anything else.
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
    """Check whether a checkpoint is there and has the hash that was written for it."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == _recorded(path)
    except OSError:
        return False


def same_content(one: Path, other: Path) -> bool:
    """Check whether two intact checkpoints have the same hash."""
    return _recorded(one) == _recorded(other)


def epoch_path(folder: Path, epoch: int) -> Path:
    """Return the path of an epoch's checkpoint."""
    return folder / f"epoch-{epoch:04d}.ckpt"


def epoch_of(path: Path) -> int:
    """Return the epoch that an epoch checkpoint's name says."""
    return int(path.stem.split("-")[1])


def epoch_checkpoints(folder: Path) -> list[Path]:
    """List epoch checkpoints, newest first; by number, since text puts epoch 10,000 before epoch 9,999."""
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
