"""Data: generated once, split by volume, read as fastMRI reads it, and refused when unusable."""

import json
import os
import pickle
import random
import shutil
from pathlib import Path

import fastmri
import h5py
import numpy as np
import pytest
import torch
from fastmri.data import SliceDataset
from fastmri.data.subsample import create_mask_for_mask_type
from fastmri.data.transforms import UnetDataTransform
from skimage.io import imread

from sgdj.data import measure, pose
from sgdj.data.content import content_digest
from sgdj.data.fastmri import FastMRISource
from sgdj.data.fastmri_layout import write_volume
from sgdj.data.fft import center_crop, image_to_kspace, kspace_to_image
from sgdj.data.generate import MANIFEST, generate_once
from sgdj.data.layered import LayeredSource, reflectivity
from sgdj.data.loader import Measure, batches
from sgdj.data.phantom import PhantomSource
from sgdj.data.section import SectionSource
from sgdj.data.subspace import SubspaceSource
from sgdj.errors import InputError
from sgdj.operators import CartesianAcquisition, ConvolutionAcquisition
from sgdj.runtime import hashing
from sgdj.runtime.draws import Draws
from sgdj.runtime.hashing import file_digest
from tests.conftest import shared_file
from tests.program import context

ALL = {"train": None, "val": None, "test": None}


def phantom(folder: Path, **changes) -> PhantomSource:
    settings = {
        "directory": str(folder), "seed": 0, "size": 32, "slices": 3, "volumes": {"train": 3, "val": 1, "test": 2},
        "reference": "complex", "cache_gib": 1.0,
    } | changes  # fmt: skip
    source = PhantomSource(**settings)
    source.prepare()
    return source


def reader(root: Path, **changes) -> FastMRISource:
    settings = {
        "root": str(root), "seed": 0, "crop": None, "slice_offsets": None, "reference": "complex",
        "partition": "auto", "volumes": ALL, "cache_gib": 1.0,
    } | changes  # fmt: skip
    return FastMRISource(**settings)


def section(path: Path, **changes) -> SectionSource:
    settings = {
        "path": str(path), "seed": 0, "quantity": "velocity", "key": None, "panel": [64, 32], "stride": 16,
        "fractions": {"train": 0.7, "val": 0.1, "test": 0.2}, "gap": 8,
    } | changes  # fmt: skip
    return SectionSource(**settings)


def cartesian(**changes) -> CartesianAcquisition:
    settings = {
        "noise": 0.05, "mask": "gaussian", "acceleration": 4.0, "center_fraction": 0.08, "axis": "columns",
        "masks": "fixed", "mask_adjoint": True,
    } | changes  # fmt: skip
    return CartesianAcquisition(**settings)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return phantom(tmp_path_factory.mktemp("data"))


def test_centred_transforms_are_fastmris():
    x = np.random.default_rng(0).normal(size=(2, 9, 8)) + 1j
    ours = image_to_kspace(x)
    theirs = fastmri.fft2c(torch.view_as_real(torch.from_numpy(x)))
    assert np.allclose(ours, torch.view_as_complex(theirs).numpy())
    assert np.allclose(kspace_to_image(ours), x)
    from fastmri.data.transforms import center_crop as theirs_crop

    assert np.array_equal(center_crop(x.real, (5, 4)), theirs_crop(torch.from_numpy(x.real), (5, 4)).numpy())


def test_fastmri_reads_the_phantom_files(phantoms):
    """fastMRI's own data set and U-Net transform, on our files as they are."""
    root = phantoms.folder / "singlecoil_val"
    transform = UnetDataTransform("singlecoil", create_mask_for_mask_type("random", [0.08], [4]))
    slices = SliceDataset(root, "singlecoil", transform=transform)
    assert len(slices) == 9
    image, target, _, _, name, number, _ = slices[4]
    assert image.shape == target.shape == (32, 32)
    assert torch.isfinite(image).all()
    with h5py.File(root / name) as file:
        kspace = torch.view_as_real(torch.from_numpy(file["kspace"][number]))
        magnitude = fastmri.complex_abs(fastmri.ifft2c(kspace))
        top, left = (magnitude.shape[0] - 32) // 2, (magnitude.shape[1] - 32) // 2
        crop = magnitude[top : top + 32, left : left + 32]
        assert torch.allclose(crop, torch.from_numpy(file["reconstruction_esc"][number]), rtol=1e-4, atol=1e-10)
        assert file["kspace"].fletcher32
        assert file.attrs["max"] == pytest.approx(file["reconstruction_esc"][()].max())


