"""Say what a file or folder holds, whether it can be used, and how."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sgdj.data.hdf5 import open_hdf5, safe_dataset
from sgdj.data.images import SUFFIXES as IMAGES
from sgdj.data.images import read_stack
from sgdj.data.section import SUFFIXES as SECTIONS
from sgdj.data.section import read_section
from sgdj.errors import InputError


@dataclass
class Description:
    """What is known of one file.

    Parameters
    ----------
    path
        The file.
    kind
        "fastmri", "section", "images" or "other".
    facts
        Name and value of what was found.
    uses
        What it can be used for: "train" (references are there), "reconstruct".
    problem
        Why it cannot be used, if it cannot.
    """

    path: Path
    kind: str
    facts: dict[str, str] = field(default_factory=dict)
    uses: list[str] = field(default_factory=list)
    problem: str = ""


def _span(array: np.ndarray) -> str:
    return f"{array.min():.4g} … {array.max():.4g}"


def _describe_kspace(path: Path) -> Description:
    found = Description(path, "fastmri")
    with open_hdf5(path) as file:
        kspace = safe_dataset(file, "kspace", "c", 3)
        found.facts["k-space"] = f"{kspace.dtype} {kspace.shape} (slices, rows, columns)"
        for name in ("acquisition", "patient_id", "acceleration", "num_low_frequency"):
            if name in file.attrs:
                found.facts[name] = str(file.attrs[name])
        if kspace.size == 0:
            raise InputError("the volume has no slices", str(path), "remove the file")
        middle = kspace[kspace.shape[0] // 2]
        bad = int((~np.isfinite(middle)).sum())
        if bad:
            raise InputError(f"the middle slice holds {bad} values that are NaN or infinite", str(path), "remove it")
        if "mask" in file:
            mask = safe_dataset(file, "mask", "b", 1)[()].astype(bool)
            found.facts["mask"] = f"{int(mask.sum())} of {mask.size} lines, R = {mask.size / max(mask.sum(), 1):.2f}"
        else:
            sampled = np.abs(middle).sum(0) > 0
            found.facts["sampling"] = (
                "full" if sampled.mean() > 0.8 else f"{int(sampled.sum())} of {sampled.size} lines are not zero"
            )
        found.uses.append("reconstruct")
        if "reconstruction_esc" in file:
            target = safe_dataset(file, "reconstruction_esc", "f", 3)
            found.facts["reference"] = f"{target.dtype} {target.shape}, {_span(target[()])}"
            found.uses.insert(0, "train")
        else:
            found.facts["reference"] = "none (as in the fastMRI test split)"
    return found


def _describe_section(path: Path) -> Description:
    section = read_section(path, None)
    facts = {"section": f"{section.shape} (depth samples, traces)", "values": _span(section)}
    signed = section.min() < 0
    facts["quantity"] = "reflectivity or traces (negative values)" if signed else "velocity or impedance (positive)"
    return Description(path, "section", facts, ["train", "reconstruct"] if signed else ["train"])


def _describe_images(path: Path) -> Description:
    stack = read_stack(path)
    facts = {"images": f"{stack.shape} (images, rows, columns)", "values": _span(stack)}
    return Description(path, "images", facts, ["train", "reconstruct"])


_READERS: dict[str, Callable[[Path], Description]] = {
    ".h5": _describe_kspace,
    **dict.fromkeys(IMAGES, _describe_images),
    **dict.fromkeys((s for s in SECTIONS if s != ".npy"), _describe_section),
}


def describe_file(path: Path) -> Description:
    """Look into one file; what is wrong with it is told in `Description.problem`."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        return Description(path, "other", problem="not a data file")
    try:
        return reader(path)
    except InputError as error:
        kind = {".h5": "fastmri", **dict.fromkeys(IMAGES, "images")}.get(path.suffix.lower(), "section")
        return Description(path, kind, problem=f"{error.what}: {error.mend}")


def describe(path: Path) -> list[Description]:
    """Look into a file, or every file of a folder and its sub-folders.

    Raises
    ------
    InputError
        If the path does not exist.
    """
    if not path.exists():
        raise InputError("no such file or folder", str(path), "check the path")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.name[0] != ".")
    return [describe_file(p) for p in files]


def suggestions(path: Path, found: list[Description]) -> list[str]:
    """Command lines that would use what was found."""
    usable = [d for d in found if not d.problem]
    lines = []
    kspace = [d for d in usable if d.kind == "fastmri"]
    with_reference = [d for d in kspace if "train" in d.uses]
    split = path.is_dir() and (path / "singlecoil_train").is_dir() and (path / "singlecoil_val").is_dir()
    folder = path if path.is_dir() else path.parent
    if with_reference and (split or len(with_reference) >= 3):
        lines.append(f"python run.py task=mri dataset=fastmri dataset.root={folder}")
    elif with_reference:
        lines.append(
            f"python run.py mode=evaluate checkpoint=CHECKPOINT dataset=fastmri dataset.root={folder} "
            "dataset.partition=none dataset.crop=null"
        )
    if kspace:
        lines.append(f"python run.py mode=reconstruct checkpoint=CHECKPOINT input={path} output=FOLDER")
    for section in (d for d in usable if d.kind == "section"):
        quantity = "reflectivity" if "reconstruct" in section.uses else "velocity"
        lines.append(
            f"python run.py task=seismic dataset=section dataset.path={section.path} dataset.quantity={quantity}"
        )
        if "reconstruct" in section.uses:
            lines.append(f"python run.py mode=reconstruct checkpoint=CHECKPOINT input={section.path} output=FOLDER")
    images = [d for d in usable if d.kind == "images"]
    if images:
        alone = " dataset.partition=none" if len(images) < 3 else ""
        mode = "mode=evaluate checkpoint=CHECKPOINT" if alone else "task=denoising"
        lines.append(f"python run.py {mode} dataset=images dataset.path={path}{alone}")
        lines.append(f"python scripts/data.py convert {path} FOLDER  # then use it as fastMRI files")
    return lines
