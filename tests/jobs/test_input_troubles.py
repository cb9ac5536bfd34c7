"""Ways in which input is wrong, each with the outcome it must have, through the command line.

The numbers are those of a catalogue of fifty: 1-17 configuration, 18-34 data; see test_run_troubles.py for the others.
"""

import os

import h5py
import numpy as np
import pytest
import torch

from sgdj.data.fastmri_layout import write_volume
from tests.conftest import QUIET, SMOKE


def volumes(folder, shapes=((32, 32),) * 4, slices=2):
    """Create a flat folder of volumes in the fastMRI layout."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i, shape in enumerate(shapes):
        kspace = rng.normal(size=(slices, *shape)) + 1j * rng.normal(size=(slices, *shape))
        write_volume(folder / f"file{i}.h5", kspace, shape, acquisition="TEST", patient_id=str(i))


def edited(edit):
    """Create volumes of which one file is edited."""

    def make(folder):
        volumes(folder)
        with h5py.File(folder / "file1.h5", "a") as file:
            edit(file)

    return make


def change(**datasets):
    """Replace or remove datasets of one file."""

    def edit(file):
        for name, value in datasets.items():
            del file[name]
            if value is not None:
                file[name] = value

    return edited(edit)


def put(name, index, value):
    """Change values of one file."""
    return edited(lambda file: file[name].__setitem__(index, value))


def truncated(folder):
    volumes(folder)
    path = folder / "file1.h5"
    path.write_bytes(path.read_bytes()[:2000])


def wrong_split(folder):
    """Put one volume into both halves, under another name and without its first slice."""
    volumes(folder / "singlecoil_train")
    (folder / "singlecoil_val").mkdir()
    rng = np.random.default_rng(1)
    with h5py.File(folder / "singlecoil_train" / "file1.h5") as file:
        kspace = file["kspace"][1:]
    for i, values in enumerate((kspace, rng.normal(size=kspace.shape))):
        path = folder / "singlecoil_val" / f"other{i}.h5"
        write_volume(path, values, (32, 32), acquisition="TEST", patient_id=str(i))


def redefined(kind):
    """Replace k-space by a link, or by a declaration of absurd size."""

    def edit(file):
        del file["kspace"]
        if kind == "external":
            file.create_dataset("kspace", (2, 32, 32), "c8", external=[("/etc/hostname", 0, 16384)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape=(2, 32, 32), dtype="c8")
            layout[:] = h5py.VirtualSource("file0.h5", "kspace", shape=(2, 32, 32))
            file.create_virtual_dataset("kspace", layout)
        else:
            file.create_dataset("kspace", (2**18, 2**10, 2**10), "c8", chunks=(1, 64, 64))

    return edited(edit)


CONFIGURATION = [
    (1, ["trainer.lrr=0.1"], "unknown key, trainer.lrr: did you mean trainer.lr?"),
    (2, ["strategy=dropout"], "no option dropout, command line: strategy: choose one of adversarial, firm, "),
    (3, ["trainer.lr=fast"], "'fast' must be a number, trainer.lr"),
    (4, ["trainer.lr="], "'' must be a number, trainer.lr"),
    (5, ["trainer.lr=nan"], "nan must be finite, trainer.lr"),
    (6, ["attack.epsilon=-1"], "-1 must be at least 0.0, attack.epsilon"),
    (7, ["strategy=jitter", "sigma=-0.1"], "-0.1 must be at least 0.0, strategy.sigma"),
    (8, ["attack.steps=2.5"], "2.5 must be a whole number, attack.steps"),
    (8, ["attack.steps=0"], "0 must be at least 1, attack.steps"),
    (9, ["dataset=fastmri"], "no value, dataset.root: set dataset.root=VALUE"),
    (10, ["trainer.batch_size=0"], "0 must be at least 1, trainer.batch_size"),
    (10, ["trainer.batch_size=100000"], "100000 exceeds the 192 training images, trainer.batch_size"),
    (11, ["architecture.iterations=0"], "0 must be at least 1, architecture.iterations"),
    (12, ["operator.acceleration=0.5"], "0.5 must be at least 1.0, operator.acceleration"),
    (12, ["operator.center_fraction=0"], "0 must be above 0.0, operator.center_fraction"),
    (12, ["operator.center_fraction=0.5"], "acceleration 4 cannot be reached with a centre fraction of 0.5"),
    (13, ["seed=-1"], "-1 must be at least 0, seed"),
    (14, ["task=mri", "operator=convolution"], "operator convolution does not fit task mri, operator"),
    (15, ["device=gpu"], "'gpu' is not valid, device"),
    (18, ["dataset=fastmri", "dataset.root=nowhere"], "no such folder: nowhere, dataset.root"),
]


@pytest.mark.parametrize(("number", "arguments", "line"), CONFIGURATION, ids=lambda v: str(v)[:40])
def test_configuration(cli, tmp_path, number, arguments, line):
    code, out, err = cli(*arguments, "scale=small")
    assert (code, out) == (2, "")
    assert f"error: {line}" in err
    assert err.count("\n") == 1
    assert not [p for p in tmp_path.iterdir() if p.name != "data"]


DATA = [
    (19, lambda folder: folder.mkdir(), "no .h5 file, dataset.root=root"),
    (20, lambda folder: volumes(folder / "singlecoil_train"), "no .h5 file"),
    (20, wrong_split, "(there as file1.h5)"),
    (21, truncated, "the file is truncated, root/file1.h5"),
    (22, change(kspace=None), "the dataset is missing, root/file1.h5:kspace: the file holds ismrmrd_header, reconst"),
    (23, change(kspace=np.zeros((2, 32, 32))), "the dataset has type float64, root/file1.h5:kspace: complex"),
    (24, change(kspace=np.zeros((2, 4, 32, 32), np.complex64)), "has shape (2, 4, 32, 32), root/file1.h5:kspace: 3"),
    (25, change(kspace=np.zeros((0, 32, 32), np.complex64)), "the volume has no slices"),
    (26, put("kspace", (1, 3, slice(4, 7)), np.nan), "slice 1 holds 3 values that are NaN or infinite, root/file1.h5"),
    (28, change(reconstruction_esc=np.ones((2, 40, 40), np.float32)), "reconstruction_esc has shape (2, 40, 40)"),
    (29, lambda folder: volumes(folder, ((8, 8),) * 4), "smaller than the SSIM window"),
    (30, redefined("external"), "keeps its data outside the file, root/file1.h5:kspace"),
    (30, redefined("virtual"), "keeps its data outside the file, root/file1.h5:kspace"),
    (31, redefined("absurd"), "the dataset declares"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "make", "line"), DATA, ids=[f"{d[0]}-{i}" for i, d in enumerate(DATA)])
def test_data(cli, tmp_path, number, make, line):
    make(tmp_path / "root")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    arguments = ("task=mri", "scale=smoke", "dataset=fastmri", "dataset.root=root", "dataset.crop=null", *QUIET)
    code, out, err = cli(*arguments, "dataset.slice_offsets=null")
    assert (code, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_16_and_17_a_missing_gpu_is_never_replaced(cli, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = cli(*SMOKE, "device=cuda")
    assert (code, err.count("\n")) == (2, 1)
    assert "no CUDA device is available, device: use device=cpu" in err
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    code, _, err = cli(*SMOKE, "device=cuda:7")
    assert (code, err.count("\n")) == (2, 1)
    assert "cuda:7" in err
    assert not list(tmp_path.iterdir())


def test_27_and_33_are_notes(cli, tmp_path):
    """An all-zero slice and stray files are told and left out."""
    volumes(tmp_path / "root", slices=3)
    with h5py.File(tmp_path / "root" / "file1.h5", "a") as file:
        file["reconstruction_esc"][1] = 0
    (tmp_path / "root" / "notes.txt").write_text("not data")
    arguments = ("task=mri", "scale=smoke", "dataset=fastmri", "dataset.root=root", "dataset.crop=null", *QUIET)
    code, _, err = cli(*arguments, "dataset.slice_offsets=null")
    assert code == 0
    assert "note: file1.h5: excluded 1 all-zero slices [1]" in err
    assert "note: root: passed over notes.txt" in err


def test_32_pickled_arrays_are_refused(cli, tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/harm",)

    np.savez(tmp_path / "model.npz", model=np.array([Hostile()], dtype=object))
    code, out, err = cli("task=seismic", "scale=smoke", "dataset=section", "dataset.path=model.npz", *QUIET)
    assert (code, out) == (2, "")
    assert "without pickle" in err
    assert err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def test_34_a_mask_without_a_line(cli, tmp_path):
    assert cli("task=mri", "scale=smoke", "run_dir=run", *QUIET)[0] == 0
    volumes(tmp_path / "in")
    with h5py.File(tmp_path / "in" / "file1.h5", "a") as file:
        file["mask"] = np.zeros(32, bool)
    arguments = ("mode=reconstruct", "checkpoint=run/checkpoints/best.ckpt", "input=in/file1.h5", "output=out")
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert "the mask has shape (32,), 0 lines, in/file1.h5" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
