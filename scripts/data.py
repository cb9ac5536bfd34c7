"""Generate, convert and describe data.

python scripts/data.py describe PATH                      what it holds, and the command lines that use it
python scripts/data.py convert PATH FOLDER                images or arrays to the fastMRI layout
python scripts/data.py generate phantom dataset.size=128 dataset.volumes.train=20 dataset.seed=3
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sgdj.errors import ExitCode, InputError  # noqa: E402
from sgdj.scripting import status  # noqa: E402
from sgdj.text import say  # noqa: E402


def describe_path(path: Path) -> int:
    """Print what a path holds."""
    from sgdj.data.describe import describe, suggestions

    found = describe(path)
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
    print(f"{len(good)} of {len(volumes)} files are usable, one volume each")
    lines = suggestions(path, found)
    for line in ["to use them:", *(f"    {line}" for line in lines)] if lines else ["nothing here can be used"]:
        say(line)
    return int(ExitCode.DONE if good and len(good) == len(volumes) else ExitCode.CHECK_FAILED)


def convert(source: Path, target: Path, seed: int, matrix: int | None) -> int:
    """Write images, stacks or complex arrays as fully sampled volumes in the fastMRI layout.

    A smaller matrix keeps the centre of k-space: the same field of view, acquired at a lower resolution.
    """
    import numpy as np

    from sgdj.data.fastmri_layout import write_volume
    from sgdj.data.fft import center_crop, image_to_kspace
    from sgdj.data.images import SUFFIXES, read_stack
    from sgdj.data.smooth import smooth_phase
    from sgdj.draws import Draws

    if not source.exists():
        raise InputError("no such file or folder", str(source), "check the path")
    files = [source] if source.is_file() else sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError("no image", str(source), f"give {', '.join(SUFFIXES)} files")
    target.mkdir(parents=True, exist_ok=True)
    for path in files:
        stack = None
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
            stack = (array if array.ndim == 3 else array[None]) if np.iscomplexobj(array) else None
        if stack is None:  # a magnitude
            magnitude = read_stack(path)
            shape = (magnitude.shape[1], magnitude.shape[2])
            phases = [smooth_phase(shape, Draws(seed).generator("data", path.name, i)) for i in range(len(magnitude))]
            stack = magnitude * np.exp(1j * np.stack(phases))
        out = target / f"{path.stem}.h5"
        if out.exists():
            raise InputError("the file exists", str(out), "remove it, or choose another folder")
        kspace = image_to_kspace(stack)
        if matrix is not None:
            if matrix > min(kspace.shape[1:]):
                raise InputError(f"the images have size {kspace.shape[1:]}", f"--matrix {matrix}", "lower it")
            kspace = center_crop(kspace, (matrix, matrix))
        shape = (kspace.shape[1], kspace.shape[2])
        write_volume(out, kspace, shape, acquisition="CONVERTED", patient_id=path.stem)
        say(f"{out}: {len(stack)} slices of {shape[0]} x {shape[1]}")
    return int(ExitCode.DONE)


def generate(kind: str, overrides: list[str]) -> int:
    """Generate embedded data of any size, number and seed."""
    from sgdj.composition import parse
    from sgdj.config import load
    from sgdj.consistency import FITTING

    tasks = [task for task, groups in FITTING.items() if kind in groups["dataset"]]
    if not tasks or kind in ("fastmri", "section", "images"):
        raise InputError(f"{kind} is not generated", "generate", "choose phantom, layered, patches, subspace or points")
    job = load(parse([f"task={tasks[0]}", f"dataset={kind}", *overrides]))
    from sgdj.instantiate import build

    source = build(job.config, "dataset")
    source.prepare()
    say(source.folder)
    return int(ExitCode.DONE)


def main() -> int:
    """Dispatch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("describe", help="what a path holds, and how to use it")
    one.add_argument("path", type=Path)
    two = commands.add_parser("convert", help="images or arrays to the fastMRI layout")
    two.add_argument("source", type=Path)
    two.add_argument("target", type=Path)
    two.add_argument("--seed", type=int, default=0, help="of the smooth phase given to magnitudes")
    two.add_argument("--matrix", type=int, help="side of the central k-space to keep (a lower resolution)")
    three = commands.add_parser("generate", help="embedded data")
    three.add_argument("kind")
    three.add_argument("overrides", nargs="*", metavar="dataset.KEY=VALUE")
    arguments = parser.parse_args()
    if arguments.command == "describe":
        return describe_path(arguments.path)
    if arguments.command == "convert":
        return convert(arguments.source, arguments.target, arguments.seed, arguments.matrix)
    return generate(arguments.kind, arguments.overrides)


if __name__ == "__main__":
    sys.exit(status(main))
