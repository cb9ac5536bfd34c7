"""Damage valid files and settings in every way that comes to mind, read them, and see what comes out.

python -m scripts.reliability.fuzz --minutes 10 --readers hdf5,segy

Only the project's own input error may come out of a reader. What does harm is kept in tests/corpus. Writes
results/reliability/fuzz.json and results/reliability.md.
"""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from scripts.common import Parser, number, origin, some_of, status
from scripts.reliability import foreign_files
from sgdj.errors import InputError, InputErrors, first_line

ROOT = Path(__file__).resolve().parents[2]

CORPUS = ROOT / "tests" / "corpus"
SECONDS, MEMORY_GIB = 20, 4
_SILENCE = 60  # seconds without a sign of life after which a worker is taken to hang


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Parameters
    ----------
    suffix
        Suffix of the files that it reads.
    valid
        Function that makes the contents of valid files.
    read
        Function that reads a file; it raises the project's input error if it cannot.
    modules
        Modules whose coverage is reported.
    """

    suffix: str
    valid: Callable[[], list[bytes]]
    read: Callable[[Path], Any]
    modules: tuple[str, ...]


def _hdf5(**extra: Any) -> list[bytes]:
    """Make volumes in the fastMRI layout: as written by the project, plain, compressed, with other types and shapes."""
    import h5py

    from sgdj.data.fastmri_layout import write_volume
    from sgdj.data.fft import center_crop, kspace_to_image

    rng = np.random.default_rng(0)
    kspace = (rng.normal(size=(2, 24, 20)) + 1j * rng.normal(size=(2, 24, 20))).astype(np.complex64)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        write_volume(path, kspace, (20, 18), acquisition="A", patient_id="1")
        with h5py.File(path, "a") as file:
            for name, value in extra.items():
                file[name] = value
        found.append(path.read_bytes())
        for how in ({}, {"compression": "gzip", "chunks": (1, 24, 20)}, {"dtype": "c16"}):
            with h5py.File(path, "w") as file:
                file.create_dataset("kspace", data=kspace, **how)
                image = np.abs(center_crop(kspace_to_image(kspace), (20, 18)))
                file["reconstruction_esc"] = image.astype("f4")
                for name, value in extra.items():
                    file[name] = value
            found.append(path.read_bytes())
    return found


def _read_hdf5(path: Path) -> None:
    from sgdj.data.fastmri import FastMRISource

    everything = dict.fromkeys(("train", "val", "test"))
    for reference in ("complex", "magnitude"):
        source = FastMRISource(str(path.parent), 0, None, None, reference, "none", everything, 1.0)
        source.prepare()
        source.manifest()
        images = source.images("test")
        for i in range(len(images)):
            assert np.isfinite(images[i].x.abs().numpy()).all()


def _read_mask(path: Path) -> None:
    import torch

    from sgdj.networks import StartingPoint
    from sgdj.operators.acquisition import CartesianAcquisition
    from sgdj.reconstruction.files import FORMATS
    from sgdj.runtime.draws import Draws

    acquisition = CartesianAcquisition(
        noise=0.0, mask="gaussian", acceleration=2.0, center_fraction=0.1, axis="columns", masks="fixed",
        mask_adjoint=True,
    )  # fmt: skip
    form = FORMATS["kspace"](StartingPoint("adjoint"), acquisition, Draws(0), torch.device("cpu"), lambda line: None)
    target = path.with_name("out.hdf5")
    outcome = form.reconstruct(path, target)
    assert np.isfinite(outcome.reconstruction).all()


def _read_foreign(path: Path) -> None:
    """Read a file of another program as images and as k-space; one of BART is its header and its array in one."""
    from sgdj.data.foreign import read_foreign
    from sgdj.data.slices import Reading

    if path.suffix == ".cfl":
        header, _, content = path.read_bytes().partition(foreign_files.BART_END)
        path.with_suffix(".hdr").write_bytes(header)
        path.write_bytes(content)
    refused = []
    for kspace in (False, True):
        try:
            found = read_foreign([path], Reading(kspace=kspace))
            assert np.isfinite(found.array).all()
            assert found.array.ndim in (3, 4)
        except InputError as error:
            refused.append(error)
    if len(refused) == 2:
        raise refused[0]


def _npz() -> list[bytes]:
    found = []
    model = 2 + np.random.default_rng(0).random((80, 90))
    for save in (np.savez, np.savez_compressed):
        for arrays in ({"model": model.astype("f4")}, {"vp": model, "other": np.arange(3)}, {"model": model > 2.5}):
            buffer = BytesIO()
            save(buffer, **arrays)  # type: ignore[arg-type]
            found.append(buffer.getvalue())
    return found


def _read_section(path: Path) -> None:
    from sgdj.data.section import read_section

    array = read_section(path, None)
    assert array.ndim == 2
    assert np.isfinite(array).all()


def _segy() -> list[bytes]:
    import segyio

    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sgy"
        for kind in (1, 5):
            spec = segyio.spec()
            spec.format, spec.sorting = kind, None
            spec.samples, spec.tracecount = np.arange(40), 12
            with segyio.create(path, spec) as file:
                for i in range(12):
                    file.trace[i] = np.sin(np.arange(40) * (i + 1) / 7).astype("f4")
            found.append(path.read_bytes())
    return found


def _images() -> list[bytes]:
    from PIL import Image
    from tifffile import imwrite

    rng = np.random.default_rng(0)
    gray, colour = (rng.integers(0, 255, shape).astype("u1") for shape in ((24, 20), (24, 20, 3)))
    found = []
    for kind in ("PNG", "JPEG"):
        for array in (gray, colour):
            buffer = BytesIO()
            Image.fromarray(array).save(buffer, kind)
            found.append(buffer.getvalue())
    float_stack = rng.normal(size=(3, 24, 20)).astype("f4")
    for stack, how in (
        (gray, {"photometric": "minisblack"}), (float_stack, {"photometric": "minisblack"}),
        (gray, {"photometric": "miniswhite", "byteorder": ">"}), (gray.astype("u2"), {"tile": (16, 16)}),
        (colour, {"photometric": "rgb", "compression": "zlib"}),
    ):  # fmt: skip
        buffer = BytesIO()
        imwrite(buffer, stack, **how)
        found.append(buffer.getvalue())
    for mode, compression in (("L", "tiff_lzw"), ("P", None), ("1", "group4")):
        buffer = BytesIO()
        Image.fromarray(gray).convert(mode).save(buffer, "TIFF", compression=compression)
        found.append(buffer.getvalue())
    buffer = BytesIO()
    np.save(buffer, gray)
    return [*found, buffer.getvalue()]


def _read_images(path: Path) -> None:
    from sgdj.data.images import read_stack

    content, done, last = path.read_bytes(), False, None
    for suffix in (".png", ".tif", ".jpg", ".npy"):  # what a file is called need not be what it is
        other = path.with_name(f"b{suffix}")
        other.write_bytes(content)
        try:
            assert np.isfinite(read_stack(other)).all()
            done = True
        except InputError as error:
            last = error
        finally:
            other.unlink()
    if not done and last is not None:
        raise last


def _checkpoint() -> list[bytes]:
    import torch
    from safetensors.torch import save

    from sgdj.runs.model_card import FORMAT, KEY

    state = {"network.a": torch.arange(6.0), "network.b": torch.ones(2, 3)}
    buffer = BytesIO()
    torch.save({"sgdj_format": 1, "state_dict": state, "sgdj_config": "task: toy", "epoch": 3}, buffer)
    return [buffer.getvalue(), save(state, {KEY: f"format: {FORMAT}\nconfig: {{task: toy}}\n"})]


def _read_checkpoint(path: Path) -> None:
    from sgdj.runs.checkpoints import read_checkpoint

    content = path.read_bytes()
    other = path.with_name("a.ckpt")
    other.write_bytes(content)
    other.with_name("a.ckpt.sha256").write_text(hashlib.sha256(content).hexdigest())  # an attacker would adapt it, too
    done, last = False, None
    for one in (other, path):
        try:
            read_checkpoint(one)
            done = True
        except InputError as error:
            last = error
    if not done and last is not None:
        raise last


def _config() -> list[bytes]:
    lines = (
        "task=mri strategy=jitter sigma=0.01", "task=seismic attack.rho=0.1 attack.steps=3 shift=[block,noise_level]",
        "-m task=toy seed=0,1,2", "mode=evaluate checkpoint=run/checkpoints/best.ckpt attack=apgd",
        "task=mri dataset=fastmri dataset.root=. operator.acceleration=8 architecture.learned.features=32",
        "+evaluation.shift_levels={noise_level:[1,2]} shift=[noise_level]", "+experiment=table_mri seed=range(3)",
        "strategy._target_=torch.hub.load plugins=[os] trainer.lr=1e-3 ~trainer.lr ++a.b=null",
    )  # fmt: skip
    return ["\n".join(line.split()).encode() for line in lines]


def _read_config(path: Path) -> None:
    """Read the file as a command line, one argument per line."""
    from sgdj.jobs.composition import expand, parse
    from sgdj.jobs.load import load

    arguments = path.read_bytes().decode(errors="replace").replace("\0", "").split("\n")
    for job in expand(parse([a for a in arguments if a and not a.startswith("-")]))[:3]:
        load(job, in_sweep=True)


def _saved() -> list[bytes]:
    """Make resolved configurations, as they lie beside checkpoints."""
    from omegaconf import OmegaConf

    from sgdj.jobs.composition import parse
    from sgdj.jobs.load import load

    lines = ("task=toy strategy=adversarial", "task=mri strategy=jitter attack=worst_of", "task=seismic shift=[block]")
    configs = [load(parse([*line.split(), "scale=smoke"])).settings.plain() for line in lines]
    return [OmegaConf.to_yaml(OmegaConf.create(config)).encode() for config in configs]


def _read_saved(path: Path) -> None:
    """Read the content as the configuration beside a checkpoint, and as that inside of a safetensors file."""
    import torch
    from safetensors.torch import save_file

    from sgdj.jobs.composition import parse
    from sgdj.jobs.load import load
    from sgdj.runs.model_card import FORMAT, KEY

    content = path.read_bytes()
    beside, inside = path.parent / "run" / "checkpoints" / "best.ckpt", path.with_name("a.safetensors")
    beside.parent.mkdir(parents=True)
    beside.write_bytes(b"")
    (beside.parent.parent / "config.yaml").write_bytes(content)
    indented = "\n".join(f"  {line}" for line in content.decode(errors="replace").splitlines())
    save_file({"network.a": torch.ones(1)}, inside, {KEY: f"format: {FORMAT}\nconfig:\n{indented}\n"})
    done, last = False, None
    for checkpoint in (beside, inside):
        try:
            load(parse(["mode=evaluate", f"checkpoint={checkpoint}"]))
            done = True
        except (InputError, InputErrors) as error:
            last = error
    if not done and last is not None:
        raise last


def _record() -> list[bytes]:
    entry = {
        "input": "a.h5", "input_sha256": "0" * 64, "output_sha256": "1" * 64, "panel": "panels/a.png",
        "panel_sha256": "2" * 64, "scores": {"nmse": 0.1},
    }  # fmt: skip
    output = {"checkpoint": "3" * 64, "settings": {"task": "mri", "dataset.seed": 0}, "outputs": {"a.h5": entry}}
    run = {
        "status": "finished", "config_hash": "0123456789ab", "seed": 0, "wall_s": 1.5, "command": "python run.py",
        "files": {"config.yaml": "0" * 64}, "versions": {"torch": "2"}, "started": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    row = {"epoch": 0, "global_step": 4, "train_loss": 0.5, "val_psnr": 20.0, "val_ssim": None, "lr": 1e-3}
    return [json.dumps(output, indent=1).encode(), json.dumps(run, indent=1).encode(), json.dumps(row).encode() + b"\n"]


def _read_record(path: Path) -> None:
    """Read the content as every record that a later call reads."""
    from sgdj.jobs.identity import renewed
    from sgdj.jobs.plain_yaml import read_mapping
    from sgdj.reconstruction.output_folder import OutputFolder
    from sgdj.reconstruction.record import RECORD
    from sgdj.runs.catalogue import find, listing
    from sgdj.runs.directory import RunDirectory
    from sgdj.runs.verification import differences

    for name in ("run.json", "metrics.jsonl", "config.yaml", RECORD):
        path.with_name(name).write_bytes(path.read_bytes())
    run, refused = RunDirectory(path.parent), []
    assert all(isinstance(row["epoch"], int) for row in run.metrics())
    listing(find([path.parent], {}))
    for read in (
        lambda: differences(path.parent),
        lambda: OutputFolder(path.parent, "3" * 64, {}, False, renewed).read(),
        lambda: read_mapping(path.parent / "config.yaml"),
    ):
        try:
            read()
        except InputError as error:
            refused.append(error)
    if len(refused) == 3 and not run.metrics():
        raise refused[0]


def _modules(*names: str) -> tuple[str, ...]:
    return tuple(f"sgdj/{name}.py" for name in names)


READERS = {
    "hdf5": Reader(".h5", _hdf5, _read_hdf5, _modules("data/fastmri", "data/hdf5")),
    "mask": Reader(
        ".h5", lambda: _hdf5(mask=np.arange(20) % 2), _read_mask, _modules("reconstruction/kspace", "data/hdf5")
    ),
    "nifti": Reader(".nii", foreign_files.nifti, _read_foreign, _modules("data/nifti", "data/foreign")),
    "dicom": Reader(".dcm", foreign_files.dicom, _read_foreign, _modules("data/dicom", "data/foreign")),
    "matlab": Reader(".mat", foreign_files.matlab, _read_foreign, _modules("data/matlab", "data/matlab_5")),
    "bart": Reader(".cfl", foreign_files.bart, _read_foreign, _modules("data/bart")),
    "ismrmrd": Reader(".mrd", foreign_files.ismrmrd, _read_foreign, _modules("data/ismrmrd")),
    "npz": Reader(".npz", _npz, _read_section, _modules("data/section", "data/numpy_files")),
    "segy": Reader(".sgy", _segy, _read_section, _modules("data/section", "data/segy")),
    "images": Reader(
        ".png", _images, _read_images, _modules("data/images", "data/tiff", "data/pictures", "data/numpy_files")
    ),
    "checkpoint": Reader(
        ".safetensors",
        _checkpoint,
        _read_checkpoint,
        _modules("runs/checkpoints", "runs/model_card", "jobs/model_metadata"),
    ),
    "config": Reader(
        ".txt",
        _config,
        _read_config,
        _modules(
            "jobs/composition",
            "jobs/load",
            "jobs/consistency",
            "config/messages",
            "config/nodes",
            "config/quoting",
            "config/schema",
        ),
    ),
    "saved": Reader(
        ".yaml",
        _saved,
        _read_saved,
        _modules("jobs/saved", "jobs/trained", "jobs/plain_yaml", "jobs/model_metadata"),
    ),
    "record": Reader(
        ".json",
        _record,
        _read_record,
        _modules("runs/directory", "reconstruction/output_folder", "reconstruction/record", "runs/catalogue"),
    ),
}

_WORDS = [b"\0" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"-1", b"nan", b"1e999", b"[", b"{", b"../", b"=", b"$", b"\n"]
_EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 2**20), st.integers(0, 7)),
        st.tuples(st.just("set"), st.integers(0, 2**20), st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("set"), st.integers(0, 2**20), st.sampled_from(_WORDS)),
        st.tuples(st.just("insert"), st.integers(0, 2**20), st.sampled_from(_WORDS)),
        st.tuples(st.just("cut"), st.integers(0, 2**20), st.integers(1, 4000)),
        st.tuples(st.just("end"), st.integers(0, 2**20), st.just(0)),
        st.tuples(st.just("copy"), st.integers(0, 2**20), st.integers(1, 400)),
    ),
    min_size=1,
    max_size=6,
)


def damaged(content: bytes, edits: list[tuple[str, int, Any]]) -> bytes:
    """Apply edits at places modulo the length."""
    data = bytearray(content)
    for kind, place, what in edits:
        at = place % (len(data) + 1)
        if kind == "flip" and data:
            data[at % len(data)] ^= 1 << what
        elif kind == "set":
            data[at : at + len(what)] = what
        elif kind == "insert":
            data[at:at] = what
        elif kind == "cut":
            del data[at : at + what]
        elif kind == "end":
            del data[at:]
        elif kind == "copy":
            data[at:at] = data[at // 2 : at // 2 + what]
    return bytes(data)


@dataclass
class Count:
    """Counts of what came out of a reader."""

    inputs: int = 0
    refused: int = 0
    read: int = 0
    findings: list[str] = field(default_factory=list)


def _too_long(number: int, frame: Any) -> None:
    raise TimeoutError(f"longer than {SECONDS} s")


def attempt(reader: Reader, content: bytes, count: Count) -> None:
    """Read one input in a folder of its own; any error but an input error is passed on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{reader.suffix}"
        path.write_bytes(content)
        count.inputs += 1
        signal.alarm(SECONDS)
        try:
            reader.read(path)
            count.read += 1
        except (InputError, InputErrors) as error:
            count.refused += 1
            assert str(error).strip(), "an empty line"
        finally:
            signal.alarm(0)


