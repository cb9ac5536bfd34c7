"""Multi-coil files in and out: sensitivities, references, fastMRI's own reader and evaluation."""

import itertools
import json
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from fastmri.data.mri_data import SliceDataset
from fastmri.evaluate import METRIC_FUNCS, Metrics

from scripts import data as script_module
from sgdj.data.coils import central_lines, combine, espirit_maps, low_resolution_maps
from sgdj.data.fastmri_layout import write_volume
from sgdj.data.fft import center_crop, image_to_kspace, kspace_to_image
from sgdj.data.loader import Measure, batches
from sgdj.data.multi_coil import MultiCoilSource
from sgdj.data.multi_coil_phantom import MultiCoilPhantomSource
from sgdj.errors import InputError
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.operators import MultiCoil, MultiCoilAcquisition
from sgdj.operators.coil_maps import birdcage
from sgdj.runtime.draws import Draws
from tests.conftest import only_run

QUIET = ("scale=smoke", "logger=none", "trainer.threads=1", "evaluation.curve=[]", "attack=gaussian", "shift=[]")
COILS = ("task=mri", "operator=multicoil", "dataset=multicoil_phantom")


def phantom(folder: Path, **changes) -> MultiCoilPhantomSource:
    settings = {
        "directory": str(folder), "seed": 0, "size": 32, "slices": 2, "coils": 4,
        "volumes": {"train": 2, "val": 1, "test": 1}, "reference": "complex", "maps": "low_resolution",
        "calibration": 12, "cache_gib": 1.0,
    } | changes  # fmt: skip
    source = MultiCoilPhantomSource(**settings)
    source.prepare()
    return source


def acquisition(**changes) -> MultiCoilAcquisition:
    settings = {
        "noise": 0.0, "mask": "gaussian", "acceleration": 1.0, "center_fraction": 0.1, "axis": "columns",
        "masks": "fixed", "mask_adjoint": True, "coils": 4,
    } | changes  # fmt: skip
    return MultiCoilAcquisition(**settings)


def volume(
    path: Path, coils: int = 3, shape=(40, 36), slices: int = 2, maps: bool = False, seed: int = 0
) -> np.ndarray:
    """Write a volume that is neither square nor symmetric, and return its images (S, H, W)."""
    rng = np.random.default_rng(seed)
    v, u = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    images = np.stack(
        [np.exp(-8 * ((v - 0.3) ** 2 + (u + 0.2 * s) ** 2)) + 0.05 * rng.random(shape) for s in range(slices)]
    )
    images = images * np.exp(0.5j * v)
    sensitivities = birdcage(coils, shape).numpy()
    stored = np.broadcast_to(sensitivities, (slices, *sensitivities.shape)) if maps else None
    kspace = image_to_kspace(images[:, None] * sensitivities)
    write_volume(path, kspace, (30, 28), acquisition="AXT2", patient_id="x", maps=stored)
    return images


def source(root: Path, **changes) -> MultiCoilSource:
    settings = {
        "root": str(root), "seed": 0, "crop": None, "slice_offsets": None, "reference": "complex",
        "maps": "low_resolution", "calibration": 12, "partition": "none",
        "volumes": {"train": None, "val": None, "test": None}, "cache_gib": 1.0,
    } | changes  # fmt: skip
    made = MultiCoilSource(**settings)
    made.prepare()
    return made


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return phantom(tmp_path_factory.mktemp("data"))


def test_fastmri_reads_the_phantom_files(phantoms):
    slices = SliceDataset(phantoms.folder / "multicoil_train", "multicoil")
    kspace, _, target, attributes, _, _ = slices[0]
    assert kspace.shape == (4, 64, 36)
    images = center_crop(kspace_to_image(kspace), (32, 32))
    assert np.allclose(np.sqrt((np.abs(images) ** 2).sum(0)), target, rtol=1e-4)
    assert attributes["max"] == pytest.approx(max(float(slices[i][2].max()) for i in range(2)))


def test_phantom_images_bring_normalised_sensitivities(phantoms):
    images = phantoms.images("train")
    assert len(images) == 4
    assert images.alike(0) == (32, 32, 4)
    for i in range(4):
        image = images[i]
        assert image.x.shape == (1, 32, 32)
        assert image.x.dtype == torch.complex64
        assert image.acquired.maps.shape == (4, 32, 32)
        assert torch.allclose(image.acquired.maps.abs().square().sum(0), torch.ones(32, 32), atol=1e-5)
    assert max(float(images[i].x.abs().max()) for i in (0, 1)) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("maps", ["low_resolution", "stored"])
