"""Files that `describe` calls usable can be run on, and `convert` leaves whole files or none."""

import shlex

import h5py
import numpy as np
import pytest
import segyio
import tifffile
from PIL import Image

from scripts import data
from scripts.common import status
from sgdj.config.instantiate import build
from sgdj.data.fastmri_layout import write_volume
from sgdj.data.fft import image_to_kspace
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load

RNG = np.random.default_rng(0)


def script(capfd, *arguments):
    """The script in this process: exit code, stdout, stderr."""
    capfd.readouterr()
    code = status(lambda: data.main([str(one) for one in arguments]))
    return (code, *capfd.readouterr())


def photograph(seed=0, shape=(40, 44)):
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


def kspace_file(path, seed=0, slices=2, size=24):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    kspace = rng.normal(size=(slices, 40, 32)) + 1j * rng.normal(size=(slices, 40, 32))
    write_volume(path, kspace, (size, size), acquisition="TEST", patient_id=str(seed))


def assorted(root):
    """Create files of many kinds, in folders with names that need quotes."""
    for i in range(4):
        kspace_file(root / "my knees, R=4" / f"file{i}.h5", i)
        kspace_file(root / "halves" / ("singlecoil_train" if i < 2 else "singlecoil_val") / f"file{i}.h5", i)
    (root / "my knees, R=4" / "file3.h5").rename(root / "my knees, R=4" / "FILE3.H5")
    kspace_file(root / "alone" / "it's.h5", 9)
    kspace_file(root / "mixed" / "good.h5", 3)
    (root / "mixed" / "bad.h5").write_bytes(b"x")
    kspace_file(root / "mask" / "test.h5", 4)
    with h5py.File(root / "mask" / "test.h5", "a") as file:
        del file["reconstruction_esc"]
        file["mask"] = np.where(np.arange(32) == 3, np.nan, 1.0)
    (root / "photos" / "sub").mkdir(parents=True)
    for i, name in enumerate(("a b.JPG", "c=1.png", "d.jpeg", "e,f.TIFF")):
        image = Image.fromarray(photograph(i))
        image.save(root / "photos" / name, **({"compression": "tiff_lzw"} if "TIFF" in name else {}))
    Image.fromarray(photograph(7)).save(root / "photos" / "sub" / "one.png")
    Image.fromarray(np.full((30, 30), 9, np.uint8)).save(root / "flat.png")
    np.savez(root / "model (1).npz", vp=2 + RNG.random((150, 900)))
    np.savez(root / "odd.npz", whatever=2 + RNG.random((60, 200)), other=np.ones(3))
    np.savez(root / "small.npz", vp=2 + RNG.random((60, 90)))
    segyio.tools.from_array2D(root / "line #1.SGY", RNG.normal(size=(300, 64)).astype(np.float32), dt=2000)
    np.save(root / "complex.npy", RNG.normal(size=(2, 20, 20)) + 1j)
    (root / "notes.txt").write_text("x")


