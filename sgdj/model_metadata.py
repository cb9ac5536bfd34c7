"""What a safetensors file of this project says about its network, read without importing torch."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from safetensors import SafetensorError, safe_open

from sgdj.errors import InputError

KEY = "sgdj"
FORMAT = 1


def read_metadata(path: Path) -> dict[str, Any]:
    """Format and configuration.

    Raises
    ------
    InputError
        If it is no safetensors file, has no configuration, or is of a newer format.
    """
    where = str(path)
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0][:80]
        raise InputError(f"this is no safetensors file ({reason})", where, "use another file") from error
    try:
        content: Any = OmegaConf.to_container(OmegaConf.create(metadata[KEY]))
        version, _ = int(content["format"]), content["config"]["task"]
    except Exception as error:  # nothing there, or no YAML
        raise InputError("the file holds no configuration", where, "use RUN_DIR/model/weights.safetensors") from error
    if version > FORMAT:
        raise InputError(f"the file has format {version}, newer than {FORMAT}", where, "update sgdj")
    return dict(content)
