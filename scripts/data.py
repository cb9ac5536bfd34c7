"""Generate, convert and describe data.

python scripts/data.py describe PATH                      what it holds, and the command lines that use it
python scripts/data.py convert PATH FOLDER                images or arrays to the fastMRI layout
python scripts/data.py generate phantom dataset.size=128 dataset.volumes.train=20 dataset.seed=3
"""

import argparse
import os
import shlex
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.common import key_values, status
from sgdj.config.quoting import argument
from sgdj.data.source import SPLITS
from sgdj.errors import ExitCode, InputError, RunError, as_run_error
from sgdj.text import say

if TYPE_CHECKING:
    import numpy as np

    from sgdj.data.describe import Suggestion


def _max_gib(overrides: list[str]) -> float | None:
    """The limit on what a file may declare, from ``dataset.max_gib=GIB``."""
    found = key_values(overrides, {"dataset.max_gib": 0.0})["dataset.max_gib"]
    if overrides and not 0 < found < float("inf"):
        raise InputError(f"{found:g} is no size", overrides[-1], "give a number of GiB above 0")
    return found or None


def _tried(line: "Suggestion", max_gib: float | None) -> tuple[str, str]:
    """The command line with what it lacks, and why a run would refuse its data (nothing if it takes it)."""
    from sgdj.config.composition import parse
    from sgdj.config.instantiate import build
    from sgdj.config.load import load

    given = {key: value for key, value in line.dataset.items() if key != "dataset.partition"}
    words = [word for key, value in given.items() for word in shlex.split(argument(key, value))]
    try:
        settings = load(parse([f"task={line.task}", f"dataset.max_gib={max_gib or 'null'}", *words])).settings
        if "dataset.partition" in line.dataset:
            settings = settings.changed("dataset.partition", "none")
        source = build(settings, "dataset")
        source.prepare()
        if "dataset.partition" in line.dataset:
            source.images("test")
            return str(line), ""
        count, *_ = [len(source.images(split)) for split in SPLITS]  # an empty one is refused
        return f"{line} trainer.batch_size={count}" if count < settings.trainer.batch_size else str(line), ""
    except RunError as error:
        return str(line), str(error).splitlines()[0]


def describe_path(path: Path, max_gib: float | None) -> int:
    """Print what a path holds, and command lines whose data was prepared as a run prepares it."""
    from sgdj.data.describe import describe, suggestions

    found = describe(path, max_gib)
    for item in (d for d in found if d.kind != "other"):
        verdict = f"cannot be used: {item.problem}" if item.problem else f"usable to {', '.join(item.uses)}"
        say(f"{item.path} ({item.path.stat().st_size / 2**20:.2f} MiB): {verdict}")
        for name, value in item.facts.items():
            say(f"    {name}: {value}")
    others = [d.path.name for d in found if d.kind == "other"]
    if others:
        say(f"passed over {len(others)} other files: {', '.join(others[:5])}")
    volumes = [d for d in found if d.kind != "other"]
    good = [d for d in volumes if not d.problem]
    say(f"{len(good)} of {len(volumes)} files are usable, one volume each")
    lines = [(line, *(_tried(line, max_gib) if line.dataset else (str(line), ""))) for line in suggestions(path, found)]
    works = [text for _, text, refused in lines if not refused]
    say("to use them:" if works else "nothing here can be used")
    for line in works:
        say(f"    {line}")
    for line, refused in ((line, refused) for line, _, refused in lines if refused):
        say(f"not yet a data set: {line.dataset.get('dataset.root', line.dataset.get('dataset.path'))}: {refused}")
    return int(ExitCode.DONE if good and len(good) == len(volumes) else ExitCode.CHECK_FAILED)


def _complex_stack(path: Path, seed: int, max_gib: float | None) -> "np.ndarray":
    """Images (S, H, W) as they are if they are complex, else with a smooth random phase."""
    import numpy as np

    from sgdj.data.images import check_contrast, read_stack
    from sgdj.data.numpy_files import read_npy
    from sgdj.data.smooth import smooth_phase
    from sgdj.data.values import check_values
    from sgdj.draws import Draws

    if path.suffix.lower() == ".npy" and np.iscomplexobj(array := read_npy(path, max_gib)):
        stack = array if array.ndim == 3 else array[None]
        if stack.ndim != 3 or 0 in stack.shape:
            raise InputError(f"the array has shape {array.shape}", str(path), "(S, H, W) or (H, W) is expected")
        check_values(stack, "the array", str(path))
        check_contrast(np.abs(stack), str(path))
        return stack
    magnitude = read_stack(path, max_gib)
    if magnitude.min() < 0:
        raise InputError("a magnitude cannot be negative", str(path), "save complex images, or magnitudes")
    check_contrast(magnitude, str(path))
    shape = (magnitude.shape[1], magnitude.shape[2])
    phases = [smooth_phase(shape, Draws(seed).generator("data", path.name, i)) for i in range(len(magnitude))]
    return magnitude * np.exp(1j * np.stack(phases))


