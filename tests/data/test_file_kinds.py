"""Files are read by their content, or refused with the reason; nothing is decompressed above the limit."""

import io
import shutil
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import segyio
import tifffile
from PIL import Image

from sgdj.data import limits
from sgdj.data.fastmri import FastMRISource
from sgdj.data.fastmri_layout import write_volume
from sgdj.data.fft import center_crop, image_to_kspace
from sgdj.data.hdf5 import open_hdf5, read_mask, read_text, safe_dataset
from sgdj.data.images import ImageSource, read_stack
from sgdj.data.numpy_files import read_npy
from sgdj.data.section import SectionSource, read_section
from sgdj.errors import InputError
from sgdj.jobs.identity import identity
from sgdj.reconstruction.section import _arrays
from sgdj.runtime.memory import forget_peak, peak_mib

ALL = dict.fromkeys(("train", "val", "test"))
ROWS, COLUMNS = np.mgrid[0:48, 0:40]
GRAY = (((np.sin(COLUMNS / 5) + np.cos(ROWS / 7)) / 4 + 0.5) * 255).astype(np.uint8)
GRAY[:8, :6] = 3  # no symmetry


def fastmri(root, **changes):
    settings = {"seed": 0, "crop": None, "slice_offsets": None, "reference": "complex", "partition": "none"} | changes
    made = FastMRISource(root=str(root), volumes=ALL, cache_gib=1.0, **settings)
    made.prepare()
    return made


def images(path, **changes):
    made = ImageSource(str(path), 0, "real", None, changes.pop("partition", "none"), ALL, **changes)
    made.prepare()
    return made


def object_volume(slices=2, shape=(64, 48), factor=1.0):
    """Create a complex object without symmetry, with a smooth phase."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    ellipse = ((x / 0.6) ** 2 + (y / 0.8) ** 2 < 1) * 1.0
    spots = [((x - 0.2) ** 2 + (y + 0.3 + 0.1 * i) ** 2 < 0.05) * 0.5 for i in range(slices)]
    return factor * np.stack([(ellipse + spot) * np.exp(1j * (x + 2 * y)) for spot in spots])


def volume(path, kspace, reference):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace.astype(np.complex64)
        file["reconstruction_esc"] = np.abs(reference).astype(np.float32)


# Limits


def npz_bomb(path):
    """Write an archive whose member declares 4.8 GB of zeros, deflated."""
    header = io.BytesIO()
    shape = (30000, 20000)
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("model.npy", "w") as member:
        member.write(header.getvalue() + bytes(2**20))


def header_bomb(path):
    """Write an archive whose member has a header that declares 1 GiB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("model.npy", "w") as member:
        member.write(b"\x93NUMPY\x02\x00" + (2**30).to_bytes(4, "little") + bytes(2**20))