def test_phantom_images(phantoms):
    images = phantoms.images("train")
    assert len(images) == 9
    assert images[0].x.shape == (1, 32, 32)
    assert images[0].x.dtype == torch.complex64
    peaks: dict[str, float] = {}
    for i in range(9):
        image = images[i]
        peaks[image.volume] = max(peaks.get(image.volume, 0.0), float(image.x.abs().max()))
    assert all(peak == pytest.approx(1.0, abs=1e-5) for peak in peaks.values())
    assert images[0].x.angle().std() > 0.1  # a phase, as real images have


def test_no_volume_is_in_two_splits(phantoms):
    volumes = [{phantoms.images(s)[i].volume for i in range(len(phantoms.images(s)))} for s in ("train", "val", "test")]
    assert [len(v) for v in volumes] == [3, 1, 2]
    assert not volumes[0] & volumes[1] | volumes[0] & volumes[2] | volumes[1] & volumes[2]


def test_magnitude_reference_is_the_stored_target(phantoms):
    source = phantom(phantoms.directory, reference="magnitude")
    image = source.images("test")[0]
    with h5py.File(source.folder / "singlecoil_val" / image.volume) as file:
        target = file["reconstruction_esc"][()]
    assert np.allclose(image.x[0].real, target[0] / target.max(), atol=1e-6)
    assert torch.equal(image.x.imag, torch.zeros_like(image.x.imag))
    assert np.allclose(image.x.abs(), phantoms.images("test")[0].x.abs(), atol=1e-4)


def test_generation_is_deterministic_and_follows_the_seed(tmp_path):
    hashes = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        source = phantom(tmp_path / name, seed=seed)
        files = sorted(source.folder.rglob("*.h5"))
        hashes[name] = [file_digest(path) for path in files]
        listed = json.loads((source.folder / MANIFEST).read_text())["files"]
        assert [listed[str(p.relative_to(source.folder))]["sha256"] for p in files] == hashes[name]
    assert hashes["a"] == hashes["b"]
    assert not set(hashes["a"]) & set(hashes["c"])


def _build_slowly(arguments):
    folder, log = arguments

    def build(target: Path) -> None:
        with Path(log).open("a") as file:
            file.write("built\n")
        (target / "data.txt").write_text("x" * 10)

    return str(generate_once(Path(folder), {"generator": "test", "version": 1}, build))


def test_parallel_jobs_generate_once(tmp_path):
    with context().Pool(4) as pool:
        found = pool.map(_build_slowly, [(str(tmp_path / "data"), str(tmp_path / "log"))] * 8)
    assert len(set(found)) == 1
    assert (tmp_path / "log").read_text() == "built\n"


def test_damaged_data_is_generated_again(tmp_path):
    source = phantom(tmp_path)
    victim = next(source.folder.rglob("*.h5"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:1000])
    phantom(tmp_path)
    assert victim.read_bytes() == whole


def layered(folder: Path) -> LayeredSource:
    source = LayeredSource(str(folder), 0, 32, 16, {"train": 3, "val": 2, "test": 2})
    source.prepare()
    return source


def _rewrite(path: Path) -> None:
    """Change one value and keep the file's size, format, checksums and time."""
    times = path.stat()
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            file["kspace"][0, 3, 3] += 1
    else:
        array = np.load(path)
        array.flat[-1] += 1
        np.save(path, array)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("make", [phantom, layered])
def test_a_rewritten_file_is_never_used(tmp_path, capfd, make):
    source = make(tmp_path)
    whole, before = source.images("train")[0].x, source.content_hash()
    victim = sorted(path for path in source.folder.rglob("*") if path.suffix in (".h5", ".npy"))[-1]
    good = victim.read_bytes()
    _rewrite(victim)
    rewritten = victim.read_bytes()
    assert len(rewritten) == len(good)
    assert rewritten != good
    again = make(tmp_path)
    name = victim.relative_to(source.folder).as_posix()
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert f"{name} is not what its manifest says" in told
    assert victim.read_bytes() == good
    assert (tmp_path / f"{source.folder.name}.damaged-1" / name).read_bytes() == rewritten
    assert torch.equal(again.images("train")[0].x, whole)
    assert again.content_hash() == before
    assert not list(tmp_path.glob(".*.partial"))