def fuzz(reader: Reader, seed: int, examples: int, count: Count, before: Callable[[bytes], None]) -> None:
    """Feed a number of damaged inputs, drawn by hypothesis, to a reader.

    Parameters
    ----------
    reader
        Reader under test.
    seed
        Seed of this round.
    examples
        Number of inputs of this round.
    count
        Counts that the outcomes are added to.
    before
        Function that is called with every input before it is read.
    """
    valid = reader.valid()

    @seeded(seed)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.integers(0, len(valid) - 1), _EDITS)
    def round_(which: int, edits: list[tuple[str, int, Any]]) -> None:
        content = damaged(valid[which], edits)
        before(content)
        attempt(reader, content, count)

    round_()


def _worker(name: str, seed: int, seconds: float, folder: Path) -> int:
    """Fuzz one reader until the time is over; every input is kept in `folder` until it has been read."""
    import coverage

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_GIB * 2**30, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, _too_long)
    warnings.simplefilter("ignore")
    os.chdir(folder)
    reader, count, last = READERS[name], Count(), b""
    tracer = coverage.Coverage(data_file=None, include=[str(ROOT / module) for module in reader.modules])
    tracer.start()

    def before(content: bytes) -> None:
        nonlocal last
        last = content
        (folder / "last").write_bytes(content)

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            fuzz(reader, seed, 200, count, before)
        except Exception as error:
            line = f"{type(error).__name__}: {first_line(error, 160)}"
            if line not in count.findings:
                (folder / f"finding-{len(count.findings)}").write_bytes(last)
                count.findings.append(line)
        seed += 1
        _save(folder, count, tracer, reader)
    tracer.stop()
    _save(folder, count, tracer, reader)
    return 0


