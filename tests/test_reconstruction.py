"""Measured files in, reconstructions out."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import segyio
import torch
from fastmri.evaluate import METRIC_FUNCS, Metrics
from tifffile import imread, imwrite

from sgdj import cli as cli_module
from sgdj.data.fastmri_layout import write_volume
from sgdj.data.fft import image_to_kspace
from tests.conftest import only_run

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
    from sgdj.checkpoints import load_weights, read_checkpoint
    from sgdj.composition import parse
    from sgdj.config import load
    from sgdj.instantiate import build
    from sgdj.operators import Identity

    network = build(load(parse(["task=denoising", "scale=smoke"])).config, "architecture")
    load_weights(network, read_checkpoint(Path(denoising.removeprefix("checkpoint="))))
    y = torch.from_numpy(stack[1:2])[:, None]
    with torch.no_grad():
        expected = network(y / y.max(), Identity()) * y.max()
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