def test_every_printed_line_works(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assorted(tmp_path / "in")
    code, out, err = script(capfd, "describe", "in")
    assert (code, err) == (5, "")
    lines = [shlex.split(line, comments=True) for line in out.splitlines() if line.startswith("    python ")]
    used = 0
    for _, program, *arguments in lines:
        if program != "run.py":
            continue
        mode = next((a.removeprefix("mode=") for a in arguments if a.startswith("mode=")), "train")
        kept = [a for a in arguments if a.split("=")[0] not in ("mode", "checkpoint", "output")]
        if mode == "reconstruct":
            (path,) = parse(kept)
            assert (tmp_path / path.value()).exists()
            continue
        if mode == "evaluate":
            kind = "mri" if "dataset=fastmri" in kept else "denoising"
            kept = [f"task={kind}", *(a for a in kept if a != "dataset.partition=none")]
        config = load(parse([*kept, "scale=smoke"])).settings
        if mode == "evaluate":
            assert "dataset.partition=none" in arguments
            config = config.changed("dataset.partition", "none")
        source = build(config, "dataset")
        source.prepare()
        for split in ("test",) if mode == "evaluate" else ("train", "val", "test"):
            assert len(source.images(split)) > 0
        used += 1
    text = "\n".join(" ".join(line) for line in lines)
    assert used == 8
    names = (
        "my knees, R=4",
        "halves",
        "alone",
        "photos",
        "one.png",
        "model (1).npz",
        "dataset.key=whatever",
        "line #1.SGY",
    )
    assert [name for name in names if name not in text] == []
    assert "mixed" not in "\n".join(" ".join(line) for line in lines if "mode=reconstruct" not in line)
    assert "flat.png (0.00 MiB): cannot be used: the image is constant" in out
    assert "1 values that are neither 0 nor 1" in out
    assert "are too few to be cut" in out
    assert "complex.npy (0.01 MiB): usable to convert" in out


@pytest.mark.parametrize("kind", ["mri", "denoising", "seismic"])
def test_a_printed_line_trains(cli, tmp_path, capfd, kind):
    root = tmp_path / "a folder, of mine"
    root.mkdir()
    if kind == "mri":
        for i in range(3):
            kspace_file(root / f"f={i}.h5", i)
    elif kind == "denoising":
        for i in range(3):
            Image.fromarray(photograph(i)).save(root / f"p {i}.jpg")
    else:
        np.savez(root / "model.npz", vp=2 + RNG.random((60, 300)))
    out = script(capfd, "describe", root.relative_to(tmp_path))[1]
    line = next(line for line in out.splitlines() if line.startswith("    python run.py task="))
    arguments = shlex.split(line)[2:]
    assert cli(*arguments, "scale=smoke", "logger=none", "evaluation.panels=0", "epochs=1")[0] == 0


def test_paths_reach_the_terminal_without_escapes(tmp_path, capfd):
    kspace_file(tmp_path / "a\x1b[31m.h5")
    with h5py.File(tmp_path / "a\x1b[31m.h5", "a") as file:
        file.attrs["acquisition"] = "X\x1b]0;title\x07"
    _, out, _ = script(capfd, "describe", tmp_path)
    assert "\x1b" not in out
    assert "\x07" not in out


def bad_files(root):
    root.mkdir()
    np.save(root / "a-good.npy", RNG.normal(size=(3, 24, 20)) + 1j)
    Image.fromarray(photograph()).save(root / "b-good.png")
    tifffile.imwrite(root / "b-good.tiff", photograph(3), photometric="minisblack")
    array = RNG.normal(size=(2, 24, 20)) + 0j
    np.save(root / "c-5d.npy", array[None, None])
    array[1, 2, 3] = np.nan
    np.save(root / "d-nan.npy", array)
    np.save(root / "e-object.npy", np.array([{}], dtype=object))
    np.save(root / "f-zero.npy", np.zeros((20, 20), complex))
    (root / "g-broken.npy").write_bytes((root / "a-good.npy").read_bytes()[:500])
    (root / "h-broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    np.save(root / "i-negative.npy", RNG.normal(size=(20, 20)))


def test_convert_tells_of_each_bad_file_and_does_the_rest(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    bad_files(tmp_path / "in")
    code, out, err = script(capfd, "convert", "in", "out")
    assert code == 5
    assert err.count("\n") == err.count("skipped ") == 7
    assert "Traceback" not in err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a-good.h5", "b-good-png.h5", "b-good-tiff.h5"]
    assert "3 files converted, 7 skipped" in out
    code, out, err = script(capfd, "describe", "out")
    assert (code, err) == (0, "")
    assert "python run.py task=mri dataset=fastmri dataset.root=out" in out
    with h5py.File("out/a-good.h5") as file:
        assert np.allclose(file["kspace"], image_to_kspace(np.load("in/a-good.npy")), atol=1e-5)
    for path in sorted((tmp_path / "in").glob("[c-i]-*")):
        code, out, err = script(capfd, "convert", path, "other")
        assert (code, out, err.count("\n")) == (2, "", 1), path
        assert err.startswith("error: ")
        assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--matrix", "0"], "0 is out of range, --matrix: give a whole number from 1"),
        (["--matrix", "-3"], "-3 is out of range, --matrix"),
        (["--matrix", "41"], "give 40 at most"),
        (["--seed", "-1"], "give a whole number from 0 to 4294967295"),
        (["--max-gib", "0.00001"], "dataset.max_gib="),
        (["--max-gib", "0"], "0 is out of range, --max-gib: give a number above 0"),
        (["dataset.max_gib=1"], "did you mean --max-gib 1?"),
        (["dataset.size=0"], "unknown option dataset.size"),
    ],
)
def test_mistaken_settings_of_convert(tmp_path, capfd, arguments, words):
    Image.fromarray(photograph()).save(tmp_path / "a.png")
    code, out, err = script(capfd, "convert", tmp_path / "a.png", tmp_path / "out", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_convert_writes_through_no_link_and_into_no_file(tmp_path, capfd):
    Image.fromarray(photograph()).save(tmp_path / "a.png")
    (tmp_path / "file").write_text("mine")
    code, _, err = script(capfd, "convert", tmp_path / "a.png", tmp_path / "file")
    assert (code, err.count("\n")) == (2, 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.h5").symlink_to(tmp_path / "elsewhere")
    assert script(capfd, "convert", tmp_path / "a.png", tmp_path / "out")[0] == 2
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "file").read_text() == "mine"


# Ten mistakes with files: exit 2, one line, nothing written


def _undersampled(folder):
    for i in range(3):
        kspace_file(folder / f"{i}.h5", i)
        with h5py.File(folder / f"{i}.h5", "a") as file:
            file["kspace"][...] = np.where(np.arange(32) % 4 == 0, file["kspace"][()], 0)


def _twice(folder):
    folder.mkdir()
    for i in range(3):
        Image.fromarray(photograph()).save(folder / f"{i}.png")


def _segy_gather(folder):
    folder.mkdir()
    segyio.tools.from_array4D(folder / "a.sgy", RNG.normal(size=(2, 3, 4, 30)).astype(np.float32))


def _saved(name, save):
    def make(folder):
        folder.mkdir()
        save(folder / name)

    return make


FMRI, IMAGES = (
    ("task=mri", "dataset=fastmri", "dataset.root=in", "dataset.crop=null"),
    ("task=denoising", "dataset=images"),
)
SECTION = ("task=seismic", "dataset=section")


def _array(value):
    return lambda path: np.savez(path, vp=value) if path.suffix == ".npz" else np.save(path, value)


MISTAKES = [
    (_undersampled, FMRI, "differs from reconstruction_esc by"),
    (_twice, (*IMAGES, "dataset.path=in"), "the same image is in"),
    (_segy_gather, (*SECTION, "dataset.path=in/a.sgy"), "pre-stack data"),
    (_saved("a.npz", _array(np.ones((3, 4, 5)))), (*SECTION, "dataset.path=in/a.npz"), "has shape (3, 4, 5)"),
    (_saved("a.npy", _array(np.ones((300, 300), complex))), (*SECTION, "dataset.path=in/a.npy"), "complex128"),
    (_saved("a.png", lambda p: p.write_bytes(b"GIF89a")), (*IMAGES, "dataset.path=in/a.png"), "cannot be split"),
    (_saved("a.txt", lambda p: p.write_text("x")), (*IMAGES, "dataset.path=in"), "no image"),
    (_saved("a.h5", lambda p: p.mkdir()), FMRI, "no .h5 file"),
    (_saved("a.sgy", lambda p: p.write_bytes(bytes(4000))), (*SECTION, "dataset.path=in/a.sgy"), "sample format 0"),
    (_saved("a.npz", _array(np.full((300, 900), 2.0))), (*SECTION, "dataset.path=in/a.npz"), "no reflector"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "arguments", "words"), MISTAKES, ids=range(len(MISTAKES)))
def test_ten_mistakes_with_files(cli, tmp_path, make, arguments, words):
    make(tmp_path / "in")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = cli(*arguments, "scale=smoke", "logger=none")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert words in err
    assert sorted(tmp_path.rglob("*")) == before
