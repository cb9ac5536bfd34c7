"""Measured files become reconstructions on disk."""

import csv
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import segyio
import torch
from fastmri.evaluate import METRIC_FUNCS, Metrics
from PIL import Image
from tifffile import imread, imwrite

from sgdj.config.tasks import tasks
from sgdj.data.fastmri_layout import write_volume
from sgdj.data.fft import center_crop, image_to_kspace
from sgdj.errors import ExitCode, InputError, InputErrors
from sgdj.jobs.identity import renewed
from sgdj.jobs.identity import settings as deciding
from sgdj.modes import cli as cli_module
from sgdj.networks import StartingPoint
from sgdj.operators.acquisition import CartesianAcquisition, ConvolutionAcquisition, IdentityAcquisition
from sgdj.reconstruction.files import FORMATS, reconstruct
from sgdj.reconstruction.output_folder import OutputFolder
from sgdj.reporting import figures
from sgdj.runs.checkpoints import read_checkpoint, write_checkpoint
from sgdj.runtime.draws import Draws
from sgdj.runtime.text import from_cell
from tests.conftest import only_run

pytestmark = pytest.mark.figures

QUIET = ("scale=smoke", "logger=none", "trainer.threads=1", "evaluation.curve=[]", "attack=gaussian")


def train(folder: Path, *overrides: str) -> str:
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert cli_module.main([*overrides, *QUIET]) == 0
    finally:
        os.chdir(before)
    return f"checkpoint={only_run(folder)}/checkpoints/best.ckpt"