def test_full_sampling_without_noise_gives_the_reference(phantoms, maps, tmp_path):
    images = phantom(phantoms.directory, maps=maps).images("test")
    batch = Measure(acquisition(), Draws(0))([images[0], images[1]])
    assert batch.y.shape == (2, 4, 32, 32)
    assert torch.allclose(batch.operator.adjoint(batch.y), batch.x, atol=1e-6)


def test_stored_sensitivities_give_the_image_that_the_coils_saw(tmp_path):
    wanted = center_crop(volume(tmp_path / "a.h5", maps=True), (30, 28))
    images = source(tmp_path, maps="stored").images("test")
    for s in range(2):
        assert np.allclose(images[s].x[0].numpy(), wanted[s] / np.abs(wanted).max(), atol=1e-5)
    magnitude = source(tmp_path, maps="stored", reference="rss").images("test")
    assert np.allclose(magnitude[0].x[0].numpy(), np.abs(wanted[0]) / np.abs(wanted).max(), atol=1e-5)


def test_low_resolution_sensitivities_are_the_true_ones_up_to_a_common_phase(tmp_path):
    shape = (40, 36)
    maps = birdcage(3, shape).numpy()
    v, u = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 36), indexing="ij")
    image = np.exp(-2 * (v**2 + u**2)) * np.exp(1j * (0.3 + 0.2 * v))
    found = low_resolution_maps(image_to_kspace(image * maps), (24, 24))
    inner = np.abs((np.conj(found) * maps).sum(0))  # 1 where the vectors agree up to a phase
    assert inner[8:-8, 8:-8].min() > 0.995
    assert np.allclose((np.abs(found) ** 2).sum(0), 1)
    combined = combine(image * maps, found)
    assert np.abs(np.abs(combined) - np.abs(image))[8:-8, 8:-8].max() < 0.01


def test_no_signal_has_no_sensitivity():
    assert not low_resolution_maps(np.zeros((2, 8, 8), complex), (4, 4)).any()


def test_espirit_agrees_with_the_true_sensitivities():
    pytest.importorskip("sigpy.mri.app", reason="sigpy is not installed", exc_type=ImportError)
    maps = birdcage(4, (32, 32)).numpy()
    v, u = np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32), indexing="ij")
    image = ((v**2 + u**2) < 0.6) * (1 + 0.3 * v)
    found = espirit_maps(image_to_kspace(image * maps).astype(np.complex64), (24, 24))
    inside = (np.abs(found) ** 2).sum(0) > 0.5
    assert inside[10:22, 10:22].all()
    assert np.abs((np.conj(found) * maps).sum(0))[10:22, 10:22].min() > 0.97
    sums = (np.abs(found) ** 2).sum(0)
    assert np.allclose(sums[inside], 1, atol=1e-5)
    assert sums.max() <= 1 + 1e-5


def test_espirit_without_sigpy_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("sgdj.data.coils.find_spec", lambda name: None)
    with pytest.raises(InputError, match="ESPIRiT needs the package sigpy"):
        source(tmp_path, maps="espirit")


def test_volumes_of_other_coils_share_no_batch(tmp_path):
    for number, coils in enumerate((3, 5, 3)):
        volume(tmp_path / f"{number}.h5", coils=coils, seed=number)
    images = source(tmp_path).images("test")
    seen = [batch.y.shape[:2] for batch in batches(images, Measure(acquisition(), Draws(0)), 4)]
    assert sorted(seen) == [(2, 5), (4, 3)]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f["sensitivity_maps"].__setitem__(..., 2), "sum of squares of up to 12"),
        (lambda f: f["sensitivity_maps"].__setitem__((0, 0, 3, 3), np.nan), "NaN or infinite"),
        (lambda f: f.__delitem__("sensitivity_maps"), "the dataset is missing"),
        (
            lambda f: f["reconstruction_rss"].__setitem__(..., 1 + f["reconstruction_rss"][()]),
            "differs from reconstruction_rss",
        ),
        (lambda f: f.__delitem__("reconstruction_rss"), r"no reference image \(reconstruction_rss\)"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, spoil, message):
    volume(tmp_path / "a.h5", maps=True)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        spoil(file)
    with pytest.raises(InputError, match=message):
        source(tmp_path, maps="stored")


