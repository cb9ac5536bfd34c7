"""Masks and wavelets that come from files: what is read, what is refused, and what names the run."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from sgdj.data.acquisition_files import built_acquisition, read_mask_file, read_wavelet
from sgdj.errors import InputError
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.modes.checks import prepared_data
from sgdj.modes.cli import main
from sgdj.modes.plan import plan
from sgdj.runtime.draws import Draws

LINES = np.array([0, 1, 1, 0, 1], dtype=np.int64)


def write(path: Path, values: np.ndarray, name: str = "mask") -> Path:
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, **{name: values})
    else:
        with h5py.File(path, "w") as file:
            file[name] = values
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".hdf5"])
@pytest.mark.parametrize("form", [LINES, LINES.astype(bool), LINES.reshape(1, 1, 5, 1) * 1.0, np.tile(LINES, (3, 1))])
def test_every_kind_of_file_gives_its_mask(suffix, form, tmp_path):
    assert read_mask_file(write(tmp_path / f"own{suffix}", form), "columns") == {"mask_lines": (0, 1, 1, 0, 1)}


def broken(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that hold no mask, and what is said of each."""
    (folder / "text.npy").write_text("0 1 1")
    (folder / "own.mat").write_bytes(b"MATLAB 5.0")
    np.save(folder / "pickled.npy", np.array([{"a": 1}], dtype=object))  # NumPy pickles objects
    return {
        "missing": (folder / "none.npy", "no such file"),
        "folder": (folder, "no such file"),
        "format": (folder / "own.mat", "unknown format .mat"),
        "text": (folder / "text.npy", "no NumPy array begins here"),
        "objects": (folder / "pickled.npy", "Python objects"),
        "name": (write(folder / "other.npz", LINES, "lines"), "no array 'mask'"),
        "dataset": (write(folder / "other.h5", LINES, "lines"), "the dataset is missing"),
        "nan": (write(folder / "nan.npy", np.array([0, np.nan, 1.0])), "1 values that are neither 0 nor 1"),
        "weights": (write(folder / "half.npz", np.array([0.5, 1.0])), "1 values that are neither 0 nor 1"),
        "none": (write(folder / "zeros.h5", np.zeros(4)), "samples no line"),
        "space": (write(folder / "space.npy", np.ones((2, 3, 4))), "has shape (2, 3, 4)"),
    }


def test_what_is_no_mask_is_refused_with_its_place(tmp_path):
    for path, what in broken(tmp_path).values():
        with pytest.raises(InputError) as error:
            read_mask_file(path, "columns")
        assert what in error.value.what
        assert str(path) in error.value.where
        assert error.value.mend


@pytest.mark.parametrize("operator", ["fourier", "multicoil"])
def test_a_file_of_points_is_measured_with(operator, tmp_path):
    points = np.random.default_rng(0).random((32, 32)) < 0.3
    path = write(tmp_path / "own.npz", points[None, ..., None])
    acquisition = built_acquisition(settings(f"operator={operator}", f"operator.mask_file={path}").settings)
    assert acquisition.by_points
    made = acquisition.operator((32, 32), ("a",), Draws(0))
    encoding = made.encoding if operator == "multicoil" else made
    assert np.array_equal(encoding.points, points)
    with pytest.raises(InputError, match="the mask has 32 x 32 points and the image 32 x 30"):
        acquisition.operator((32, 30), ("a",), Draws(0))


def settings(*overrides: str):
    return load(parse(["task=mri", "scale=smoke", *overrides]))


def test_the_mask_of_a_file_is_measured_with(tmp_path):
    lines = np.arange(32) % 3 == 0
    path = write(tmp_path / "own.npy", lines)
    acquisition = built_acquisition(settings(f"operator.mask_file={path}").settings)
    assert acquisition.operator((32, 32), ("a",), Draws(0)).lines.tolist() == lines.tolist()
    given = "operator.mask_lines=[" + ",".join(str(int(one)) for one in lines) + "]"
    assert built_acquisition(settings(given).settings) == acquisition


