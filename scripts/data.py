"""Generate, convert and describe data.

python scripts/data.py describe /data/knee
python scripts/data.py convert brain.tiff converted --matrix 64
python scripts/data.py convert scan.mat converted --key kspace --kspace --axes hwcs
python scripts/data.py wavelet line.sgy wavelet.npy --taps 51
python scripts/data.py generate phantom dataset.size=128 dataset.volumes.train=20 dataset.seed=3
"""

import os
import shlex
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.common import Parser, WrongValue, number, print_csv, status
from sgdj.config.quoting import argument
from sgdj.errors import ExitCode, InputError, RunError, SettingError, as_run_error, first_line
from sgdj.runtime.output import say

if TYPE_CHECKING:
    import numpy as np

    from sgdj.data.describe import Description, Suggestion
    from sgdj.data.slices import Reading, Slices


def _facts(found: "Description") -> str:
    return "; ".join(f"{name}: {value}" for name, value in found.facts.items())


def _tried(line: "Suggestion", max_gib: float | None) -> tuple[str, str]:
    """Return the completed command line, and why a run would refuse its data (empty if it accepts them)."""
    from sgdj.config.instantiate import build
    from sgdj.data.source import SPLITS
    from sgdj.jobs.composition import parse
    from sgdj.jobs.load import load

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
        return str(line), first_line(error)


def describe_path(path: Path, max_gib: float | None, as_csv: bool = False) -> int:
    """Print what a path holds, and command lines whose data was prepared as a run prepares it; as CSV only files."""
    from sgdj.data.describe import describe, suggestions

    found = describe(path, max_gib)
    if as_csv:
        print_csv(
            ("path", "MiB", "kind", "usable to", "problem", "facts"),
            (
                (str(d.path), d.path.stat().st_size / 2**20, d.kind, ", ".join(d.uses), d.problem or "", _facts(d))
                for d in found
            ),
        )
        return int(ExitCode.CHECK_FAILED if any(d.problem for d in found) else ExitCode.DONE)
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
    for text in works:
        say(f"    {text}")
    for line, refused in ((line, refused) for line, _, refused in lines if refused):
        say(f"not yet a data set: {line.dataset.get('dataset.root', line.dataset.get('dataset.path'))}: {refused}")
    return int(ExitCode.DONE if good and len(good) == len(volumes) else ExitCode.CHECK_FAILED)


def _with_phase(magnitude: "np.ndarray", path: Path, seed: int) -> "np.ndarray":
    """Give magnitudes (S, H, W) a smooth random phase."""
    import numpy as np

    from sgdj.data.images import check_contrast
    from sgdj.data.smooth import smooth_phase
    from sgdj.runtime.draws import Draws

    if magnitude.min() < 0:
        raise InputError("a magnitude cannot be negative", str(path), "save complex images, or magnitudes")
    check_contrast(magnitude, str(path))
    shape = (magnitude.shape[1], magnitude.shape[2])
    phases = [smooth_phase(shape, Draws(seed).generator("data", path.name, i)) for i in range(len(magnitude))]
    return magnitude * np.exp(1j * np.stack(phases))


def _slices(paths: list[Path], seed: int, reading: "Reading") -> "Slices":
    """Read one volume as complex images or k-space: magnitudes are given a smooth random phase."""
    from dataclasses import replace

    import numpy as np

    from sgdj.data.foreign import is_foreign, read_foreign
    from sgdj.data.images import check_contrast, read_stack
    from sgdj.data.numpy_files import read_npy
    from sgdj.data.slices import Slices

    path = paths[0]
    array = path.suffix.lower() == ".npy" and (
        reading.kspace or reading.axes or np.iscomplexobj(read_npy(path, reading.max_gib))
    )
    if not array and not is_foreign(path):
        return Slices(_with_phase(read_stack(path, reading.max_gib), path, seed), False, "")
    found = read_foreign(paths, reading)
    if found.kspace:
        return found
    if np.iscomplexobj(found.array):
        check_contrast(np.abs(found.array), str(path))
        return found
    return replace(found, array=_with_phase(found.array, path, seed))