def test_single_coil_files_are_told_apart(tmp_path):
    rng = np.random.default_rng(0)
    write_volume(tmp_path / "a.h5", rng.random((1, 20, 20)) + 1j, (20, 20), acquisition="x", patient_id="x")
    with pytest.raises(InputError, match="multi-coil data"):
        source(tmp_path)


@pytest.mark.parametrize(
    ("mask", "count"),
    [([0, 0, 1, 1, 1, 0, 0], 3), ([1] * 8, 7), ([0, 1, 1, 0, 1, 1], 0), ([0, 1, 0, 1, 1, 0], 1), ([1, 1, 1, 0, 0], 1)],
)
def test_central_lines(mask, count):
    assert central_lines(np.array(mask, dtype=bool)) == count


def test_one_coil_is_needed_for_the_single_coil_operator(cli):
    code, _, err = cli("task=mri", "dataset=multicoil_phantom")
    assert code == 2
    assert err == (
        "error: dataset multicoil_phantom has several coils, operator fourier one, operator: set operator=multicoil\n"
    )


def test_the_start_is_an_image(cli):
    code, _, err = cli("task=mri", "operator=multicoil", "architecture.start=measurement")
    assert (code, err) == (2, "error: k-space is no image to start from, architecture.start: set it to adjoint\n")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from sgdj.modes import cli as cli_module

    folder = tmp_path_factory.mktemp("coils")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert cli_module.main([*COILS, *QUIET]) == 0
    return folder, f"checkpoint={only_run(folder)}/checkpoints/best.ckpt"


def test_fastmris_evaluate_accepts_the_reconstructions(cli, tmp_path, trained):
    folder, checkpoint = trained
    (volumes,) = folder.glob("data/multicoil_phantom-*/multicoil_val")
    code, _, err = cli("mode=reconstruct", checkpoint, f"input={volumes}", "output=out")
    assert code == 0
    assert err.count("no mask of its own") == 3
    metrics = Metrics(METRIC_FUNCS)
    for path in sorted(volumes.glob("*.h5")):
        with h5py.File(path) as target, h5py.File(tmp_path / "out" / path.name) as made:
            assert made["reconstruction"].shape == target["reconstruction_rss"].shape
            metrics.push(target["reconstruction_rss"][()], made["reconstruction"][()])
    rows = (tmp_path / "out" / "scores.csv").read_text().splitlines()
    ours = np.mean([float(row.split(",")[1]) for row in rows[1:]])
    assert ours == pytest.approx(metrics.means()["PSNR"], rel=1e-5)