def _save(folder: Path, count: Count, tracer: Any, reader: Reader) -> None:
    ran, all_lines = 0, 0
    for module in reader.modules:
        _, lines, _, missing, _ = tracer.analysis2(str(ROOT / module))
        ran, all_lines = ran + len(lines) - len(missing), all_lines + len(lines)
    (folder / "count.json").write_text(json.dumps(vars(count) | {"lines": all_lines, "ran": ran}))


def _keep(name: str, content: bytes) -> None:
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)


def campaign(name: str, minutes: float, seed: int) -> dict[str, Any]:
    """Fuzz one reader in processes of its own, so that a crash or a hang is a finding and no end."""
    total: dict[str, Any] = {"inputs": 0, "refused": 0, "read": 0, "findings": [], "lines": 0, "ran": 0}
    began, end = time.monotonic(), time.monotonic() + 60 * minutes
    while (left := end - time.monotonic()) > 5:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            command = [sys.executable, str(Path(__file__).resolve()), "worker", name, str(seed), str(left), place]
            with (folder / "errors").open("w") as errors:
                process = subprocess.Popen(command, stdout=errors, stderr=errors)
            while process.poll() is None:
                time.sleep(0.5)
                last = folder / "last"
                if last.exists() and time.time() - last.stat().st_mtime > _SILENCE:
                    process.kill()
            part = json.loads((folder / "count.json").read_text()) if (folder / "count.json").exists() else {}
            for key in ("inputs", "refused", "read"):
                total[key] += part.get(key, 0)
            for key in ("lines", "ran"):
                total[key] = max(total[key], part.get(key, 0))
            total["findings"] += part.get("findings", [])
            for path in folder.glob("finding-*"):
                _keep(name, path.read_bytes())
            if process.returncode:
                error = (folder / "errors").read_text(errors="replace")[-200:]
                total["findings"].append(f"the process ended with {process.returncode} {error}".strip())
                if (folder / "last").exists():
                    _keep(name, (folder / "last").read_bytes())
        seed += 10_000
    total["coverage"] = 100 * total.pop("ran") / max(total["lines"], 1)
    return total | {"minutes": (time.monotonic() - began) / 60}


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python -m scripts.reliability.fuzz", __doc__)
    made.add_argument("--minutes", type=number(float), default=10.0, help="for each reader (%(default)g)")
    made.add_argument("--seed", type=number(int), default=0, help="of the first round (%(default)s)")
    made.add_argument(
        "--readers", type=some_of(*READERS), default=",".join(READERS), metavar="NAME,NAME", help="(%(default)s)"
    )
    return made


def main(arguments: list[str]) -> int:
    """Fuzz the readers and write the findings; returns 5 if there is one."""
    if arguments[:1] == ["worker"]:
        name, seed, seconds, folder = arguments[1:]
        return _worker(name, int(seed), float(seconds), Path(folder))
    options = parser().parse_args(arguments)
    readers = {}
    for name in options.readers:
        readers[name] = campaign(name, options.minutes, options.seed)
        print(name, json.dumps(readers[name]), flush=True)
    from scripts.reliability.report import write

    path = Path("results") / "reliability" / "fuzz.json"
    before = json.loads(path.read_text())["readers"] if path.is_file() else {}
    facts = origin("python -m scripts.reliability.fuzz", arguments) | {"seconds": SECONDS, "memory": MEMORY_GIB}
    write(Path("results"), "fuzz", facts | {"readers": before | readers})
    return 5 if any(found["findings"] for found in readers.values()) else 0


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
