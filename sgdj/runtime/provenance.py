"""Record where numbers come from: versions, processor, commit."""

import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

_PACKAGES = ("torch", "lightning", "torchmetrics", "fastmri", "numpy", "h5py", "scikit-image", "scipy", "hydra-core")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Return processor, system and cores: another kind of processor rounds otherwise, and training amplifies that."""
    name = platform.processor() or platform.machine()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{name} ({capability}), {platform.machine()} {platform.system()}, {os.cpu_count()} cores"


def commit() -> str | None:
    """Return the checkout's commit, with -dirty if a file is changed that campaigns do not write; None without one."""
    written = (":(top,exclude)results", ":(top,exclude)README.md", ":(top,exclude)docs")
    try:
        dirty = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", *written)
        return _git("rev-parse", "HEAD") + ("-dirty" if dirty else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    folder = Path(__file__).resolve().parent
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