def test_a_masked_file_estimates_its_sensitivities_from_its_own_centre(cli, tmp_path, trained):
    (tmp_path / "in").mkdir()
    for name, centre in (("good", 8), ("bare", 1)):
        volume(tmp_path / "in" / f"{name}.h5")
        mask = np.arange(36) % 3 == 0
        mask[18 - centre // 2 : 18 + centre // 2 + 1] = True
        mask[[18 - centre, 18 + centre]] = False
        with h5py.File(tmp_path / "in" / f"{name}.h5", "a") as file:
            file["kspace"][...] = np.where(mask, file["kspace"][()], 0)
            file["mask"] = mask.astype(np.uint8)
            del file["reconstruction_rss"]
    code, _, err = cli("mode=reconstruct", trained[1], "input=in", "output=out")
    assert code == 5
    assert "good.h5: sensitivities of 3 coils from 24 x 9 central samples" in err
    assert "too few to estimate coil sensitivities from" in err
    with h5py.File(tmp_path / "out" / "good.h5") as file:
        assert file["reconstruction"].shape == (2, 30, 28)
        assert np.isfinite(file["reconstruction"][()]).all()


def test_audit_and_attacks_work_on_coils(cli, tmp_path, trained):
    folder, checkpoint = trained
    code, out, err = cli("mode=audit", checkpoint, "audit.light=true", f"dataset.directory={folder}/data", *QUIET[2:3])
    assert code in (0, 5), err
    assert "FAIL" not in out
    both = (checkpoint, "attack=apgd", "attack.steps=3", f"dataset.directory={folder}/data", "shift=[acceleration]")
    code, out, err = cli("mode=evaluate", *both)
    assert code == 0, err


def test_describe_tells_coils_and_prints_a_line_that_works(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(3):
        volume(tmp_path / "in" / f"{number}.h5", seed=number)
    assert script_module.main(["describe", "in"]) == 0
    out = capfd.readouterr().out
    assert "complex64 (2, 3, 40, 36) (slices, coils, rows, columns)" in out
    (line,) = [line for line in out.splitlines() if "operator=multicoil" in line]
    words = list(itertools.takewhile(lambda word: word != "#", shlex.split(line)))
    assert load(parse([*words[2:], "scale=smoke"])).settings.dataset.name == "multicoil"


def test_the_combined_operator_is_used(phantoms):
    batch = Measure(acquisition(acceleration=4.0, noise=0.05), Draws(0))([phantoms.images("test")[0]])
    assert isinstance(batch.operator, MultiCoil)
    assert batch.operator.norm() <= 1 + 1e-6


POINTS = (np.arange(40)[:, None] + np.arange(36)) % 2 == 0
LINES = np.arange(36) % 2 == 0


@pytest.mark.parametrize(
    ("mask", "shape"),
    [
        (LINES, (36,)),
        (LINES[None, None, :, None], (36,)),
        (np.tile(LINES, (40, 1)), (36,)),
        (POINTS, (40, 36)),
        (POINTS[None, :, :, None], (40, 36)),
    ],
)
def test_training_uses_the_masks_of_the_files(tmp_path, mask, shape):
    for number in range(3):
        volume(tmp_path / f"{number}.h5", seed=number)
        with h5py.File(tmp_path / f"{number}.h5", "a") as file:
            file["mask"] = mask.astype(np.uint8)
    images = source(tmp_path, grid="kspace").images("test")
    assert images.shape(0) == (40, 36)
    batch = Measure(acquisition(masks="stored", acceleration=4.0), Draws(0))([images[0], images[1]])
    encoding = batch.operator.encoding
    found = encoding.lines if len(shape) == 1 else encoding.points
    assert found.shape == (2, *shape)
    assert torch.equal(batch.y != 0, torch.from_numpy(np.broadcast_to(mask.squeeze(), (2, 3, 40, 36)).copy()))


def test_a_run_with_masks_of_the_files(cli, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(4):
        volume(tmp_path / "in" / f"{number}.h5", seed=number)
        with h5py.File(tmp_path / "in" / f"{number}.h5", "a") as file:
            file["mask"] = LINES
    arguments = (
        "task=mri", "dataset=multicoil", "dataset.root=in", "dataset.crop=null",
        "dataset.volumes={train:2,val:1,test:1}", "operator=multicoil", "operator.masks=stored", *QUIET,
    )  # fmt: skip
    code, _, err = cli(*arguments)
    assert (code, err) == (
        2,
        "error: masks of files need images on the grid of k-space, dataset.grid: set dataset.grid=kspace\n",
    )
    assert not (tmp_path / "outputs").exists()
    code, _, err = cli(*arguments, "dataset.grid=kspace")
    assert code == 0, err
    record = json.loads((only_run(tmp_path) / "run.json").read_text())
    assert record["acceleration"] == {"mean": 2.0, "min": 2.0, "max": 2.0}
    with h5py.File(tmp_path / "in" / "2.h5", "a") as file:
        del file["mask"]
    code, _, err = cli(*arguments, "dataset.grid=kspace")
    assert code == 2
    assert "2.h5 none, dataset.root=in: store a mask in every file, or in none" in err


@pytest.mark.parametrize("coils", [None, 3])
def test_points_are_reconstructed_on_all_rows(cli, tmp_path, trained, coils):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.h5"
    volume(path, coils=coils or 1)
    mask = POINTS.copy()
    mask[16:25, 14:23] = True
    with h5py.File(path, "a") as file:
        kspace = np.where(mask, file["kspace"][()], 0)
        del file["kspace"], file["reconstruction_rss"]
        file["kspace"] = kspace if coils else kspace[:, 0]
        file["mask"] = mask[None, :, :, None]
    code, _, err = cli("mode=reconstruct", trained[1], "input=in", "output=out")
    assert code == 0, err
    if coils:
        assert "sensitivities of 3 coils from 9 x 9 central samples" in err
    with h5py.File(tmp_path / "out" / "a.h5") as file:
        assert file["reconstruction"].shape == (2, 30, 28)