def test_a_folder_without_its_own_manifest_is_moved_aside(tmp_path):
    source = layered(tmp_path)
    (source.folder / "mine.txt").write_text("kept")
    other = json.loads((source.folder / MANIFEST).read_text())
    other["spec"]["seed"] = 1
    (source.folder / MANIFEST).write_text(json.dumps(other))
    layered(tmp_path)
    assert (tmp_path / f"{source.folder.name}.damaged-1" / "mine.txt").read_text() == "kept"
    assert not (source.folder / "mine.txt").exists()


def test_a_foreign_volume_among_generated_ones_is_refused_and_kept(tmp_path):
    source = phantom(tmp_path)
    foreign = source.folder / "singlecoil_train" / "mine.h5"
    shutil.copy(next(source.folder.rglob("*.h5")), foreign)
    with pytest.raises(InputError, match=r"mine\.h5: move it"):
        phantom(tmp_path)
    assert foreign.exists()


def test_the_content_hash_is_of_the_arrays_alone(tmp_path):
    hashes = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        source = phantom(tmp_path / name, seed=seed)
        with h5py.File(next(source.folder.rglob("*.h5")), "r+") as file:
            file.attrs["another"] = "attribute moves the bytes, not the numbers"
        hashes[name] = source.content_hash()
    assert hashes["a"] == hashes["b"] != hashes["c"]
    _rewrite(next((tmp_path / "a").rglob("*.h5")))
    assert content_digest(next((tmp_path / "a").glob("phantom-*"))) != hashes["a"]


def test_a_change_at_the_end_of_a_large_file_changes_its_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    x = 1 + np.random.default_rng(0).random((1, 1500, 1500)).astype(complex)
    root = tmp_path / "flat"
    root.mkdir()
    for name, image in (("a", x[:, :32, :32]), ("b", 2 * x[:, :32, :32]), ("large", x)):
        write_volume(root / f"{name}.h5", image_to_kspace(image), (16, 16), acquisition="A", patient_id=name)
    before = reader(root).manifest()
    (cache,) = (tmp_path / "cache").rglob("*.json")
    assert list(json.loads(cache.read_text())) == [str(root / "large.h5")]
    assert (root / "large.h5").stat().st_size > 2**24
    with h5py.File(root / "large.h5", "r+") as file:
        assert file["reconstruction_rss"].id.get_chunk_info(0).byte_offset > 2**24
        file["reconstruction_rss"][0, 0, 0] += 1
    assert reader(root).manifest() != before


def test_a_large_files_hash_is_remembered_and_nothing_depends_on_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    read = []
    monkeypatch.setattr(hashing, "file_digest", lambda path, *rest: (read.append(path), file_digest(path))[1])

    def hashed(path: Path) -> str:
        hashing._known.clear()  # as another process
        return hashing.file_digests([path], "hashing")[path]

    large = tmp_path / "large.npy"
    large.write_bytes(b"a" * 2**21)
    expected = file_digest(large)
    assert (hashed(large), hashed(large)) == (expected, expected)
    assert read == [large]
    (cache,) = (tmp_path / "cache").rglob("*.json")
    for damage in (b"", b"[1]", b"\xff", b'{"%s": [1]}' % os.fsencode(large), b"[" * 10**6):
        cache.write_bytes(damage)
        assert hashed(large) == expected
    assert len(read) == 6
    large.write_bytes(b"b" * 2**21)
    assert hashed(large) == file_digest(large) != expected
    monkeypatch.setenv("XDG_CACHE_HOME", str(large))  # no folder can be made there
    assert hashed(large) == file_digest(large)
    assert [path.name for path in cache.parent.iterdir()] == ["hashes.json"]


def test_subspace():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        source = SubspaceSource(folder, 0, 20, 5, {"train": 400, "val": 3, "test": 3})
        source.prepare()
        basis = source.basis()
        assert np.allclose(basis.T @ basis, np.eye(5), atol=1e-12)
        images = source.images("train")
        x = torch.stack([images[i].x.flatten() for i in range(400)]).double().numpy()
        assert np.allclose(x, x @ basis @ basis.T, atol=1e-5)
        assert (x @ basis).var() == pytest.approx(1.0, rel=4 * np.sqrt(2 / 2000))


def test_reflectivity_is_the_impedance_contrast():
    r = reflectivity(np.array([[1.0], [3.0], [3.0], [1.0]]))
    assert np.allclose(r.ravel(), [0, 0.5, 0, -0.5])


