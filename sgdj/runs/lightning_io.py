"""Lightning's door to the checkpoints of this program."""

from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import CheckpointIO

from sgdj.runs.checkpoints import FORMAT, read_checkpoint, remove_checkpoint, write_checkpoint


class VerifiedCheckpoints(CheckpointIO):
    """Checkpoints that are written with a hash, and verified before they are believed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write atomically, with a hash and a format version."""
        write_checkpoint(Path(path), {**checkpoint, "sgdj_format": FORMAT})

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read and verify; never anything but tensors and plain types."""
        return read_checkpoint(Path(path), map_location)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint and its hash."""
        remove_checkpoint(Path(path))
