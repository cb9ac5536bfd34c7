"""Let processes started elsewhere import this package, even from a checkout that is not installed."""

import os
from pathlib import Path


def python_path() -> str:
    """Return PYTHONPATH with the folder of this package in front."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