def test_layered_sections(tmp_path):
    source = LayeredSource(str(tmp_path), 0, 64, 48, {"train": 20, "val": 2, "test": 2})
    source.prepare()
    images = source.images("train")
    x = torch.stack([images[i].x for i in range(20)])
    assert x.shape == (20, 1, 64, 48)
    assert 0.02 < float((x != 0).float().mean()) < 0.5  # sparse reflectors
    assert float(x.abs().max()) < 0.9
    assert all(float(image.std()) > 0.005 for image in x)
    assert float(images[0].x.std()) != float(images[1].x.std())


def test_seismic_scale_is_the_measurements(tmp_path):
    source = LayeredSource(str(tmp_path), 0, 64, 48, {"train": 3, "val": 2, "test": 2})
    source.prepare()
    acquisition = ConvolutionAcquisition(noise=0.0, length=51, width=4.0)
    images = source.images("train")
    batch = measure(pose([images[i] for i in range(3)], acquisition, Draws(0)))
    assert torch.allclose(batch.y.abs().amax(dim=(1, 2, 3)), torch.ones(3), atol=1e-6)


def test_measurements_hold_the_stated_noise_on_the_mask(phantoms):
    images = phantoms.images("train")
    batch = measure(pose([images[i] for i in range(9)], cartesian(), Draws(0)))
    noise = batch.y - batch.operator.forward(batch.x)
    on = torch.view_as_real(noise[..., batch.operator.lines])
    assert float(on.std()) == pytest.approx(0.05, rel=4 / np.sqrt(2 * on.numel()))
    assert torch.equal(batch.operator.restrict(batch.y), batch.y)
    one = measure(pose([images[4]], cartesian(), Draws(0)))
    assert torch.equal(one.y[0], batch.y[4])


def test_mismatch_measures_with_one_operator_and_tells_another(phantoms):
    from dataclasses import replace

    true, assumed = cartesian(), cartesian(acceleration=2.0)
    problem = replace(pose([phantoms.images("train")[0]], true, Draws(0)), assumed=assumed)
    batch = measure(problem)
    assert batch.operator.lines.sum() == 16
    assert (batch.y[0, 0].abs().sum(0) > 0).sum() == 8


def test_order_is_a_function_of_seed_and_epoch(phantoms):
    def order(seed, epoch, workers=0):
        loader = batches(phantoms.images("train"), Measure(cartesian(), Draws(0)), 2, Draws(seed), workers)
        loader.batch_sampler.sampler.set_epoch(epoch)
        return [(b.samples, b.y) for b in loader]

    first = order(0, 0)
    assert sorted(s for samples, _ in first for s in samples) == sorted(
        phantoms.images("train")[i].sample for i in range(9)
    )
    assert [s for s, _ in first] != [s for s, _ in order(0, 1)]
    assert [s for s, _ in first] != [s for s, _ in order(1, 0)]
    for (a, y), (b, z) in zip(first, order(0, 0, workers=2), strict=True):
        assert a == b
        assert torch.equal(y, z)


def write_volumes(folder: Path, shapes, slices=2, size=16) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i, shape in enumerate(shapes):
        kspace = rng.normal(size=(slices, *shape)) + 1j * rng.normal(size=(slices, *shape))
        write_volume(folder / f"file{i}.h5", kspace, (size, size), acquisition="CORPD_FBK", patient_id=str(i))


def test_spawned_workers_read_the_same_and_carry_no_images(phantoms):
    images = phantoms.images("train")
    here = list(batches(images, Measure(cartesian(), Draws(0)), 2))
    loader = batches(images, Measure(cartesian(), Draws(0)), 2, workers=1)
    loader.multiprocessing_context = "spawn"
    there = list(loader)
    assert len(here) == len(there) == 5
    for one, other in zip(here, there, strict=True):
        assert one.samples == other.samples
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)
    held = sum(batch.x.numel() * batch.x.element_size() for batch in here)
    assert len(pickle.dumps(images)) < held / 2


def test_batches_never_mix_shapes(tmp_path):
    folder = tmp_path / "flat"
    for i, size in enumerate((16, 20, 16)):
        write_volumes(folder / str(i), [(32, 30)], slices=3, size=size)
        (folder / str(i) / "file0.h5").rename(folder / f"v{i}.h5")
        (folder / str(i)).rmdir()
    source = reader(folder, partition="none")
    source.prepare()
    found = list(batches(source.images("test"), Measure(cartesian(), Draws(0)), 4))
    assert sorted(len(b) for b in found) == [2, 3, 4]
    assert all(len({tuple(x.shape) for x in b.x}) == 1 for b in found)