def test_the_content_of_the_file_names_the_run(tmp_path):
    path = write(tmp_path / "own.npy", np.arange(32) % 3 == 0)
    job = settings(f"operator.mask_file={path}", f"dataset.directory={tmp_path}")
    before = plan(job).key
    assert plan(job).key == before != plan(settings(f"dataset.directory={tmp_path}")).key
    write(path, np.arange(32) % 4 == 0)
    assert plan(job).key != before


def test_a_mask_of_another_length_is_told_before_a_run(tmp_path):
    path = write(tmp_path / "own.npy", np.ones(31))
    planned = plan(settings(f"operator.mask_file={path}", f"dataset.directory={tmp_path / 'data'}"))
    with pytest.raises(InputError, match="the mask has 31 lines and the image 32 columns"):
        prepared_data(planned)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("operator.mask_file=none.npy", "error: no such file: none.npy, operator.mask_file: "),
        ("operator.mask_file=zeros.npy", "samples no line, operator.mask_file=zeros.npy: mark the columns"),
        ("operator.mask_file=short.npy", "error: the mask has 5 lines and the image 32 columns"),
        ("operator.mask_lines=[0,0]", "samples no line, operator.mask_lines: mark the columns"),
        ("operator.mask_lines=[0,2]", "1 values that are neither 0 nor 1, operator.mask_lines: store 0 and 1"),
    ],
)
def test_the_command_line_tells_it_in_one_line(case, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(Path("zeros.npy"), np.zeros(32))
    write(Path("short.npy"), LINES)
    assert main(["task=mri", "scale=smoke", "logger=none", case]) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error:")]
    assert said in line
    assert not (tmp_path / "outputs").exists()


WAVELET = np.array([0.0, 1.0, -4.0, 2.0])


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".txt", ".csv"])
def test_every_kind_of_file_gives_its_wavelet(suffix, tmp_path):
    path = tmp_path / f"own{suffix}"
    if suffix in (".txt", ".csv"):
        path.write_text("# amplitude\n0, 1, -4.0e0 2 # last\n")
    else:
        write(path, WAVELET.reshape(-1, 1), "wavelet")
    assert read_wavelet(path) == (0.0, 0.25, -1.0, 0.5)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("1 2 three", "not a list of numbers"), ("", "of shape"), ("nan 1", "not finite"), ("0 0 0", "is zero"),
        ("0 1\n0.004 2\n", "2 lines of up to 2 numbers"), ("1 " * 600_000, "more than 1000000 bytes"),
    ],
    ids=["words", "empty", "nan", "zero", "times", "long"],
)  # fmt: skip
def test_text_that_is_no_wavelet_is_refused(content, what, tmp_path):
    path = tmp_path / "own.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=what) as error:
        read_wavelet(path)
    assert error.value.where == f"operator.wavelet_file={path}"


def test_a_wavelet_file_is_measured_with_and_names_the_run(tmp_path):
    path = write(tmp_path / "own.npy", WAVELET)
    given = ["task=seismic", "scale=smoke", f"dataset.directory={tmp_path}"]
    job = load(parse([*given, f"operator.wavelet_file={path}"]))
    acquisition = built_acquisition(job.settings)
    assert acquisition.kernel().tolist() == [0.0, 0.25, -1.0, 0.5]
    before = plan(job).key
    assert before != plan(load(parse(given))).key
    write(path, WAVELET[::-1])
    assert plan(job).key != before


def test_an_estimated_wavelet_is_written_for_use(tmp_path, capsys):
    from scripts.data import main as data

    traces = np.random.default_rng(0).normal(size=(200, 5))
    section, target = write(tmp_path / "line.npy", traces), tmp_path / "wavelet.npy"
    assert data(["wavelet", str(section), str(target), "--taps", "21"]) == 0
    assert f"operator.wavelet_file={target}" in capsys.readouterr().out
    assert len(read_wavelet(target)) == 21
    with pytest.raises(InputError, match="the file exists"):
        data(["wavelet", str(section), str(target)])
    with pytest.raises(InputError, match="22 taps of traces of 200 samples"):
        data(["wavelet", str(section), str(tmp_path / "other.npy"), "--taps", "22"])
