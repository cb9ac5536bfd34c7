"""Images and photographs as data."""

import numpy as np
import pytest
import torch
from skimage.io import imread, imsave
from tifffile import imwrite

from sgdj.data.images import ImageSource, read_stack
from sgdj.data.patches import PHOTOGRAPHS, PatchSource
from sgdj.errors import InputError
from tests.conftest import shared_file

ALL = {"train": None, "val": None, "test": None}


def source(path, **changes):
    settings = {
        "path": str(path), "seed": 0, "kind": "real", "crop": None, "partition": "none", "volumes": ALL,
    } | changes  # fmt: skip
    made = ImageSource(**settings)
    made.prepare()
    return made


def test_a_stack_is_one_volume_and_keeps_its_values():
    path = shared_file("brain.tiff")
    images = source(path, kind="magnitude").images("test")
    stack = imread(path).astype(float)
    assert len(images) == 10
    assert {images[i].volume for i in range(10)} == {"brain.tiff"}
    assert np.allclose(images[4].x[0].abs(), stack[4] / stack.max(), atol=1e-6)
    assert images[4].x.dtype == torch.complex64
    inside = images[4].x[0].abs() > 0.2
    phase = torch.angle(images[4].x[0])
    step = torch.angle(torch.exp(1j * (phase[1:] - phase[:-1])))[inside[1:] & inside[:-1]]
    assert 0 < float(step.abs().max()) < 0.3  # there is a phase, and it is smooth
    assert torch.equal(images[4].x, source(path, kind="magnitude").images("test")[4].x)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".npy", ".jpg"])
def test_formats(tmp_path, suffix):
    gray = np.linspace(0, 255, 30 * 40).reshape(30, 40).astype(np.uint8)
    path = tmp_path / f"a{suffix}"
    np.save(path, gray) if suffix == ".npy" else imsave(path, gray, check_contrast=False)
    found = read_stack(path)
    assert found.shape == (1, 30, 40)
    assert np.allclose(found[0], gray / 255, atol=0.02 if suffix == ".jpg" else 1e-12)


def test_colour_becomes_luminance(tmp_path):
    from skimage.color import rgb2gray

    colour = np.random.default_rng(0).integers(0, 255, (20, 24, 3), dtype=np.uint8)
    imsave(tmp_path / "a.png", colour)
    assert np.allclose(read_stack(tmp_path / "a.png")[0], rgb2gray(colour), atol=1e-12)


def test_a_folder_is_split_by_file(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        imwrite(tmp_path / f"v{i}.tiff", rng.random((2, 20 + i, 24)).astype(np.float32), photometric="minisblack")
    (tmp_path / "notes.txt").write_text("x")
    made = source(tmp_path, partition="volume", crop=16)
    names = [{made.images(s)[i].volume for i in range(len(made.images(s)))} for s in ("train", "val", "test")]
    assert sum(map(len, names)) == 6
    assert len(set.union(*names)) == 6
    assert made.images("train")[0].x.shape == (1, 16, 16)
    assert "notes.txt" in made.notes()[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", b"garbage", "cannot be read"),
        ("a.tiff", b"", "cannot be read"),
        ("a.npy", np.array([[{}]], dtype=object), "without pickle"),
        ("a.npy", np.ones((2, 3, 4, 5)), "one image or a stack"),
        ("a.npy", np.full((20, 20), np.nan), "400 values that are NaN"),
        ("a.npy", np.ones((20, 20), complex), "real numbers are expected"),
        ("a.npy", np.zeros((20, 20)), "zero everywhere"),
    ],
)
def test_unusable_images_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)  # an object array becomes the pickle that must be refused
    with pytest.raises(InputError, match=message):
        source(path)


def test_patches_come_from_separate_photographs(tmp_path):
    made = PatchSource(str(tmp_path), 0, 32, {"train": 20, "val": 4, "test": 9})
    made.prepare()
    volumes = {}
    for split in ("train", "val", "test"):
        images = made.images(split)
        volumes[split] = {images[i].volume.split("-")[1] for i in range(len(images))}
        assert volumes[split] == {name.rsplit(".", 1)[0] for name in PHOTOGRAPHS[split]}
        assert images[0].x.shape == (1, 32, 32)
        assert 0 <= float(images[0].x.min()) <= float(images[0].x.max()) <= 1
    assert len(made.images("train")) == 20
    assert len(made.images("test")) == 9