def test_incomplete_batches_are_left_out_if_asked_for(phantoms):
    images = phantoms.images("train")
    whole = batches(images, Measure(cartesian(), Draws(0)), 4, Draws(0))
    full = batches(images, Measure(cartesian(), Draws(0)), 4, Draws(0), drop_last=True)
    assert [len(b) for b in whole] == [4, 4, 1]
    assert [b.samples for b in full] == [b.samples for b in whole][:2]
    assert (len(whole), len(full)) == (3, 2)
    assert len(batches(images, Measure(cartesian(), Draws(0)), 3, drop_last=True)) == 3
    assert len(batches(images, Measure(cartesian(), Draws(0)), 10, drop_last=True)) == 0


def test_flat_folder_is_split_by_volume_and_strays_are_noted(tmp_path):
    write_volumes(tmp_path / "flat", [(40, 36 + 2 * i) for i in range(6)])
    (tmp_path / "flat" / "README.txt").write_text("x")
    source = reader(tmp_path / "flat", crop=12, slice_offsets=[-4, -1, 0])
    source.prepare()
    names = {s: [v.path.name for v in source.scanned[s]] for s in ("train", "val", "test")}
    assert [len(v) for v in names.values()] == [4, 1, 1]
    assert len(set().union(*names.values())) == 6
    assert "README.txt" in source.notes()[0]
    assert source.images("train")[0].x.shape == (1, 12, 12)
    assert len(source.images("train")) == 8  # the slice at -4 lies outside
    again = reader(tmp_path / "flat", crop=12)
    random.seed(5)
    again.prepare()
    assert {s: [v.path.name for v in again.scanned[s]] for s in names} == names


def test_a_real_sized_file_is_cropped_in_image_space(tmp_path):
    rng = np.random.default_rng(1)
    image = np.zeros((1, 640, 368), complex)
    image[0, 250:390, 120:250] = rng.normal(size=(140, 130)) + 3
    (tmp_path / "flat").mkdir()
    kspace = image_to_kspace(image)
    write_volume(tmp_path / "flat" / "a.h5", kspace, (320, 320), acquisition="CORPD_FBK", patient_id="x")
    source = reader(tmp_path / "flat", partition="none", crop=320)
    source.prepare()
    x = source.images("test")[0].x[0].numpy()
    expected = center_crop(image, (320, 320))[0]
    assert np.allclose(x, expected / np.abs(expected).max(), atol=1e-5)


def test_brain_slices_make_fastmri_files(tmp_path):
    stack = imread(shared_file("brain.tiff")).astype(float)
    (tmp_path / "brain").mkdir()
    write_volume(
        tmp_path / "brain" / "brain.h5", image_to_kspace(stack), (256, 256), acquisition="BRAIN", patient_id="b"
    )
    source = reader(tmp_path / "brain", partition="none")
    source.prepare()
    images = source.images("test")
    assert len(images) == 10
    assert np.allclose(images[3].x[0].abs(), stack[3] / stack.max(), atol=1e-5)
    with pytest.raises(InputError, match="cannot be split"):
        reader(tmp_path / "brain").prepare()


def test_marmousi_panels():
    path = shared_file("marmousi.npz")
    source = section(path, panel=[128, 64])
    source.prepare()
    columns = {}
    for split in ("train", "val", "test"):
        images = source.images(split)
        starts = [int(images[i].sample.split("/x")[1][:5]) for i in range(len(images))]
        columns[split] = (min(starts), max(starts) + 64)
        assert {images[i].volume for i in range(len(images))} == {"marmousi"}
    assert columns["train"][1] + 8 <= columns["val"][0]
    assert columns["val"][1] + 8 <= columns["test"][0]
    with np.load(path) as data:
        model = data["model"]
    first = source.images("train")[0]
    assert np.allclose(first.x[0], reflectivity(model)[:128, :64], atol=1e-7)


def bad_h5(folder: Path, change) -> Path:
    write_volumes(folder, [(32, 32)] * 3, size=16)
    change(folder / "file1.h5")
    return folder