def tiff_bomb(path):
    """Write a TIFF of 80,000 x 40,000 pixels by the header, with one strip stored."""
    with tifffile.TiffWriter(path) as tif:
        tif.write(GRAY, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tags = tif.pages[0].tags
        tags["ImageWidth"].overwrite(40000)
        tags["ImageLength"].overwrite(30000)
        tags["RowsPerStrip"].overwrite(30000)


def png_bomb(path):
    """Write a PNG of 30,000 x 40,000 pixels in a few bytes."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = (40000).to_bytes(4, "big") + (30000).to_bytes(4, "big")
    body = chunk(b"IHDR", size + b"\x08\0\0\0\0") + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def chunk_bomb(path):
    """Write a small data set in one huge chunk."""
    with h5py.File(path, "w") as file:
        for name, kind in (("kspace", "c8"), ("reconstruction_esc", "f4")):
            file.create_dataset(
                name, (2, 32, 32), kind, chunks=(2, 12000, 12000), maxshape=(None,) * 3, compression="gzip"
            )


def text_bomb(path):
    """Write an ISMRMRD header that declares 2 GiB."""
    with h5py.File(path, "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        kind = h5py.h5t.C_S1.copy()
        kind.set_size(2**31 - 1)
        h5py.h5d.create(file.id, b"ismrmrd_header", kind, h5py.h5s.create(h5py.h5s.SCALAR), dcpl=plan)


def segy_large(path):
    """Write traces of 30,000 samples, sparse on the disk."""
    segy(path, np.zeros((8, 12), np.float32))
    with path.open("r+b") as file:
        file.seek(3220)
        file.write((30000).to_bytes(2, "big"))
        file.truncate(3600 + 8000 * (240 + 4 * 30000))


@pytest.mark.parametrize(
    ("name", "make", "read"),
    [
        ("a.npz", npz_bomb, lambda p: read_section(p, None, 1.0)),
        ("a.npz", header_bomb, lambda p: read_section(p, None, 1.0)),
        ("a.tiff", tiff_bomb, lambda p: read_stack(p, 1.0)),
        ("a.png", png_bomb, lambda p: read_stack(p, 1.0)),
        ("a.h5", chunk_bomb, lambda p: fastmri(p.parent, max_gib=1.0)),
        ("a.h5", chunk_bomb, lambda p: fastmri(p.parent, max_gib=100.0)),
        ("a.h5", text_bomb, lambda p: read_text(h5py.File(p), "ismrmrd_header")),
        ("a.sgy", segy_large, lambda p: read_section(p, None, 1.0)),
    ],
)
def test_what_declares_too_much_is_refused_at_once(tmp_path, name, make, read):
    make(tmp_path / name)
    forget_peak()
    before = peak_mib()
    with pytest.raises(InputError, match=name) as caught:
        read(tmp_path / name)
    assert peak_mib() - before < 200
    line = str(caught.value)
    if make not in (header_bomb,) and "the whole dataset has" not in line:
        assert "GiB, above the limit of" in line
        assert "dataset.max_gib=" in line


def deflated(size):
    """Return `count` zeros, deflated."""
    packer = zlib.compressobj(9)
    return b"".join([packer.compress(bytes(2**20)) for _ in range(size >> 20)] + [packer.flush()])


@pytest.mark.parametrize("settings", [{}, {"fletcher32": True}, {"shuffle": True}])
def test_a_chunk_that_holds_more_than_it_declares(tmp_path, settings):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        node = file.create_dataset("kspace", (1, 32, 32), "c8", chunks=(1, 32, 32), compression="gzip", **settings)
        node.id.write_direct_chunk((0, 0, 0), deflated(2**28))
        good = file.create_dataset("good", (2, 512, 512), "c8", chunks=(1, 512, 512), compression="gzip", **settings)
        good[:] = np.random.default_rng(0).normal(size=good.shape).astype("c8")
    forget_peak()
    before = peak_mib()
    with open_hdf5(path) as file:
        with pytest.raises(InputError, match="a chunk holds more than it declares"):
            safe_dataset(file, "kspace", "c", 3)
        assert peak_mib() - before < 100
        assert safe_dataset(file, "good", "c", 3)[()].any()


def test_the_header_of_an_array_in_an_archive_is_bounded(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("data.npy", "w") as member:
        member.write(b"\x93NUMPY\x02\x00" + (2**28).to_bytes(4, "little") + bytes(2**28))
    forget_peak()
    before = peak_mib()
    assert _arrays(path) == (["data"], [])
    assert peak_mib() - before < 100


def test_the_limit_is_a_quarter_of_the_memory_and_no_part_of_a_run(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "machine_memory", lambda: 4 * 2**20)
    np.save(tmp_path / "a.npy", np.ones((300, 500)))
    with pytest.raises(InputError, match=r"0\.00112 GiB, above the limit of 0\.000977 GiB \(a quarter") as caught:
        read_stack(tmp_path / "a.npy")
    needed = float(str(caught.value).rsplit("=", 1)[1])
    assert read_stack(tmp_path / "a.npy", needed).shape == (1, 300, 500)
    plain = {"dataset": {"seed": 0}}
    for value in (None, 7.0):
        assert identity({"dataset": {"seed": 0, "max_gib": value}}, {}) == identity(plain, {})


def test_the_limit_holds_on_the_command_line(cli, tmp_path):
    np.savez_compressed(tmp_path / "model.npz", model=np.ones((2000, 2000)))
    code, out, err = cli("task=seismic", "scale=smoke", "dataset=section", "dataset.path=model.npz",
                         "dataset.max_gib=0.01", "logger=none")  # fmt: skip
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "(2000, 2000) declares 0.0298 GiB, above the limit of 0.01 GiB, dataset.path=model.npz:model" in err
    assert "set dataset.max_gib=0.03" in err
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def test_a_strip_that_holds_more_than_it_declares(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2000, 2000), np.uint8), compression="zlib", rowsperstrip=2000)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tif:
        tif.pages[0].tags["ImageLength"].overwrite(20)
        tif.pages[0].tags["ImageDescription"].overwrite("")
    with pytest.raises(InputError, match="holds more than its 40000 bytes"):
        read_stack(tmp_path / "a.tif")


# The file's own reconstruction


def centred(x, norm="ortho"):
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x, axes=(1, 2)), norm=norm), axes=(1, 2))


CONVENTIONS = {
    "unnormalised": lambda x: centred(x, None),
    "1/N": lambda x: centred(x, "forward"),
    "no shift of the image": lambda x: np.fft.fftshift(np.fft.fft2(x, norm="ortho"), axes=(1, 2)),
    "no shift of k-space": lambda x: np.fft.fft2(np.fft.ifftshift(x, axes=(1, 2)), norm="ortho"),
    "no shift at all": lambda x: np.fft.fft2(x, norm="ortho"),
    "columns not shifted": lambda x: np.fft.ifftshift(centred(x), axes=2),
    "conjugate": lambda x: centred(x).conj(),
    "inverse": lambda x: np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(x, axes=(1, 2)), norm="ortho"), axes=(1, 2)),
    "flipped": lambda x: centred(x[:, ::-1]),
    "transposed": lambda x: centred(x.transpose(0, 2, 1)).transpose(0, 2, 1)[:, ::-1, ::-1],
    "rolled by one": lambda x: np.roll(centred(np.roll(x, 1, 1)), 0, 1),
    "undersampled": lambda x: centred(x) * (np.arange(48) % 3 == 0),
}


@pytest.mark.parametrize("reference", ["complex", "magnitude"])
@pytest.mark.parametrize("name", CONVENTIONS)
def test_other_conventions_are_refused(tmp_path, name, reference):
    x = object_volume()
    volume(tmp_path / "in" / "a.h5", CONVENTIONS[name](x), center_crop(x, (32, 32)))
    with pytest.raises(InputError, match=r"a\.h5") as caught:
        fastmri(tmp_path / "in", reference=reference)
    line = str(caught.value)
    assert "reconstruction_esc" in line
    assert "relative" in line or "lies at the edge" in line


def test_a_crop_off_by_one_pixel_is_refused_and_rounding_is_not(tmp_path):
    x = object_volume(3, (66, 50))
    for name, dtype in (("a", np.complex64), ("b", np.complex128)):
        volume(tmp_path / "good" / f"{name}.h5", image_to_kspace(x).astype(dtype), center_crop(x, (33, 32)))
    assert len(fastmri(tmp_path / "good").images("test")) == 6
    volume(tmp_path / "bad" / "a.h5", image_to_kspace(x), center_crop(np.roll(x, 1, 1), (33, 32)))
    with pytest.raises(InputError, match="differs from reconstruction_esc by 0"):
        fastmri(tmp_path / "bad")


def test_every_slice_is_compared(tmp_path):
    x = object_volume(3)
    kspace = image_to_kspace(x)
    kspace[2] *= 2
    volume(tmp_path / "in" / "a.h5", kspace, center_crop(x, (32, 32)))
    with pytest.raises(InputError, match=r"by 1 \(relative.*a.h5:kspace, slice 2"):
        fastmri(tmp_path / "in")


# HDF5


def test_a_filter_that_is_not_there_is_named(tmp_path):
    volume(tmp_path / "a.h5", image_to_kspace(object_volume()), object_volume())
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((1, 8, 8))
    plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        space = h5py.h5s.create_simple((2, 8, 8))
        h5py.h5d.create(file.id, b"zstd", h5py.h5t.NATIVE_FLOAT, space, dcpl=plan)
    with (
        open_hdf5(tmp_path / "a.h5") as file,
        pytest.raises(InputError, match=r"filter .*not available here") as caught,
    ):
        safe_dataset(file, "zstd", "f", 3)
    assert "HDF5_PLUGIN_PATH" in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "permission denied"),
        (BlockingIOError(11, "unable to lock file"), "another program has locked"),
        (OSError("unable to lock file, errno = 11"), "another program has locked"),
    ],
)
def test_a_file_that_cannot_be_opened_is_not_called_damaged(tmp_path, monkeypatch, error, words):
    def fail(*arguments, **settings):
        raise error

    monkeypatch.setattr(h5py, "File", fail)
    with pytest.raises(InputError, match=words) as caught, open_hdf5(tmp_path / "a.h5"):
        pass
    assert "remove" not in str(caught.value)
    assert "replace" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 0, np.nan, 1], "1 values that are neither 0 nor 1"),
        ([1, 0, 0.5, 2], "2 values that are neither 0 nor 1"),
        ([0, 0, 0, 0], "0 lines"),
        ([1, 0, 1], r"shape \(3,\)"),
    ],
)
def test_masks(tmp_path, values, words):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["mask"] = np.array(values, float)
        file["good"] = np.array([1, 0, 0, 1], np.uint8)
    with open_hdf5(tmp_path / "a.h5") as file:
        assert read_mask(file, (5, 4), "good").tolist() == [True, False, False, True]
        with pytest.raises(InputError, match=words):
            read_mask(file, (5, 4))


def test_a_constant_reference_is_refused(tmp_path):
    x = np.ones((2, 32, 32))
    volume(tmp_path / "in" / "a.h5", image_to_kspace(x), x)
    with pytest.raises(InputError, match="the reference is constant"):
        fastmri(tmp_path / "in")


# Images

PALETTE = np.stack([np.arange(256)[::-1], np.arange(256) // 2, np.arange(256) ** 2 // 255])
SHOWN = PALETTE.T[GRAY].astype(np.uint8)


def pillow(**settings):
    return lambda path, array: Image.fromarray(array).save(path, **settings)


def tiff(**settings):
    return lambda path, array: tifffile.imwrite(path, array, **({"photometric": "minisblack"} | settings))


def palette_png(path):
    image = Image.fromarray(GRAY)
    image.putpalette(PALETTE.T.astype(np.uint8).tobytes())
    image.save(path)


def with_orientation(number):
    """Store GRAY as a camera that was turned does: shown upright, it is GRAY again."""
    turned = {5: GRAY.T, 6: np.rot90(GRAY), 7: GRAY[::-1, ::-1].T, 8: np.rot90(GRAY, -1)}
    back = {1: GRAY, 2: GRAY[:, ::-1], 3: GRAY[::-1, ::-1], 4: GRAY[::-1], **turned}[number]
    return np.ascontiguousarray(back)


SAME = {
    "lzw": pillow(compression="tiff_lzw"),
    "packbits": pillow(compression="packbits"),
    "deflate": tiff(compression="zlib", rowsperstrip=5),
    "deflate, predictor": tiff(compression="zlib", predictor=True),
    "tiles": tiff(tile=(16, 16)),
    "deflated tiles": tiff(tile=(16, 32), compression="zlib"),
    "big-endian": tiff(byteorder=">"),
    "BigTIFF": tiff(bigtiff=True),
    "white is zero": lambda path, array: tiff(photometric="miniswhite")(path, 255 - array),
    "16 bits": lambda path, array: tiff(byteorder=">")(path, array.astype(np.uint16) * 257),
    "float": lambda path, array: tiff()(path, (array / 255).astype(np.float32)),
    "LZW, 16 bits": lambda path, array: Image.fromarray(array.astype(np.uint16) * 257).save(
        path, compression="tiff_lzw"
    ),
    **{f"orientation {n}": lambda path, _, n=n: tiff(extratags=[(274, "H", 1, n, True)])(path, with_orientation(n))
       for n in range(1, 9)},
    **{f"LZW, orientation {n}": lambda path, _, n=n: Image.fromarray(with_orientation(n)).save(
        path, compression="tiff_lzw", tiffinfo={274: n}) for n in (3, 6, 7)},
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_tiffs_of_one_image_are_equal(tmp_path, name):
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    SAME[name](tmp_path / "a.tif", GRAY)
    found, wanted = read_stack(tmp_path / "a.tif"), read_stack(tmp_path / "a.png")
    assert found.shape == wanted.shape == (1, 48, 40)
    assert np.allclose(found, wanted, atol=1e-7)


COLOURS = {
    "palette": lambda path: tifffile.imwrite(
        path, GRAY, photometric="palette", colormap=(PALETTE * 257).astype(np.uint16)
    ),
    "planes": lambda path: tifffile.imwrite(
        path, np.moveaxis(SHOWN, -1, 0), photometric="rgb", planarconfig="separate"
    ),
    "LZW": lambda path: Image.fromarray(SHOWN).save(path, compression="tiff_lzw"),
    "opaque alpha": lambda path: tifffile.imwrite(
        path, np.dstack([SHOWN, np.full_like(GRAY, 255)]), photometric="rgb", extrasamples=["unassalpha"]
    ),
    "palette PNG": palette_png,
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_are_those_that_are_shown(tmp_path, name):
    Image.fromarray(SHOWN).save(tmp_path / "a.png")
    COLOURS[name](tmp_path / ("b.png" if "PNG" in name else "b.tif"))
    found = read_stack(next(tmp_path.glob("b.*")))
    assert np.allclose(found, read_stack(tmp_path / "a.png"), atol=1e-7)


def test_packed_bits_pages_and_pyramids(tmp_path):
    bits = GRAY > 100
    Image.fromarray(bits).save(tmp_path / "group4.tif", compression="group4")
    tifffile.imwrite(tmp_path / "plain.tif", bits, photometric="minisblack")
    tifffile.imwrite(tmp_path / "white.tif", ~bits, photometric="miniswhite")
    for name in ("group4", "plain", "white"):
        assert np.array_equal(read_stack(tmp_path / f"{name}.tif")[0], bits), name
    frames = [Image.fromarray(np.roll(GRAY, i, 0)) for i in range(3)]
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:], compression="tiff_lzw")
    assert np.array_equal(read_stack(tmp_path / "pages.tif")[2], np.roll(GRAY, 2, 0) / 255)
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as tif:
        tif.write(GRAY, subifds=1, photometric="minisblack")
        tif.write(GRAY[::2, ::2], subfiletype=1, photometric="minisblack")
    assert np.array_equal(read_stack(tmp_path / "pyramid.tif")[0], GRAY / 255)
    tifffile.imwrite(tmp_path / "signed.tif", GRAY.astype(np.int16) - 100, photometric="minisblack")
    assert np.allclose(read_stack(tmp_path / "signed.tif")[0], (GRAY.astype(float) - 100) / 32767)


def test_the_orientation_of_photographs_is_followed(tmp_path):
    for suffix in ("png", "jpg"):
        exif = Image.Exif()
        exif[274] = 6
        Image.fromarray(with_orientation(6)).save(tmp_path / f"a.{suffix}", exif=exif, quality=100)
        assert np.allclose(read_stack(tmp_path / f"a.{suffix}")[0], GRAY / 255, atol=0.03)


def two_sizes(path):
    with tifffile.TiffWriter(path) as tif:
        tif.write(GRAY, photometric="minisblack", metadata=None)
        tif.write(GRAY[:20], photometric="minisblack", metadata=None)


REFUSED = {
    "CMYK": (lambda path: Image.fromarray(SHOWN).convert("CMYK").save(path), "SEPARATED colours"),
    "Lab": (lambda path: Image.fromarray(SHOWN).convert("LAB").save(path), "CIELAB colours"),
    "transparent": (
        lambda path: tifffile.imwrite(path, np.dstack([SHOWN, GRAY]), photometric="rgb", extrasamples=["unassalpha"]),
        "transparent pixels",
    ),
    "channels": (
        lambda path: tifffile.imwrite(path, np.dstack([GRAY] * 2), photometric="minisblack", planarconfig="contig"),
        "2 channels",
    ),
    "two sizes": (two_sizes, r"2 images of different sizes or kinds \(48 x 40, 20 x 40\)"),
    "complex": (lambda path: tifffile.imwrite(path, GRAY.astype(np.complex64), photometric="minisblack"), "complex64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_gray_value_is_refused_and_kept(tmp_path, name):
    make, words = REFUSED[name]
    make(tmp_path / "a.tif")
    with pytest.raises(InputError, match=words) as caught:
        read_stack(tmp_path / "a.tif")
    assert "replace" not in str(caught.value)
    assert "remove" not in str(caught.value)


def test_photographs_without_gray_values_are_refused(tmp_path):
    Image.fromarray(SHOWN).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="CMYK colours"):
        read_stack(tmp_path / "a.jpg")
    frames = [Image.fromarray(GRAY), Image.fromarray(GRAY.T.copy().reshape(48, 40))]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="animation of 2 frames"):
        read_stack(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[{}]], dtype=object), "without pickle"),
        (np.zeros((4, 4), [("a", "f4")]), "save a plain array"),
        (np.zeros((4, 4), "M8[s]"), "save a plain array"),
        (np.ones((20, 20), complex), "real numbers are expected"),
        (np.array(3.0), r"has shape \(\)"),
        (np.zeros((0, 3, 3)), r"has shape \(0, 3, 3\)"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, array, words):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=words):
        read_stack(tmp_path / "a.npy")


def test_the_order_of_an_array_does_not_matter(tmp_path):
    np.save(tmp_path / "c.npy", GRAY)
    np.save(tmp_path / "f.npy", np.asfortranarray(GRAY))
    np.save(tmp_path / "b.npy", GRAY.astype(">u2") * 257)
    assert np.array_equal(read_npy(tmp_path / "f.npy"), GRAY)
    assert np.allclose(read_stack(tmp_path / "b.npy"), read_stack(tmp_path / "c.npy"))


def test_constant_images(tmp_path):
    np.save(tmp_path / "a.npy", np.full((20, 20), 3.0))
    with pytest.raises(InputError, match="the image is constant"):
        images(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.stack([np.full(GRAY.shape, 3.0), GRAY]))
    assert images(tmp_path / "b.npy").notes() == ["b.npy: 1 of 2 images are constant"]


# SEG-Y


def segy(path, traces, code=5, endian="big", **headers):
    """Traces (n, samples) with the trace headers given by byte."""
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount = code, np.arange(traces.shape[1]) * 4, len(traces)
    spec.endian = endian
    with segyio.create(str(path), spec) as file:
        file.bin.update(hns=traces.shape[1], hdt=4000, format=code)
        for i, trace in enumerate(traces):
            file.header[i] = {1: i + 1, 115: traces.shape[1]} | {
                getattr(segyio.su, name): int(values[i]) for name, values in headers.items()
            }
            file.trace[i] = trace.astype(file.dtype)


TRACES = np.random.default_rng(0).normal(size=(24, 40)).astype(np.float32) * 50
NUMBER = np.arange(24)


def patched(at, value):
    def make(path):
        segy(path, TRACES)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(value)

    return make


SEGY = {
    "pre-stack": (lambda p: segy(p, TRACES, cdp=NUMBER // 6, offset=NUMBER % 6 * 100), "pre-stack data .* 6 offsets"),
    "a shot": (lambda p: segy(p, TRACES, offset=NUMBER * 25), "pre-stack data"),
    "3-D": (lambda p: segy(p, TRACES, iline=NUMBER // 6, xline=NUMBER % 6), "3-D volume .*4 inlines, 6 crosslines"),
    "two lines": (lambda p: segy(p, TRACES, cdp=NUMBER % 12), "24 traces of 12 CDPs"),
    "trace headers": (lambda p: segy(p, TRACES, ns=np.where(NUMBER == 3, 39, 40)), "39, 40 samples"),
    "format": (patched(3224, b"\x00\x07"), "sample format 7"),
    "two byte orders": (patched(3224, b"\x05\x00"), "does not fit traces of 10240 samples"),
    "samples": (patched(3220, b"\x00\x29"), "does not fit traces of 41 samples"),
}


@pytest.mark.parametrize("name", SEGY)
def test_segy_that_is_no_section_is_told(tmp_path, name):
    make, words = SEGY[name]
    make(tmp_path / "a.sgy")
    with pytest.raises(InputError, match=words) as caught:
        read_section(tmp_path / "a.sgy", None)
    assert "replace" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sections_in_segy_are_read(tmp_path):
    segy(tmp_path / "plain.sgy", TRACES)
    segy(tmp_path / "stack.sgy", TRACES, cdp=NUMBER + 100, offset=np.full(24, 300), iline=np.ones(24), xline=NUMBER)
    segy(tmp_path / "line.sgy", TRACES, iline=NUMBER, xline=NUMBER + 3)  # across a 3-D survey
    for name in ("plain", "stack", "line"):
        assert np.array_equal(read_section(tmp_path / f"{name}.sgy", None), TRACES.T)
    segy(tmp_path / "integers.sgy", np.round(TRACES), code=3)
    assert np.array_equal(read_section(tmp_path / "integers.sgy", None), np.round(TRACES.T))


@pytest.mark.parametrize("code", [1, 2, 3, 5, 8])
def test_little_endian_segy_is_told_by_its_header(tmp_path, code):
    traces = TRACES if code in (1, 5) else np.round(TRACES).clip(-127, 127)
    segy(tmp_path / "big.sgy", traces, code=code)
    segy(tmp_path / "little.sgy", traces, code=code, endian="little")
    read = [read_section(tmp_path / f"{order}.sgy", None) for order in ("big", "little")]
    assert np.array_equal(*read)
    np.testing.assert_allclose(read[0], traces.T, rtol=1e-6)


# Splits


def test_the_same_image_in_two_splits_is_refused_by_content(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(5):
        np.save(tmp_path / f"v{i}.npy", rng.integers(0, 255, (20, 20), dtype=np.uint8))
    images(tmp_path, partition="volume")
    chosen = images(tmp_path, partition="volume")._chosen
    image = np.load(chosen["test"][0])
    chosen["train"][0].unlink()
    Image.fromarray(image).save(chosen["train"][0].with_suffix(".png"), compress_level=9)
    with pytest.raises(InputError, match="the same image is in test and in train"):
        images(tmp_path, partition="volume")


def test_a_volume_that_was_written_again_is_the_same(tmp_path):
    for half, count in (("singlecoil_train", 2), ("singlecoil_val", 2)):
        for i in range(count):
            x = object_volume(factor=1 + i + 3 * (half == "singlecoil_val"))
            volume(tmp_path / half / f"file{i}.h5", image_to_kspace(x), center_crop(x, (32, 32)))
    assert len(fastmri(tmp_path, partition="folder").images("train")) == 4  # equal names of other content
    path = tmp_path / "singlecoil_val" / "file0.h5"
    shutil.copy(tmp_path / "singlecoil_train" / "file1.h5", path)
    with h5py.File(path, "a") as file:
        file.attrs["note"] = "other bytes"
    with pytest.raises(InputError, match=r"file0\.h5 is in .* \(there as file1\.h5\)"):
        fastmri(tmp_path, partition="folder")


def test_sections_take_the_limit(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((400, 800)))
    with pytest.raises(InputError, match=r"dataset\.max_gib"):
        SectionSource(
            str(tmp_path / "a.npy"),
            0,
            "velocity",
            None,
            [64, 32],
            16,
            {"train": 0.7, "val": 0.1, "test": 0.2},
            8,
            0.001,
        ).prepare()


def test_converted_and_generated_files_keep_the_convention(tmp_path):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for i, shape in enumerate([(33, 47), (32, 48), (320, 20)]):
        kspace = rng.normal(size=(2, *shape)) + 1j * rng.normal(size=(2, *shape))
        write_volume(tmp_path / "in" / f"{i}.h5", 1e-4 * kspace, (20, 18), acquisition="T", patient_id="1")
    assert len(fastmri(tmp_path / "in").images("test")) == 6