@pytest.fixture(scope="module")
def mri(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mri")
    return train(folder, "task=mri"), next(folder.glob("data/phantom-*/singlecoil_val"))


@pytest.fixture(scope="module")
def seismic(tmp_path_factory):
    return train(tmp_path_factory.mktemp("seismic"), "task=seismic")


@pytest.fixture(scope="module")
def denoising(tmp_path_factory):
    return train(tmp_path_factory.mktemp("denoising"), "task=denoising")


def test_phantom_to_fastmris_evaluate(cli, tmp_path, mri):
    checkpoint, volumes = mri
    code, out, err = cli("mode=reconstruct", checkpoint, f"input={volumes}", "output=out")
    assert code == 0
    assert err.count("no mask of its own") == 3
    metrics = Metrics(METRIC_FUNCS)
    for path in sorted(volumes.glob("*.h5")):
        with h5py.File(path) as target, h5py.File(tmp_path / "out" / path.name) as made:
            assert made["reconstruction"].shape == target["reconstruction_esc"].shape
            metrics.push(target["reconstruction_esc"][()], made["reconstruction"][()])
    rows = (tmp_path / "out" / "scores.csv").read_text().splitlines()
    assert len(rows) == 4
    ours = np.mean([float(row.split(",")[1]) for row in rows[1:]])
    assert ours == pytest.approx(metrics.means()["PSNR"], rel=1e-5)
    assert out.count("psnr") == 3


def test_masked_files_of_real_size_without_reference(cli, tmp_path, mri):
    """640 x 368 and 640 x 372 k-space with masks of their own, as in the fastMRI test split."""
    rng = np.random.default_rng(0)
    masks = {}
    (tmp_path / "in").mkdir()
    for i, width in enumerate((368, 372)):
        image = np.zeros((1, 640, width), complex)
        image[0, 200:440, 100:260] = 1e-4 * (1 + 0.1 * rng.normal(size=(240, 160)))
        path = tmp_path / "in" / f"file{i}.h5"
        write_volume(path, image_to_kspace(image), (320, 320), acquisition="CORPD_FBK", patient_id="x")
        masks[path.name] = rng.random(width) < 0.4
        masks[path.name][width // 2 - 10 : width // 2 + 10] = True
        with h5py.File(path, "a") as file:
            file["kspace"][...] = np.where(masks[path.name], file["kspace"][()], 0)
            file["mask"] = masks[path.name].astype(np.uint8)
            del file["reconstruction_esc"], file["reconstruction_rss"]
    code, _, err = cli("mode=reconstruct", mri[0], "input=in", "output=out")
    assert (code, err) == (0, "")
    for name in masks:
        with h5py.File(tmp_path / "out" / name) as file:
            made = file["reconstruction"][()]
        assert made.shape == (1, 320, 320)
        assert 1e-5 < made.max() < 1e-2  # the file's scale, not the network's
        inside = made[0, 60:260, 100:200].mean()
        assert inside > 3 * made[0, :30].mean()
    assert not (tmp_path / "out" / "scores.csv").exists()


def test_unreadable_files_are_named_skipped_and_counted(cli, tmp_path, mri):
    checkpoint, volumes = mri
    (tmp_path / "in").mkdir()
    good = next(volumes.glob("*.h5"))
    (tmp_path / "in" / good.name).write_bytes(good.read_bytes())
    (tmp_path / "in" / "bad.h5").write_bytes(good.read_bytes()[:2000])
    code, out, err = cli("mode=reconstruct", checkpoint, "input=in", "output=out")
    assert code == 5
    assert "skipped bad.h5" in err
    assert "1 files skipped" in out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        good.name,
        "panels",
        "reconstruction.json",
        "scores.csv",
    ]
    assert [p.name for p in (tmp_path / "out" / "panels").iterdir()] == [f"{good.stem}.png"]
    before = (tmp_path / "out" / good.name).stat().st_mtime_ns
    (tmp_path / "in" / "bad.h5").unlink()
    code, _, err = cli("mode=reconstruct", checkpoint, "input=in", "output=out")
    assert code == 0
    assert "reconstructed before" in err
    assert (tmp_path / "out" / good.name).stat().st_mtime_ns == before


def test_segy_keeps_its_headers(cli, tmp_path, seismic):
    traces = np.random.default_rng(0).normal(size=(20, 60)).astype(np.float32) * 1e3
    (tmp_path / "in").mkdir()
    segyio.tools.from_array2D(tmp_path / "in" / "line.sgy", traces, dt=2000)
    with segyio.open(tmp_path / "in" / "line.sgy", "r+", ignore_geometry=True) as file:
        file.header[3] = {segyio.TraceField.CDP_X: 77}
    np.savez(tmp_path / "in" / "plain.npz", data=traces.T)
    code, _, err = cli("mode=reconstruct", seismic, "input=in", "output=out", "evaluation.panels=0")
    assert (code, err) == (0, "")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["line.sgy", "plain.npz", "reconstruction.json"]
    with segyio.open(tmp_path / "out" / "line.sgy", ignore_geometry=True) as file:
        made = file.trace.raw[:]
        assert file.header[3][segyio.TraceField.CDP_X] == 77
        assert file.bin[segyio.BinField.Interval] == 2000
    assert made.shape == traces.shape
    assert not np.allclose(made, traces)
    with np.load(tmp_path / "out" / "plain.npz") as data:
        assert np.allclose(data["reconstruction"], made.T, rtol=1e-4, atol=1e-2)
    with segyio.open(tmp_path / "in" / "line.sgy", ignore_geometry=True) as file:
        assert np.array_equal(file.trace.raw[:], traces)


def test_tiff_stack(cli, tmp_path, denoising):
    stack = np.random.default_rng(0).random((3, 40, 36)).astype(np.float32)
    imwrite(tmp_path / "stack.tiff", stack, photometric="minisblack")
    code, _, err = cli("mode=reconstruct", denoising, "input=stack.tiff", "output=out")
    assert (code, err) == (0, "")
    made = imread(tmp_path / "out" / "stack.tiff")
    assert made.shape == stack.shape
    assert made.dtype == np.float32
    import sgdj

    trained = sgdj.load(denoising.removeprefix("checkpoint="))
    y = torch.from_numpy(stack[1:2])[:, None]
    expected = trained.reconstruct(y / y.max(), sgdj.Identity()) * y.max()
    assert np.allclose(made[1], expected[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["input=nowhere", "output=out"], "no such file or folder: nowhere, input"),
        (["output=out"], "no value, input"),
        (["input=.", "output=out"], "nothing to reconstruct, input=."),
        (["input=.", "output=out", "strategy=mse"], "an evaluation cannot change this"),
    ],
)
def test_mistakes(cli, tmp_path, mri, arguments, message):
    code, _, err = cli("mode=reconstruct", mri[0], *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


ACQUISITIONS = {
    "mri": CartesianAcquisition(
        noise=0.0, mask="gaussian", acceleration=2.0, center_fraction=0.2, axis="columns", masks="fixed",
        mask_adjoint=True,
    ),
    "seismic": ConvolutionAcquisition(noise=0.0, length=5, width=1.0),
    "denoising": IdentityAcquisition(noise=0.0),
}  # fmt: skip


class Call:
    """One call of `reconstruct` on ``in`` and ``out`` of a folder, without a trained network: x₀ is the result."""

    def __init__(self, top: Path, task: str) -> None:
        self.top, self.task = top, task
        (top / "in").mkdir()
        self.notes: list[str] = []

    def __call__(self, source="in", checkpoint="c" * 64, settings=None, force=False, drawn=False, network=None):
        self.notes.clear()
        with torch.no_grad():
            network = network or StartingPoint("adjoint")
        device, kinds = torch.device("cpu"), [FORMATS[name] for name in tasks()[self.task].files]
        formats = [kind(network, ACQUISITIONS[self.task], Draws(0), device, self.notes.append) for kind in kinds]
        folder = OutputFolder(self.top / "out", checkpoint, deciding(settings or {}, ()), force, renewed)
        picture = figures.file_panel if drawn else None
        return reconstruct(formats, self.top / source, folder, self.notes.append, picture)

    @property
    def outputs(self) -> dict[str, dict]:
        """Return the outputs in the folder's record."""
        return json.loads((self.top / "out" / "reconstruction.json").read_text())["outputs"]

    @property
    def files(self) -> list[str]:
        """List all files in the output folder but the record."""
        out = self.top / "out"
        found = [p.relative_to(out).as_posix() for p in out.rglob("*") if not p.is_dir()] if out.exists() else []
        return sorted(name for name in found if name != "reconstruction.json")


@pytest.fixture
def images(tmp_path):
    return Call(tmp_path, "denoising")


def gray(level: float, shape=(12, 9)) -> np.ndarray:
    return np.full(shape, level, np.float32)


def test_two_inputs_of_one_stem_have_two_outputs(images, tmp_path):
    values = (np.random.default_rng(0).random((48, 40)) * 255).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "in" / "a.png")
    imwrite(tmp_path / "in" / "a.tiff", 255 - values)
    done = images(drawn=True)
    assert not done.skipped
    assert images.files == ["a.png.tiff", "a.tiff", "panels/a.png", "panels/a.png.png"]
    assert np.allclose(imread(tmp_path / "out" / "a.png.tiff"), values / 255, atol=1e-6)
    assert np.allclose(imread(tmp_path / "out" / "a.tiff"), 1 - values / 255, atol=1e-6)
    assert {name: entry["input"] for name, entry in images.outputs.items()} == {
        "a.png.tiff": "a.png",
        "a.tiff": "a.tiff",
    }
    images(drawn=True)
    assert [note for note in images.notes if "before" in note] == [
        "a.png: reconstructed before",
        "a.tiff: reconstructed before",
    ]


