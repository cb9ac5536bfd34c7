"""Give Lightning access to the checkpoints of this program."""

from os import PathLike
from pathlib import Path

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from sgdj.runs.checkpoints import FORMAT, read_checkpoint, remove_checkpoint, write_checkpoint
from sgdj.runtime.contents import Checkpoint

_Path = str | PathLike[str]


class VerifiedCheckpoints(CheckpointIO):
    """Write checkpoints with a hash, and verify them before they are used."""

    def save_checkpoint(self, checkpoint: Checkpoint, path: _Path, storage_options: object = None) -> None:
        """Write atomically, with a hash and a format version."""
        write_checkpoint(Path(path), {**checkpoint, "sgdj_format": FORMAT})

    def load_checkpoint(
        self,
        path: _Path,
        map_location: torch.device | str | None = None,
        weights_only: bool | None = None,
    ) -> Checkpoint:
        """Read and verify; never anything but tensors and plain types."""
        return read_checkpoint(Path(path), map_location)

    def remove_checkpoint(self, path: _Path) -> None:
        """Remove a checkpoint and its hash."""
        remove_checkpoint(Path(path))