def _convert_file(paths: list[Path], out: Path, seed: int, matrix: int | None, reading: "Reading") -> str:
    """Write one volume; returns a line that describes it."""
    from sgdj.data.fastmri_layout import write_volume
    from sgdj.data.fft import center_crop, image_to_kspace
    from sgdj.data.foreign import sampled_columns, stem

    path = paths[0]
    if os.path.lexists(out):
        raise InputError("the file exists", str(out), "choose another folder")
    found = _slices(paths, seed, reading)
    kspace = found.array if found.kspace else image_to_kspace(found.array)
    mask = sampled_columns(found) if found.kspace else None
    if matrix is not None:
        smallest = min(kspace.shape[-2:])
        if matrix > smallest:
            raise InputError(
                f"the images of {path} have size {kspace.shape[-2:]}", f"--matrix {matrix}", f"give {smallest} at most"
            )
        kspace = center_crop(kspace, (matrix, matrix))
        if mask is not None:
            rows = min(matrix, len(mask)) if mask.ndim == 2 else 1
            mask = center_crop(mask if mask.ndim == 2 else mask[None], (rows, matrix))
            mask = mask if rows > 1 else mask[0]
    shape = (kspace.shape[-2], kspace.shape[-1])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".converting-") as folder:
            partial = Path(folder) / out.name
            write_volume(partial, kspace, shape, acquisition="CONVERTED", patient_id=stem(path), mask=mask)
            os.replace(partial, out)
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise as_run_error(error) or InputError(
            f"the volume cannot be written ({reason})", str(out), "choose another folder"
        ) from error
    coils = f", {kspace.shape[1]} coils" if kspace.ndim == 4 else ""
    how = f" ({found.how})" if found.how else ""
    left = "" if mask is None else f"; undersampled ({int(mask.sum())} of {mask.size} sampled): no reference"
    return f"{out}: {len(kspace)} slices of {shape[0]} x {shape[1]}{coils}{how}{left}"


def _volumes(source: Path) -> list[list[Path]]:
    """List the files to convert, volume by volume: the DICOM files of a series are one."""
    from sgdj.data import dicom
    from sgdj.data.foreign import SUFFIXES as FOREIGN
    from sgdj.data.foreign import is_foreign, suffix
    from sgdj.data.images import SUFFIXES

    found = [source] if source.is_file() else sorted(source.iterdir())
    files = [p for p in found if p.is_file() and p.name[0] != "."]
    plain = [p for p in files if suffix(p) in (*SUFFIXES, *FOREIGN)]
    for path in (p for p in files if suffix(p) == ".h5"):
        try:
            plain += [path] if is_foreign(path) else []
        except InputError:
            if source.is_file():
                raise
    if not plain:
        mend = f"give {', '.join((*SUFFIXES, *FOREIGN))} files, or ISMRMRD raw data"
        raise InputError("no image", str(source), mend)
    images = sorted(p for p in plain if suffix(p) in dicom.SUFFIXES)
    volumes = [[p] for p in plain if suffix(p) not in dicom.SUFFIXES]
    return sorted(volumes + list(dicom.series(images).values() if len(images) > 1 else [[p] for p in images]))


def convert(source: Path, target: Path, seed: int, matrix: int | None, reading: "Reading") -> int:
    """Write images, stacks, arrays or raw data as volumes in the fastMRI layouts.

    A smaller matrix keeps the centre of k-space: the same field of view, acquired at a lower resolution.
    """
    from sgdj.data.foreign import stem, suffix

    if not source.exists():
        raise InputError("no such file or folder", str(source), "check the path")
    volumes = _volumes(source)
    stems = Counter(stem(paths[0]) for paths in volumes)
    skipped = 0
    for paths in volumes:
        path = paths[0]
        name = stem(path) if stems[stem(path)] == 1 else f"{stem(path)}-{suffix(path)[1:]}"
        try:
            say(_convert_file(paths, target / f"{name}.h5", seed, matrix, reading))
        except InputError as error:
            if source.is_file():
                raise
            say(f"skipped {path.name}: {error}", sys.stderr)
            skipped += 1
    if skipped:
        say(f"{len(volumes) - skipped} files converted, {skipped} skipped")
    return int(ExitCode.CHECK_FAILED if skipped else ExitCode.DONE)


def generate(kind: str, overrides: list[str]) -> int:
    """Generate embedded data of any size, number and seed."""
    from sgdj.config.tasks import tasks
    from sgdj.jobs.composition import parse
    from sgdj.jobs.load import load

    fitting = [task.name for task in tasks().values() if kind in task.datasets]
    if not fitting or kind in ("fastmri", "section", "images"):
        raise InputError(
            f"{kind} is not generated", "generate", "choose phantom, layered, spikes, patches, subspace or points"
        )
    job = load(parse([f"task={fitting[0]}", f"dataset={kind}", *overrides]))
    from sgdj.config.instantiate import build

    source = build(job.settings, "dataset")
    source.prepare()
    say(source.folder)
    return int(ExitCode.DONE)