def test_an_output_keeps_its_name_when_another_input_wants_it(images, tmp_path):
    Image.fromarray(np.full((9, 9), 255, np.uint8)).save(tmp_path / "in" / "a.png")
    images()
    imwrite(tmp_path / "in" / "a.tiff", gray(0.5))
    images()
    assert {name: entry["input"] for name, entry in images.outputs.items()} == {
        "a.tiff": "a.png",
        "a.tiff.tiff": "a.tiff",
    }
    assert imread(tmp_path / "out" / "a.tiff").max() == pytest.approx(1)
    assert imread(tmp_path / "out" / "a.tiff.tiff").max() == pytest.approx(0.5)


def test_names_that_a_file_system_may_take_for_one(images, tmp_path):
    for i, name in enumerate(
        ("a.tif", "A.TIF", "sub/a.tif", "Sub/A.tif", "e\u0301.tif", "\u00e9.tif", "B.JPG", "C.NPY")
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".JPG":
            Image.fromarray(np.full((9, 9), 128, np.uint8)).save(path, format="jpeg")
        elif path.suffix == ".NPY":
            with path.open("wb") as file:
                np.save(file, gray((i + 1) / 10))
        else:
            imwrite(path, gray((i + 1) / 10))
    images()
    outputs = images.outputs
    assert len(outputs) == len({name.casefold() for name in outputs}) == 8
    assert images.files == sorted(outputs)
    levels = {entry["input"]: name for name, entry in outputs.items()}
    for i, name in enumerate(("a.tif", "A.TIF", "sub/a.tif", "Sub/A.tif", "e\u0301.tif", "\u00e9.tif")):
        assert imread(tmp_path / "out" / levels[name]).max() == pytest.approx((i + 1) / 10)
    assert levels["B.JPG"] == "B.tiff"
    assert np.load(tmp_path / "out" / levels["C.NPY"]).max() == pytest.approx(0.8)
    assert sum("PNG and JPEG cannot hold" in note for note in images.notes) == 1


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.tif", b"$\\foo$.tif", b"n" * 246 + b".tif", b"p" * 251 + b".png", b"a\nb\x1b[2J.tif"]
)
def test_any_name(images, tmp_path, name):
    path = tmp_path / "in" / os.fsdecode(name)
    if path.suffix == ".png":
        with path.open("wb") as file:
            Image.fromarray(np.full((9, 9), 128, np.uint8)).save(file, format="png")
    else:
        with path.open("wb") as file:
            imwrite(file, gray(0.5))
    done = images(drawn=True)
    assert (done.skipped, done.failed) == ([], {})
    (output,) = images.outputs
    with (tmp_path / "out" / output).open("rb") as file:
        assert imread(file).max() == pytest.approx(0.5, abs=0.01)
    assert len(images.files) == 2
    images(drawn=True)
    assert any("reconstructed before" in note for note in images.notes)


def test_the_record_of_an_older_version_is_understood(images, tmp_path):
    """It names classes by their modules, and settings at their defaults."""
    imwrite(tmp_path / "in" / "a.tif", gray(0.5))
    operator = {"_target_": "sgdj.operators.CartesianAcquisition", "name": "fourier", "acceleration": 4.0}
    images(settings={"operator": operator})
    path = tmp_path / "out" / "reconstruction.json"
    record = json.loads(path.read_text())
    assert record["settings"] == {
        "operator._target_": "operator/fourier",
        "operator.name": "fourier",
        "operator.acceleration": 4,
    }
    record["settings"] = {f"operator.{name}": value for name, value in operator.items()}
    path.write_text(json.dumps(record))
    done = images(settings={"operator": operator | {"noise_support": "measured"}})
    assert (done.skipped, done.failed) == ([], {})
    assert any("reconstructed before" in note for note in images.notes)


def test_another_network_or_setting_never_finds_them_done(images, tmp_path):
    imwrite(tmp_path / "in" / "a.tif", gray(0.5))
    network = {"_target_": "sgdj.networks.ProximalGradient"}
    settings = {"operator": {"acceleration": 4}, "architecture": network}
    images(settings=settings)
    before = (tmp_path / "out" / "a.tif").stat().st_mtime_ns
    with pytest.raises(InputErrors, match=r"with checkpoint cccccccccccc, and this one is dddddddddddd, output="):
        images(settings=settings, checkpoint="d" * 64)
    with pytest.raises(InputErrors, match=r"with operator.acceleration = 4, here 8, output="):
        images(settings=settings | {"operator": {"acceleration": 8}})
    assert (tmp_path / "out" / "a.tif").stat().st_mtime_ns == before
    images(settings=settings | {"architecture": network | {"checkpointing": True, "noise_step": "step"}})  # no change
    imwrite(tmp_path / "in" / "b.tif", gray(0.5))
    images(settings=settings, checkpoint="d" * 64, force=True)
    assert "removed 1 reconstructions of another network" in images.notes
    assert images.files == ["a.tif", "b.tif"]
    assert json.loads((tmp_path / "out" / "reconstruction.json").read_text())["checkpoint"] == "d" * 64
    with pytest.raises(InputErrors, match=r"would leave 1 of them, output=.*: choose another folder"):
        images(source="in/a.tif", force=True)


def test_changed_inputs_and_outputs_are_told(images, tmp_path):
    path, made = tmp_path / "in" / "a.tif", tmp_path / "out" / "a.tif"
    imwrite(path, gray(0.5))
    images()
    imwrite(path, gray(0.25))
    with pytest.raises(InputErrors, match=r"a.tif had other content when this was made of it"):
        images()
    images(force=True)
    assert imread(made).max() == pytest.approx(0.25)
    imwrite(made, gray(0.75))  # somebody edits the output
    for force in (False, True):
        with pytest.raises(InputErrors, match=r"has changed since it was written, .*a.tif: .*move it away"):
            images(force=force)
    made.unlink()
    images()
    assert imread(made).max() == pytest.approx(0.25)


def test_what_is_no_output_of_ours_is_not_replaced(images, tmp_path):
    imwrite(tmp_path / "in" / "a.tif", gray(0.5))
    (tmp_path / "out" / "panels").mkdir(parents=True)
    (tmp_path / "mine").write_text("mine")
    for name in ("a.tif", "panels/a.png"):
        for make in (Path.symlink_to, Path.hardlink_to):
            make(tmp_path / "out" / name, tmp_path / "mine")
            with pytest.raises(InputErrors, match="a file of this name was there before"):
                images(drawn=True, force=True)
            (tmp_path / "out" / name).unlink()
    (tmp_path / "out" / "panels").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "panels").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputErrors, match="panels is a link"):
        images(drawn=True)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not list((tmp_path / "elsewhere").iterdir())
    assert images.files == []


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"checkpoint": 1}',
        '{"checkpoint": "", "settings": {}, "format": 2}',
        *(
            json.dumps(
                {
                    "checkpoint": "c" * 64,
                    "settings": {},
                    "outputs": {name: {"input": "a.tif", "input_sha256": "", "sha256": ""}},
                }
            )
            for name in ("../mine", ".git/hooks/x", ".bashrc", "sub/a.tif", "./scores.csv", "", ".", "x" * 300 + ".tif")
        ),
    ],
)
def test_a_record_that_cannot_be_believed(images, tmp_path, content):
    imwrite(tmp_path / "in" / "a.tif", gray(0.5))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "reconstruction.json").write_text(content)
    with pytest.raises(InputError, match=r"record of what is there cannot be read, .*reconstruction.json"):
        images()
    assert images.files == []


