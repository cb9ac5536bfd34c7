"""Say what a file or folder holds, whether it can be used, and how.

A file is called usable only if the readers that a run uses have read it.
"""

import shlex
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sgdj.config.quoting import argument
from sgdj.data.convention import check_convention
from sgdj.data.fastmri import FastMRIImages, scan_volume
from sgdj.data.foreign import NAMES as FOREIGN
from sgdj.data.foreign import read_foreign, suffix
from sgdj.data.hdf5 import count_axes, open_hdf5, read_mask, safe_dataset
from sgdj.data.images import SUFFIXES as IMAGES
from sgdj.data.images import check_contrast, read_stack
from sgdj.data.ismrmrd import holds_raw_data
from sgdj.data.layouts import MULTI_COIL, SINGLE_COIL, Layout
from sgdj.data.multi_coil import MultiCoilImages
from sgdj.data.numpy_files import read_npy
from sgdj.data.section import SUFFIXES as SECTIONS
from sgdj.data.section import read_section
from sgdj.data.slices import Reading
from sgdj.data.values import check_values
from sgdj.errors import InputError
from sgdj.metrics.image import SSIM_WINDOW
from sgdj.runtime.arrays import Array

_READ_WHOLE = 2**30  # bytes of a volume's k-space up to which every slice is read, as a run does
_USUAL_CROP, _FEW_SLICES = 320, 9  # smallest side and number of slices for the default options of dataset=fastmri
_CALIBRATION = 24  # default option of dataset=multicoil
_PANEL, _GAP, _SMALLEST_SHARE = (128, 64), 16, 0.1  # default options of dataset=section


@dataclass
class Description:
    """Findings about one file.

    Parameters
    ----------
    path
        File that was looked into.
    kind
        Kind of data: "fastmri", "multicoil", "section", "images", "complex", "nifti", "dicom", "matlab", "bart",
        "ismrmrd" or "other".
    facts
        What was found, by name, as text for people.
    uses
        Possible uses: "train" (references are there), "reconstruct", "convert".
    problem
        Why the file cannot be used; empty if it can.
    settings
        Values that the data set's options need for this file.
    """

    path: Path
    kind: str
    facts: dict[str, str] = field(default_factory=dict)
    uses: list[str] = field(default_factory=list)
    problem: str = ""
    settings: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Suggestion:
    """Command line that uses what was found.

    Parameters
    ----------
    words
        Program and first arguments, as they are typed.
    dataset
        Options of the data set, by dotted key; empty where the command line has none.
    task
        Name of the task whose data this is.
    """

    words: str
    dataset: dict[str, object] = field(default_factory=dict)
    task: str = ""

    def __str__(self) -> str:
        return " ".join([self.words, *(argument(key, value) for key, value in self.dataset.items())])


def _span(array: Array) -> str:
    return f"{array.min():.4g} … {array.max():.4g}"


def _reason(error: InputError) -> str:
    return f"{error.what}: {error.mend}"


def _training(path: Path, found: Description, max_gib: float | None, layout: Layout) -> None:
    """Record whether a volume can be used for training, by the checks of its source."""
    try:
        volume = scan_volume(path, None, max_gib, layout)
        if min(volume.shape) < SSIM_WINDOW:
            raise InputError(
                f"its images have {volume.shape[0]} x {volume.shape[1]} pixels",
                str(path),
                f"metrics need {SSIM_WINDOW} x {SSIM_WINDOW}",
            )
        with open_hdf5(path) as file:
            size = safe_dataset(file, "kspace", "c", layout.axes, max_gib).nbytes
        if size <= _READ_WHOLE:
            listed = [(0, s) for s in range(volume.slices)]
            slices = FastMRIImages([volume], listed, "complex", 0, max_gib)
            if layout is MULTI_COIL:
                slices = MultiCoilImages([volume], listed, "complex", 0, "low_resolution", _CALIBRATION, max_gib)
            for s in range(len(slices)):
                slices[s]
    except InputError as error:
        found.facts["no training"] = _reason(error)
        return
    found.uses.insert(0, "train")
    if min(volume.shape) < _USUAL_CROP or volume.slices < _FEW_SLICES:
        found.settings = {"dataset.crop": None, "dataset.slice_offsets": None}


