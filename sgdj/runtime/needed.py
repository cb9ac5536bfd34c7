"""Say which packages this Python lacks, before anything imports one of them."""

import sys
from importlib.util import find_spec
from pathlib import Path

#: Module that every needed package brings, by the name that pip knows the package by.
NEEDED = {
    "torch": "torch", "lightning": "lightning", "torchmetrics": "torchmetrics", "hydra-core": "hydra",
    "omegaconf": "omegaconf", "wandb": "wandb", "safetensors": "safetensors", "numpy": "numpy", "scipy": "scipy",
    "pillow": "PIL", "h5py": "h5py", "scikit-image": "skimage", "segyio": "segyio", "tifffile": "tifffile",
    "nibabel": "nibabel", "pydicom": "pydicom", "matplotlib": "matplotlib", "rich": "rich", "filelock": "filelock",
    "platformdirs": "platformdirs", "pydantic": "pydantic", "requests": "requests", "tqdm": "tqdm", "PyYAML": "yaml",
    "pandas": "pandas", "runstats": "runstats", "fastmri": "fastmri",
}  # fmt: skip
#: It declares torchvision, which it never imports, so that it is installed without what it declares.
FASTMRI = "pip install --no-deps fastmri==0.3.0"

_CHECKOUT = Path(__file__).resolve().parents[2]


def missing() -> list[str]:
    """List the needed packages that this Python lacks; nothing is imported."""
    return [name for name, module in NEEDED.items() if find_spec(module) is None]


def advice(lacking: list[str], checkout: Path = _CHECKOUT) -> str:
    """Say in one line what is missing, and how to get it.

    Parameters
    ----------
    lacking
        Packages that are missing, at least one.
    checkout
        Folder above the package, which is a clone of the project if a Makefile lies there.

    Returns
    -------
    str
        Line for the user, without ``error:``.
    """
    some = ", ".join(lacking[:4]) + (f" and {len(lacking) - 4} more" if len(lacking) > 4 else "")
    if lacking == ["fastmri"]:
        how = FASTMRI
    elif (checkout / ".venv" / "bin" / "activate").is_file():
        how = "run `source .venv/bin/activate`, or `make setup` first if that does not help"
    elif (checkout / "Makefile").is_file():
        how = "run `make setup`, then `source .venv/bin/activate`"
    else:
        how = f"pip install {' '.join(name for name in lacking if name != 'fastmri')}"
        how += f"; {FASTMRI}" if "fastmri" in lacking else ""
    return f"packages are missing, {some} (for {sys.executable}): {how}"