def test_leftovers_of_a_killed_call_go_and_nothing_else(images, tmp_path):
    imwrite(tmp_path / "in" / "a.tif", gray(0.5))
    for name in (".reconstructing-abcd1234", ".reconstructing-mine", ".a.tmp", "notes"):
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "made.tif").write_text("x")
    images()
    assert images.files == [".a.tmp/made.tif", ".reconstructing-mine/made.tif", "a.tif", "notes/made.tif"]


def test_a_second_call_waits_for_no_lock(images, tmp_path):
    imwrite(tmp_path / "in" / "a.tif", gray(0.5))
    with (
        OutputFolder(tmp_path / "out", "", {}, False, renewed).held(),
        pytest.raises(InputError, match="another call is at work"),
    ):
        images()


class Faulty(torch.nn.Module):
    """Fails where the image is 0.5 high before scaling, in one of several ways."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error, self.calls = error, 0

    def forward(self, y, operator):
        self.calls += 1
        if self.calls == 2:
            raise self.error
        return y


@pytest.mark.parametrize(("error", "code"), [(ValueError("odd"), ExitCode.FAULT), (MemoryError(), ExitCode.RESOURCES)])
def test_a_failure_is_named_and_the_rest_is_done(images, tmp_path, capfd, error, code):
    for name in "abc":
        imwrite(tmp_path / "in" / f"{name}.tif", gray(0.5))
    done = images(network=Faulty(error))
    assert done.failed == {"b.tif": code}
    assert images.files == ["a.tif", "c.tif"]
    _, err = capfd.readouterr()
    assert err.count("\n") == 1
    assert "b.tif" in err
    assert ("a fault of this program (ValueError: odd)" if code is ExitCode.FAULT else "out of memory") in err
    images()
    assert images.files == ["a.tif", "b.tif", "c.tif"]
    assert images.notes == ["a.tif: reconstructed before", "c.tif: reconstructed before"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_stop_leaves_what_is_finished_and_nothing_partial(images, tmp_path, error):
    for name in "abc":
        imwrite(tmp_path / "in" / f"{name}.tif", gray(0.5))
    with pytest.raises(type(error)):
        images(network=Faulty(error))
    assert images.files == ["a.tif"]
    assert not [p for p in (tmp_path / "out").iterdir() if p.name.startswith(".")]


def test_a_single_file_that_fails_leaves_nothing(images, tmp_path):
    (tmp_path / "in" / "a.tif").write_bytes(b"no image")
    with pytest.raises(InputError):
        images(source="in/a.tif")
    assert not (tmp_path / "out").exists()


def test_outputs_do_not_lie_among_inputs(images, tmp_path):
    Image.fromarray(np.full((9, 9), 128, np.uint8)).save(tmp_path / "in" / "a.png")
    images.top = tmp_path / "in"
    (tmp_path / "in" / "out").symlink_to(".")
    with pytest.raises(InputError, match="among the inputs"):
        images(source=".")
    (tmp_path / "in" / "out").unlink()
    images(source=".")  # a folder inside the input is passed over
    images(source=".")
    assert images.notes == ["a.png: reconstructed before"]


def write_kspace(path: Path, shape: tuple[int, int, int], reference: tuple[int, int, int] | None = None) -> None:
    """A volume whose reference, of another shape, is cropped or padded at its centre, with slices of zeros added."""
    rows, columns = np.mgrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    image = np.stack([(rows**2 + columns**2 < 0.5) + np.exp(-8 * (rows**2 + columns**2)) * i for i in range(shape[0])])
    with h5py.File(path, "w") as file:
        file["kspace"] = image_to_kspace(image).astype(np.complex64)
        if reference is not None:
            image = np.pad(
                image, [(0, max(m - n, 0)) for n, m in zip(shape, reference, strict=True)][:1] + [(0, 0)] * 2
            )
            pads = [(max(m - n, 0) // 2, max(m - n, 0) // 2) for n, m in zip(shape[1:], reference[1:], strict=True)]
            image = center_crop(np.pad(image, [(0, 0), *pads]), (reference[1], reference[2]))
            file["reconstruction_esc"] = image.astype(np.float32)


def test_references_that_do_not_fit(tmp_path):
    call = Call(tmp_path, "mri")
    for name, shape, reference in (
        ("a", (2, 64, 48), (2, 32, 32)),
        ("b", (2, 64, 24), (2, 32, 32)),  # wider than k-space
        ("c", (2, 64, 48), (3, 32, 32)),
        ("d", (2, 64, 48), (2, 6, 6)),
        ("e", (2, 64, 48), (2, 0, 6)),
        ("f", (1, 64, 48), (1, 32, 32)),
    ):
        write_kspace(tmp_path / "in" / f"{name}.h5", shape, reference)
    with h5py.File(tmp_path / "in" / "f.h5", "a") as file:
        file["reconstruction_esc"][...] = 0
    done = call(drawn=True)
    assert (done.skipped, done.failed) == ([], {})
    shapes = {}
    for name in "abcdef":
        with h5py.File(tmp_path / "out" / f"{name}.h5") as file:
            shapes[name] = file["reconstruction"].shape
    assert shapes == {
        "a": (2, 32, 32), "b": (2, 32, 24), "c": (2, 48, 48), "d": (2, 6, 6), "e": (2, 48, 48), "f": (1, 32, 32),
    }  # fmt: skip
    assert any(note.startswith("b.h5: its reference of 32 x 32 is larger than k-space, 64 x 24") for note in call.notes)
    assert any(
        note.startswith("c.h5: its reference (3, 32, 32) does not fit k-space (2, 64, 48)") for note in call.notes
    )
    with (tmp_path / "out" / "scores.csv").open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["a.h5", "b.h5"]


def test_scores_are_rewritten_whatever_became_of_them(tmp_path):
    call = Call(tmp_path, "mri")
    for name in ("=a.h5", "b.h5"):
        write_kspace(tmp_path / "in" / name, (1, 16, 16), (1, 12, 12))
    call(source="in/=a.h5")
    (tmp_path / "out" / "scores.csv").write_bytes(b'\xff\x00,\n"')
    call()
    with (tmp_path / "out" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["file"] == "'=a.h5"
    assert [from_cell(row["file"]) for row in rows] == ["=a.h5", "b.h5"]
    assert all(np.isfinite(float(row["fastmri_psnr"])) for row in rows)


def test_a_header_that_cannot_be_believed_gives_no_size(tmp_path):
    call = Call(tmp_path, "mri")
    matrix = "<matrixSize><x>{}</x><y>8</y></matrixSize>"
    text = f'<h xmlns="http://www.ismrm.org/ISMRMRD"><encoding><reconSpace>{matrix}</reconSpace></encoding></h>'
    for name, header in (
        ("a", text.format(8)),
        ("b", text.format(-8)),
        ("c", f"<!DOCTYPE h [<!ENTITY e '8'>]>{text.format('&e;')}"),
    ):
        write_kspace(tmp_path / "in" / f"{name}.h5", (1, 16, 16))
        with h5py.File(tmp_path / "in" / f"{name}.h5", "a") as file:
            file["ismrmrd_header"] = header
    call()
    sides = []
    for name in "abc":
        with h5py.File(tmp_path / "out" / f"{name}.h5") as file:
            sides.append(file["reconstruction"].shape[1:])
    assert sides == [(8, 8), (16, 16), (16, 16)]


@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize("code", [2, 3, 5, 8])
def test_segy_keeps_headers_and_byte_order_and_integers_become_floats(tmp_path, code, endian):
    call = Call(tmp_path, "seismic")
    traces = np.round(np.random.default_rng(0).normal(size=(7, 40)) * 20)
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount, spec.sorting = code, np.arange(40) * 4, 7, None
    spec.endian = endian
    path = tmp_path / "in" / "a.sgy"
    with segyio.create(str(path), spec) as file:
        file.text[0] = segyio.create_text_header({1: "KEPT"})
        for i in range(7):
            file.header[i] = {segyio.su.tracl: i + 1, segyio.su.ns: 40, segyio.su.dt: 4000, segyio.su.cdpx: 70 + i}
            file.trace[i] = traces[i].astype(file.dtype)
        file.bin.update(hns=40, hdt=4000, format=code)
    call()
    assert sum("cannot hold the result" in note for note in call.notes) == (code != 5)
    made = tmp_path / "out" / "a.sgy"
    opened = [segyio.open(one, ignore_geometry=True, endian=endian) for one in (path, made)]
    with opened[0] as source, opened[1] as file:
        assert file.bin[segyio.BinField.Format] == 5
        assert file.dtype == np.float32
        assert {k: v for k, v in file.bin.items() if k != 3225} == {k: v for k, v in source.bin.items() if k != 3225}
        assert bytes(file.text[0]) == bytes(source.text[0])
        for i in range(7):
            assert dict(file.header[i]) == dict(source.header[i])
        values = file.trace.raw[:]
    acquisition = ACQUISITIONS["seismic"]
    y = torch.from_numpy(traces.T.copy()).float()[None, None]
    x = acquisition.operator((40, 7), [], Draws(0)).adjoint(y)[0, 0].numpy()
    assert np.allclose(values.T, x, atol=1e-3)
    assert np.abs(values - np.round(values)).max() > 0.1


def test_which_array_of_several_is_said(tmp_path):
    call = Call(tmp_path, "seismic")
    traces = np.random.default_rng(0).normal(size=(20, 6))
    np.savez(tmp_path / "in" / "a.npz", model=traces * 2, data=traces)
    np.savez(tmp_path / "in" / "b.npz", section=traces, dt=0.004)
    np.savez(tmp_path / "in" / "c.npz", one=traces, two=traces)
    np.savez(tmp_path / "in" / "d.npz", one=traces[0], dt=0.004)
    done = call()
    assert done.skipped == ["c.npz", "d.npz"]
    assert any("none of the arrays one, dt is a real section" in note for note in call.notes)
    assert any("which of the arrays one, two was measured is not told" in note for note in call.notes)
    assert "a.npz: the array data of model, data is taken for the measurement" in call.notes
    with np.load(tmp_path / "out" / "a.npz") as one, np.load(tmp_path / "out" / "b.npz") as two:
        assert np.array_equal(one["reconstruction"], two["reconstruction"])


def test_command_line_with_another_checkpoint(cli, tmp_path, denoising):
    """The same command continues; another checkpoint of the same network is told, and nothing is replaced."""
    imwrite(tmp_path / "a.tiff", gray(0.5, (16, 16)))
    arguments = ("mode=reconstruct", "input=a.tiff", "output=out", "evaluation.panels=0")
    assert cli(denoising, *arguments)[0] == 0
    content = (tmp_path / "out" / "a.tiff").read_bytes()
    assert cli(denoising, *arguments, "device=cpu") == (
        0,
        "reconstructions: out\n",
        "note: a.tiff: reconstructed before\n",
    )
    best = Path(denoising.removeprefix("checkpoint="))
    other = best.with_name("other.ckpt")
    changed = read_checkpoint(best)
    changed["state_dict"] = {key: value + 1 for key, value in changed["state_dict"].items()}
    write_checkpoint(other, changed)
    code, _, err = cli(f"checkpoint={other}", *arguments)
    assert code == 2
    assert "error: the folder holds reconstructions with checkpoint" in err
    assert (tmp_path / "out" / "a.tiff").read_bytes() == content