def _convert_file(path: Path, out: Path, seed: int, matrix: int | None, max_gib: float | None) -> str:
    """Write one volume; what was written."""
    from sgdj.data.fastmri_layout import write_volume
    from sgdj.data.fft import center_crop, image_to_kspace

    if os.path.lexists(out):
        raise InputError("the file exists", str(out), "choose another folder")
    stack = _complex_stack(path, seed, max_gib)
    kspace = image_to_kspace(stack)
    if matrix is not None:
        smallest = min(kspace.shape[1:])
        if matrix > smallest:
            raise InputError(
                f"the images of {path} have size {kspace.shape[1:]}", f"--matrix {matrix}", f"give {smallest} at most"
            )
        kspace = center_crop(kspace, (matrix, matrix))
    shape = (kspace.shape[1], kspace.shape[2])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".converting-") as folder:
            partial = Path(folder) / out.name
            write_volume(partial, kspace, shape, acquisition="CONVERTED", patient_id=path.stem)
            os.replace(partial, out)
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise as_run_error(error) or InputError(
            f"the volume cannot be written ({reason})", str(out), "choose another folder"
        ) from error
    return f"{out}: {len(stack)} slices of {shape[0]} x {shape[1]}"


def convert(source: Path, target: Path, seed: int, matrix: int | None, max_gib: float | None) -> int:
    """Write images, stacks or complex arrays as fully sampled volumes in the fastMRI layout.

    A smaller matrix keeps the centre of k-space: the same field of view, acquired at a lower resolution.
    """
    from sgdj.data.images import SUFFIXES

    if not source.exists():
        raise InputError("no such file or folder", str(source), "check the path")
    if matrix is not None and matrix < 1:
        raise InputError(f"{matrix} is no size of an image", f"--matrix {matrix}", "give 1 or more")
    if not 0 <= seed < 2**32:
        raise InputError(f"{seed} is no seed", f"--seed {seed}", "give a whole number from 0 to 4294967295")
    found = [source] if source.is_file() else sorted(source.iterdir())
    files = [p for p in found if p.is_file() and p.name[0] != "." and p.suffix.lower() in SUFFIXES]
    if not files:
        raise InputError("no image", str(source), f"give {', '.join(SUFFIXES)} files")
    stems = Counter(path.stem for path in files)
    skipped = 0
    for path in files:
        stem = path.stem if stems[path.stem] == 1 else f"{path.stem}-{path.suffix[1:]}"
        try:
            say(_convert_file(path, target / f"{stem}.h5", seed, matrix, max_gib))
        except InputError as error:
            if source.is_file():
                raise
            say(f"skipped {path.name}: {error}", sys.stderr)
            skipped += 1
    if skipped:
        say(f"{len(files) - skipped} files converted, {skipped} skipped")
    return int(ExitCode.CHECK_FAILED if skipped else ExitCode.DONE)


def generate(kind: str, overrides: list[str]) -> int:
    """Generate embedded data of any size, number and seed."""
    from sgdj.config.composition import parse
    from sgdj.config.load import load
    from sgdj.config.tasks import tasks

    fitting = [task.name for task in tasks().values() if kind in task.datasets]
    if not fitting or kind in ("fastmri", "section", "images"):
        raise InputError(f"{kind} is not generated", "generate", "choose phantom, layered, patches, subspace or points")
    job = load(parse([f"task={fitting[0]}", f"dataset={kind}", *overrides]))
    from sgdj.config.instantiate import build

    source = build(job.settings, "dataset")
    source.prepare()
    say(source.folder)
    return int(ExitCode.DONE)


def main() -> int:
    """Dispatch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("describe", help="what a path holds, and how to use it")
    one.add_argument("path", type=Path)
    one.add_argument("overrides", nargs="*", metavar="dataset.max_gib=GIB", help="what a file may declare")
    two = commands.add_parser("convert", help="images or arrays to the fastMRI layout")
    two.add_argument("source", type=Path)
    two.add_argument("target", type=Path)
    two.add_argument("--seed", type=int, default=0, help="of the smooth phase given to magnitudes")
    two.add_argument("--matrix", type=int, help="side of the central k-space to keep (a lower resolution)")
    two.add_argument("overrides", nargs="*", metavar="dataset.max_gib=GIB", help="what a file may declare")
    three = commands.add_parser("generate", help="embedded data")
    three.add_argument("kind")
    three.add_argument("overrides", nargs="*", metavar="dataset.KEY=VALUE")
    arguments = parser.parse_args()
    if arguments.command == "describe":
        return describe_path(arguments.path, _max_gib(arguments.overrides))
    if arguments.command == "convert":
        limit = _max_gib(arguments.overrides)
        return convert(arguments.source, arguments.target, arguments.seed, arguments.matrix, limit)
    return generate(arguments.kind, arguments.overrides)


if __name__ == "__main__":
    sys.exit(status(main))