def _describe_kspace(path: Path, max_gib: float | None) -> Description:
    with open_hdf5(path) as file:
        layout = MULTI_COIL if count_axes(file, "kspace") == MULTI_COIL.axes else SINGLE_COIL
        found = Description(path, layout.dataset)
        kspace = safe_dataset(file, "kspace", "c", layout.axes, max_gib)
        axes = "(slices, coils, rows, columns)" if layout is MULTI_COIL else "(slices, rows, columns)"
        found.facts["k-space"] = f"{kspace.dtype} {kspace.shape} {axes}"
        for name in ("acquisition", "patient_id", "acceleration", "num_low_frequency"):
            if name in file.attrs:
                found.facts[name] = str(file.attrs[name])[:100]
        if kspace.size == 0:
            raise InputError("the volume has no slices", str(path), "store one at least")
        middle = kspace[kspace.shape[0] // 2]
        check_values(middle, "the middle slice", str(path))
        if "mask" in file:
            mask = read_mask(file, kspace.shape[-2:])
            of = "lines" if mask.ndim == 1 else "points"
            found.facts["mask"] = f"{int(mask.sum())} of {mask.size} {of}, R = {mask.size / mask.sum():.2f}"
        else:
            sampled = np.abs(middle).reshape(-1, middle.shape[-1]).sum(0) > 0
            found.facts["sampling"] = (
                "full" if sampled.mean() > 0.8 else f"{int(sampled.sum())} of {sampled.size} lines are not zero"
            )
        found.uses.append("reconstruct")
        stored = layout.reference in file
        if stored:
            target = safe_dataset(file, layout.reference, "f", 3, max_gib)
            values = target[()]
            span = _span(values) if values.size else "empty"
            found.facts["reference"] = f"{target.dtype} {target.shape}, {span}"
            fits = target.shape[0] == kspace.shape[0] and all(np.less_equal(target.shape[1:], kspace.shape[-2:]))
            if fits and "mask" not in file:
                check_convention(middle, values[len(values) // 2], f"{path}:kspace", layout.reference)
        else:
            found.facts["reference"] = "none (as in the fastMRI test split)"
    if stored:
        _training(path, found, max_gib, layout)
    return found


def _arrays(path: Path) -> list[str]:
    """List the names of the arrays in an ``.npz`` file; empty if it is damaged, which its reader reports."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, ValueError, zipfile.BadZipFile):
        return []


def _any_section(path: Path, max_gib: float | None) -> tuple[Array, str | None]:
    """Return the section under a known name, or the first array that is a section, with its key."""
    try:
        return read_section(path, None, max_gib), None
    except InputError as error:
        for key in _arrays(path) if path.suffix.lower() == ".npz" and "known name" in error.what else []:
            try:
                return read_section(path, key, max_gib), key
            except InputError:
                continue
        raise


def _describe_section(path: Path, max_gib: float | None) -> Description:
    section, key = _any_section(path, max_gib)
    facts = {"section": f"{section.shape} (depth samples, traces)", "values": _span(section)}
    positive = section.min() > 0
    facts["quantity"] = "velocity or impedance (positive)" if positive else "reflectivity or traces"
    uses = [] if positive or key else ["reconstruct"]
    settings: dict[str, object] = {"dataset.quantity": "velocity" if positive else "reflectivity"}
    if key:
        settings["dataset.key"] = key
    depth, traces = section.shape
    for gap in (_GAP, 4, 0):
        width = int((traces - 2 * gap) * _SMALLEST_SHARE)
        if min(depth, width) >= SSIM_WINDOW:
            break
    panel = [min(_PANEL[0], depth), min(_PANEL[1], width)]
    if min(panel) < SSIM_WINDOW:
        facts["no training"] = f"{depth} samples and {traces} traces are too few to be cut into train, val and test"
    elif not np.diff(section, axis=0).any() if positive else not section.any():
        facts["no training"] = "there is no reflector in it"
    else:
        uses.insert(0, "train")
        if panel != list(_PANEL):
            settings |= {"dataset.panel": panel, "dataset.gap": gap}
    problem = "" if uses else facts.pop("no training")
    return Description(path, "section", facts, uses, problem, settings)


def _like_kspace(array: Array) -> bool:
    """Check whether most of the energy is in the central quarter of rows and columns, as in k-space and in no image."""
    energy = np.abs(array.reshape(-1, *array.shape[-2:])).astype(np.float64) ** 2
    rows, columns = (max(n // 4, 1) for n in array.shape[-2:])
    top, left = (array.shape[-2] - rows) // 2, (array.shape[-1] - columns) // 2
    return bool(energy[:, top : top + rows, left : left + columns].sum() > 0.5 * energy.sum())


def _describe_foreign(path: Path, max_gib: float | None) -> Description:
    """Describe a file of another program, or a complex array."""
    found = read_foreign([path], Reading(max_gib=max_gib))
    array, kind = found.array, FOREIGN.get(suffix(path), "complex")
    axes = "(slices, coils, rows, columns)" if array.ndim == 4 else "(slices, rows, columns)"
    values = "complex images" if np.iscomplexobj(array) else "images"
    facts = {"k-space" if found.kspace else values: f"{array.shape} {axes}, {array.dtype}", "read as": found.how}
    if np.iscomplexobj(array) and not found.kspace and _like_kspace(array):
        facts["k-space?"] = "its energy is in the middle: convert it with --kspace if it is k-space"
    if not np.iscomplexobj(array):
        facts["values"] = _span(array)
        check_contrast(array, str(path))
    return Description(path, "ismrmrd" if found.kspace else kind, facts, ["convert"])


def _describe_hdf5(path: Path, max_gib: float | None) -> Description:
    return _describe_foreign(path, max_gib) if holds_raw_data(path) else _describe_kspace(path, max_gib)


def _describe_images(path: Path, max_gib: float | None) -> Description:
    if path.suffix.lower() == ".npy" and np.iscomplexobj(read_npy(path, max_gib)):
        return _describe_foreign(path, max_gib)
    stack = read_stack(path, max_gib)
    facts = {"images": f"{stack.shape} (images, rows, columns)", "values": _span(stack)}
    check_contrast(stack, str(path))
    uses = ["train", "reconstruct"]
    if min(stack.shape[1:]) < SSIM_WINDOW:
        facts["no training"] = f"metrics need {SSIM_WINDOW} x {SSIM_WINDOW} pixels"
        uses.remove("train")
    return Description(path, "images", facts, uses)


_KINDS: dict[str, tuple[str, Callable[[Path, float | None], Description]]] = {
    ".h5": ("fastmri", _describe_hdf5),
    **{suffix: (name, _describe_foreign) for suffix, name in FOREIGN.items()},
    **dict.fromkeys(IMAGES, ("images", _describe_images)),
    **dict.fromkeys((s for s in SECTIONS if s != ".npy"), ("section", _describe_section)),
}


def describe_file(path: Path, max_gib: float | None = None) -> Description:
    """Look into one file; what is wrong with it is told in `Description.problem`.

    Parameters
    ----------
    path
        File to look into.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.

    Returns
    -------
    Description
        Kind, facts, uses and problems of the file.
    """
    kind, reader = _KINDS.get(suffix(path), ("other", None))
    if reader is None:
        return Description(path, kind, problem="not a data file")
    try:
        return reader(path, max_gib)
    except InputError as error:
        return Description(path, kind, problem=_reason(error))


def describe(path: Path, max_gib: float | None = None) -> list[Description]:
    """Look into a file, or every file of a folder and its sub-folders.

    Parameters
    ----------
    path
        File or folder to look into.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.

    Returns
    -------
    list of Description
        One description per file.

    Raises
    ------
    InputError
        If the path does not exist.
    """
    if not path.exists():
        raise InputError("no such file or folder", str(path), "check the path")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.name[0] != ".")
    return [describe_file(p, max_gib) for p in files]


def _by_folder(found: Sequence[Description]) -> dict[Path, list[Description]]:
    folders: dict[Path, list[Description]] = {}
    for item in found:
        folders.setdefault(item.path.parent, []).append(item)
    return folders


def _volumes_in(folder: Path) -> int:
    return sum(p.suffix.lower() == ".h5" for p in folder.iterdir())


def _trains(items: Sequence[Description]) -> bool:
    """Check whether a run could read all of a folder's files."""
    return bool(items) and all("train" in item.uses for item in items)


def _run(task: str, dataset: str, settings: dict[str, object], train: bool) -> Suggestion:
    words = f"python run.py task={task}" if train else "python run.py mode=evaluate checkpoint=CHECKPOINT"
    place = next(iter(settings))
    coils = {"operator": "multicoil"} if dataset == MULTI_COIL.dataset else {}
    everything = coils | {"dataset": dataset, place: settings[place]} | ({} if train else {"dataset.partition": "none"})
    everything |= settings
    return Suggestion(words, everything, task)


def _kspace_lines(path: Path, found: Sequence[Description], layout: Layout) -> Iterator[Suggestion]:
    folders = _by_folder([d for d in found if d.kind == layout.dataset])
    if path.is_file():  # a data set is a folder, of which only one file was looked at
        folders = {folder: items for folder, items in folders.items() if _volumes_in(folder) == 1}
    halves = {folder.parent for folder in folders if folder.name == layout.folders[0] and _trains(folders[folder])}
    for parent in sorted(halves):
        parts = [folders.get(parent / name, []) for name in layout.folders]
        settings = next((d.settings for part in parts for d in part if d.settings), {})
        if all(map(_trains, parts)) and len(parts[1]) >= 2:
            yield _run("mri", layout.dataset, {"dataset.root": str(parent), **settings}, True)
            folders = {folder: items for folder, items in folders.items() if folder.parent != parent}
    for folder, items in folders.items():
        if _trains(items):
            settings = next((d.settings for d in items if d.settings), {})
            yield _run("mri", layout.dataset, {"dataset.root": str(folder), **settings}, len(items) >= 3)


def _image_lines(path: Path, found: Sequence[Description]) -> Iterator[Suggestion]:
    for folder, items in _by_folder([d for d in found if d.kind in ("images", "complex")]).items():
        if path.is_dir() and _trains(items) and len(items) >= 3:
            yield _run("denoising", "images", {"dataset.path": str(folder)}, True)
        else:
            for item in (d for d in items if "train" in d.uses):
                yield _run("denoising", "images", {"dataset.path": str(item.path)}, False)


def suggestions(path: Path, found: list[Description]) -> list[Suggestion]:
    """Suggest command lines that use what was found, quoted for the shell and for Hydra.

    A file that cannot be used keeps its folder from being a data set, as a run would.

    Parameters
    ----------
    path
        File or folder that was described.
    found
        Descriptions that `describe` returned for it.

    Returns
    -------
    list of Suggestion
        One suggestion per possible use.
    """
    lines = [line for layout in (SINGLE_COIL, MULTI_COIL) for line in _kspace_lines(path, found, layout)]
    usable = [d for d in found if not d.problem]
    for section in (d for d in usable if d.kind == "section" and "train" in d.uses):
        settings = {"dataset": "section", "dataset.path": str(section.path), **section.settings}
        lines.append(Suggestion("python run.py task=seismic", settings, "seismic"))
    lines += _image_lines(path, found)
    for kinds, of in ((("fastmri", "multicoil"), "k-space"), (("section",), "sections"), (("images",), "images")):
        items = [d for d in usable if d.kind in kinds and "reconstruct" in d.uses]
        places = [path] if path.is_file() else sorted({d.path.parent for d in items})
        for place in places if items else []:
            words = (
                f"python run.py mode=reconstruct checkpoint=CHECKPOINT {argument('input', str(place))} output=FOLDER"
            )
            lines.append(Suggestion(f"{words}  # {of}"))
    pictures = [d for d in usable if d.kind in ("images", "complex", *FOREIGN.values())]
    for place in [path] if path.is_file() and pictures else sorted({d.path.parent for d in pictures}):
        words = f"python scripts/data.py convert {shlex.quote(str(place))} FOLDER"
        lines.append(Suggestion(f"{words}  # to the fastMRI layout"))
    return lines