def rewrite(**datasets):
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            for name, value in datasets.items():
                if name in file:
                    del file[name]
                if value is not None:
                    file[name] = value

    return change


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def external(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["kspace"]
        file.create_dataset("kspace", (2, 32, 32), "c8", external=[("/etc/hostname", 0, 16384)])


def soft_link(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["kspace"]
        file["kspace"] = h5py.SoftLink("/reconstruction_esc")


def virtual(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["kspace"]
        layout = h5py.VirtualLayout(shape=(2, 32, 32), dtype="c8")
        layout[:] = h5py.VirtualSource("file0.h5", "kspace", shape=(2, 32, 32))
        file.create_virtual_dataset("kspace", layout)


def absurd(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["kspace"]
        file.create_dataset("kspace", (2**18, 2**10, 2**10), "c8", chunks=(1, 64, 64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (truncate, "truncated|unreadable"),
        (lambda p: p.write_bytes(b""), "not an HDF5 file"),
        (lambda p: p.write_bytes(b"garbage" * 100), "not an HDF5 file"),
        (rewrite(kspace=None), "the dataset is missing.*the file holds"),
        (rewrite(reconstruction_esc=None), "no reference image"),
        (rewrite(kspace=np.zeros((2, 32, 32))), "complex values are expected"),
        (rewrite(kspace=np.zeros((2, 4, 32, 32), complex)), "3 axes"),
        (rewrite(kspace=np.zeros((0, 32, 32), complex)), "no slices"),
        (rewrite(reconstruction_esc=np.ones((2, 40, 40), np.float32)), "centre crop"),
        (rewrite(reconstruction_esc=np.full((2, 16, 16), np.nan, np.float32)), "NaN or infinite"),
        (rewrite(reconstruction_esc=np.zeros((2, 16, 16), np.float32)), "zero everywhere"),
        (external, "outside the file"),
        (virtual, "outside the file"),
        (soft_link, "link"),
        (absurd, "declares"),
    ],
)
def test_unusable_files_are_refused_by_name(tmp_path, change, message):
    folder = bad_h5(tmp_path / "bad", change)
    with pytest.raises(InputError, match=message) as caught:
        reader(folder, partition="none").prepare()
    assert "file1.h5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nan_in_kspace_is_refused_with_slice_and_count(tmp_path):
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            file["kspace"][1, 3, 4:7] = np.nan

    source = reader(bad_h5(tmp_path / "bad", change), partition="none")
    with pytest.raises(InputError, match=r"slice 1 holds 3 values.*file1.h5"):
        source.prepare()


def test_all_zero_slices_are_left_out_and_counted(tmp_path):
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            file["reconstruction_esc"][1] = 0

    source = reader(bad_h5(tmp_path / "bad", change), partition="none")
    source.prepare()
    assert len(source.images("test")) == 5
    assert "file1.h5: excluded 1 all-zero slices [1]" in source.notes()


def test_manifest_changes_with_content(tmp_path):
    write_volumes(tmp_path / "flat", [(32, 32)] * 3)
    before = reader(tmp_path / "flat").manifest()
    with h5py.File(tmp_path / "flat" / "file1.h5", "a") as file:
        file["kspace"][...] *= -1  # the reference stays the image's magnitude
    assert reader(tmp_path / "flat").manifest() != before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npz", {"model": np.zeros((200, 200))}, "must be positive"),
        ("a.npz", {"weird": np.ones((200, 200)), "other": np.ones(3)}, "choose one of weird, other"),
        ("a.npz", {"model": np.ones(200)}, "real array"),
        ("a.npz", {"model": np.full((200, 200), np.inf)}, "NaN or infinite"),
        ("a.npz", {"model": np.array([[{}]], dtype=object)}, "without pickle"),
        ("a.npy", b"garbage", "cannot be read"),
        ("a.npz", b"", "cannot be read"),
        ("a.txt", b"1 2 3", "unknown format"),
        ("a.npz", {"model": np.ones((20, 200))}, "in depth"),
        ("a.npz", {"model": np.ones((200, 100))}, "block has"),
        ("a.npz", {"model": np.ones((200, 400))}, "no reflector"),
    ],
)
def test_unusable_sections_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, **content)
    with pytest.raises(InputError, match=message):
        section(path).prepare()


def test_segy_is_read_through_segyio(tmp_path):
    import segyio

    velocity = np.linspace(1500, 4000, 100 * 300, dtype=np.float32).reshape(300, 100)
    segyio.tools.from_array2D(tmp_path / "line.sgy", np.ascontiguousarray(velocity), dt=4000)
    source = section(tmp_path / "line.sgy", panel=[32, 16])
    source.prepare()
    first = source.images("train")[0]
    assert np.allclose(first.x[0], reflectivity(velocity.T.astype(float))[:32, :16], atol=1e-7)
    (tmp_path / "bad.sgy").write_bytes(b"nothing")
    with pytest.raises(InputError, match="SEG-Y file cannot be read"):
        section(tmp_path / "bad.sgy").prepare()