def wavelet(source: Path, target: Path, taps: int, key: str | None, max_gib: float | None) -> int:
    """Estimate a zero-phase wavelet from a section of traces, and write it as an array for `operator.wavelet_file`."""
    import io

    import numpy as np

    from sgdj.data.section import read_section
    from sgdj.operators.wavelets import estimated_wavelet
    from sgdj.runtime.writing import write_atomically

    if target.suffix != ".npy":
        raise InputError("a wavelet is written as an array", str(target), "name it .npy")
    if target.exists():
        raise InputError("the file exists", str(target), "name another one, or move it away")
    try:
        found = estimated_wavelet(read_section(source, key, max_gib), taps)
    except SettingError as error:
        raise InputError(error.what, "--taps", error.mend) from error
    content = io.BytesIO()
    np.save(content, np.array(found), allow_pickle=False)
    write_atomically(target, content.getvalue())
    say(f"{target}: {taps} taps of a zero-phase wavelet; operator.wavelet_file={target} operator.phase=0")
    return int(ExitCode.DONE)


def _axes(text: str) -> str:
    """Check a word that names axes."""
    if len(set(text)) < len(text) or not {"h", "w"} <= set(text) <= set("schw"):
        raise WrongValue(f"{text!r} names no axes", "give h and w, and s and c if there are such, each once, as in hws")
    return text


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python scripts/data.py", __doc__)
    verbs = made.verbs(
        describe="say what files hold, and which command lines use them",
        convert="write images, arrays or raw data as volumes in the fastMRI layouts",
        wavelet="estimate the wavelet of a section of traces",
        generate="generate embedded data of any size, number and seed",
    )
    verbs["describe"].add_argument("path", type=Path, metavar="PATH", help="file or folder")
    verbs["describe"].add_argument("--csv", action="store_true", help="print the files as CSV, and nothing else")
    convert_ = verbs["convert"]
    convert_.add_argument("source", type=Path, metavar="PATH", help="image, array or raw data, or a folder of them")
    convert_.add_argument("target", type=Path, metavar="FOLDER", help="where the volumes are written")
    convert_.add_argument(
        "--seed",
        type=number(int, 0, 2**32 - 1),
        default=0,
        help="of the smooth phase given to magnitudes (%(default)s)",
    )
    convert_.add_argument(
        "--matrix", type=number(int, 1), help="side of the central k-space to keep: a lower resolution (all of it)"
    )
    convert_.add_argument("--kspace", action="store_true", help="the arrays are k-space, zero frequency in the middle")
    convert_.add_argument("--key", metavar="NAME", help="array of a MATLAB file (its only one)")
    convert_.add_argument(
        "--axes", type=_axes, help="meaning of an array's axes: s slices, c coils, h rows, w columns, as in hws"
    )
    wavelet_ = verbs["wavelet"]
    wavelet_.add_argument("source", type=Path, metavar="PATH", help="SEG-Y, NPY or NPZ file of traces")
    wavelet_.add_argument("target", type=Path, metavar="FILE.npy", help="where the wavelet is written")
    wavelet_.add_argument("--taps", type=number(int, 3), default=51, help="samples of the wavelet, odd (%(default)s)")
    wavelet_.add_argument("--key", metavar="NAME", help="array of an NPZ file (the first known name)")
    for name in ("describe", "convert", "wavelet"):
        verbs[name].add_argument(
            "--max-gib", type=number(float), metavar="GIB", help="what a file may declare (dataset.max_gib)"
        )
    verbs["generate"].add_argument("kind", metavar="KIND", help="phantom, layered, spikes, patches, subspace or points")
    verbs["generate"].add_argument(
        "overrides", nargs="*", metavar="dataset.KEY=VALUE", help="settings of the data set, as on the command line"
    )
    return made


def main(arguments: list[str]) -> int:
    """Run the chosen verb."""
    options = parser().parse_args(arguments)
    if options.verb == "describe":
        return describe_path(options.path, options.max_gib, options.csv)
    if options.verb == "convert":
        from sgdj.data.slices import Reading

        reading = Reading(key=options.key, axes=options.axes, kspace=options.kspace, max_gib=options.max_gib)
        return convert(options.source, options.target, options.seed, options.matrix, reading)
    if options.verb == "wavelet":
        return wavelet(options.source, options.target, options.taps, options.key, options.max_gib)
    return generate(options.kind, options.overrides)


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
