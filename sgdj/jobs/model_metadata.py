"""Read the metadata of a safetensors file of this project, without importing torch."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from sgdj.errors import InputError, first_line
from sgdj.jobs.plain_yaml import parse_mapping

KEY = "sgdj"
FORMAT = 1
_HEADER_BYTES = 2**22  # largest header (names, shapes, metadata); that of ten thousand tensors is smaller


def read_metadata(path: Path) -> dict[str, Any]:
    """Read format and configuration.

    Parameters
    ----------
    path
        File of type ``.safetensors``.

    Returns
    -------
    dict
        Metadata under the keys that this project writes.

    Raises
    ------
    InputError
        If it is no safetensors file, has no configuration, or is of a newer format.
    """
    where = str(path)
    try:
        with path.open("rb") as raw:
            if int.from_bytes(raw.read(8), "little") > _HEADER_BYTES:
                raise InputError("this is no safetensors file (its header is too large)", where, "use another file")
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        reason = first_line(error, 80)
        raise InputError(f"this is no safetensors file ({reason})", where, "use another file") from error
    mend = "use RUN_DIR/model/weights.safetensors"
    if KEY not in metadata:
        raise InputError("the file holds no configuration", where, mend)
    content = parse_mapping(metadata[KEY].encode(), where)
    version, config = content.get("format"), content.get("config")
    if type(version) is not int or not isinstance(config, dict):
        raise InputError("the file holds no configuration", where, mend)
    if version > FORMAT:
        raise InputError(f"the file has format {version}, newer than {FORMAT}", where, "update sgdj")
    return content
