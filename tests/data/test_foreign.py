"""Files of other programs, written by their own libraries, read back and converted."""

import gzip
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from scripts import data as script_module
from sgdj.data.describe import describe_file
from sgdj.data.fft import center_crop, image_to_kspace, kspace_to_image
from sgdj.data.foreign import read_foreign, sampled_columns, suffix
from sgdj.data.matlab_5 import list_variables, read_variable
from sgdj.data.slices import Reading, Slices
from sgdj.errors import InputError
from sgdj.operators.coil_maps import birdcage

SHAPE = (3, 20, 15)  # slices, rows, columns: not square, and odd


def images(shape=SHAPE) -> np.ndarray:
    """Complex slices that no turning leaves as they are, with their peak off the centre."""
    rng = np.random.default_rng(0)
    v, u = np.meshgrid(np.linspace(-1, 1, shape[1]), np.linspace(-1, 1, shape[2]), indexing="ij")
    made = [
        np.exp(-6 * ((v - 0.3) ** 2 + (u + 0.4) ** 2)) * (1 + 0.1 * s) + 0.2 * ((v > 0.5) & (u > 0))
        for s in range(shape[0])
    ]
    return (np.stack(made) + 0.01 * rng.random(shape)) * np.exp(1j * (0.4 + v))


def coil_kspace(coils: int = 4) -> np.ndarray:
    return image_to_kspace(images()[:, None] * birdcage(coils, SHAPE[1:]).numpy()).astype(np.complex64)


def convert(capfd, *arguments: str) -> tuple[int, str, str]:
    code = script_module.main(["convert", *arguments])
    return code, *capfd.readouterr()


def stored(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Return k-space of a volume, and its reference."""
    with h5py.File(path) as file:
        reference = next(
            (file[name][()] for name in ("reconstruction_rss", "reconstruction_esc") if name in file), None
        )
        return file["kspace"][()], reference


def complex_pairs(array: np.ndarray) -> np.ndarray:
    pairs = np.zeros(array.shape, [("real", "<f8"), ("imag", "<f8")])
    pairs["real"], pairs["imag"] = array.real, array.imag
    return pairs


def test_matlab_5(tmp_path, capfd):
    kspace = coil_kspace()
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"k": kspace.transpose(2, 3, 1, 0), "note": "text", "n": 3.0}, do_compression=True)
    code, out, _ = convert(capfd, str(path), str(tmp_path / "out"), "--kspace")
    assert code == 0
    assert "3 slices of 20 x 15, 4 coils (axes taken as hwcs)" in out
    found, reference = stored(tmp_path / "out" / "a.h5")
    assert np.array_equal(found, kspace)
    assert np.allclose(reference, np.abs(images()), rtol=1e-4)


@pytest.mark.parametrize("kind", [complex_pairs, lambda array: array])
def test_matlab_73(tmp_path, kind):
    """MATLAB stores axes in reverse, and complex numbers as pairs; h5py's own complex type is read, too."""
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = kind(images().transpose(0, 2, 1))  # (rows, columns, slices) in MATLAB
        file.create_group("#refs#")
    content = path.read_bytes()
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512, b" ") + content[512:])
    found = read_foreign([path], Reading())
    assert np.allclose(found.array, images())
    assert not found.kspace


def test_the_array_of_a_matlab_file_is_told_or_named(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"k": images()[0], "other": np.abs(images()), "c": np.array(["a"], object)})
    with pytest.raises(
        InputError, match=r"2 arrays of two to four axes.*name one with --key; the file holds k \(20, 15\)"
    ):
        read_foreign([path], Reading())
    assert np.allclose(read_foreign([path], Reading(key="k")).array, images()[:1])
    found = read_foreign([path], Reading(key="other", axes="shw"))
    assert np.allclose(found.array, np.abs(images()))
    with pytest.raises(InputError, match="no array 'z'"):
        read_foreign([path], Reading(key="z"))
    with pytest.raises(InputError, match="say what its axes are"):
        read_foreign([path], Reading(key="k", axes="shw"))


def test_a_matlab_bomb_is_refused(tmp_path):
    """An element that is said to hold four numbers, and unpacks to 64 MiB."""
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"k": np.ones((2, 2))}, do_compression=True)
    content = path.read_bytes()
    element = zlib.decompress(content[136:])
    packed = zlib.compress(element + bytes(2**26), 9)
    path.write_bytes(content[:128] + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed)
    assert path.stat().st_size < 2**17
    with pytest.raises(InputError, match="holds more than it declares"):
        read_foreign([path], Reading())


def test_limits_hold(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"k": np.zeros((400, 400)) + 1})
    (tmp_path / "b.hdr").write_text("# Dimensions\n100000 100000 1 1\n")
    (tmp_path / "b.cfl").write_bytes(b"x")
    for name in ("a.mat", "b.cfl"):
        with pytest.raises(InputError, match=r"above the limit of 0\.001 GiB"):
            read_foreign([tmp_path / name], Reading(max_gib=0.001))


def bart(path: Path, array: np.ndarray) -> None:
    """Write as BART does: column-major, with the dimensions in a header."""
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, array.shape)) + "\n# Command\nphantom\n")
    path.write_bytes(array.astype("<c8").tobytes(order="F"))


def test_bart(tmp_path, capfd):
    kspace = coil_kspace()
    array = kspace.transpose(2, 3, 1, 0)  # read, phase, coil, slice
    bart(tmp_path / "k.cfl", array.reshape(20, 15, 1, 4, *[1] * 9, 3))
    code, _out, _ = convert(capfd, str(tmp_path / "k.cfl"), str(tmp_path / "out"), "--kspace")
    assert code == 0
    assert np.array_equal(stored(tmp_path / "out" / "k.h5")[0], kspace)
    bart(tmp_path / "x.cfl", images().transpose(1, 2, 0))
    assert np.allclose(read_foreign([tmp_path / "x.cfl"], Reading()).array, images(), atol=1e-6)
    with pytest.raises(InputError, match="k-space has 3 partitions"):
        read_foreign([tmp_path / "x.cfl"], Reading(kspace=True))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (None, "no such file"),
        ("nothing", "does not say the dimensions"),
        ("# Dimensions\n4 x", "does not say the dimensions"),
        ("# Dimensions\n-2 -150", "declares the dimensions"),
        ("# Dimensions\n20 16", "the file has 2400 bytes, its header says 2560"),
    ],
)
def test_damaged_bart(tmp_path, header, words):
    bart(tmp_path / "k.cfl", images()[0])
    (tmp_path / "k.hdr").unlink()
    if header is not None:
        (tmp_path / "k.hdr").write_text(header)
    with pytest.raises(InputError, match=words):
        read_foreign([tmp_path / "k.cfl"], Reading())


def test_kspace_as_npy(tmp_path, capfd):
    kspace = coil_kspace()
    np.save(tmp_path / "k.npy", kspace)
    np.save(tmp_path / "one.npy", kspace[0, 0])
    code, out, _ = convert(capfd, str(tmp_path), str(tmp_path / "out"), "--kspace")
    assert code == 0
    found, reference = stored(tmp_path / "out" / "k.h5")
    assert np.array_equal(found, kspace)
    assert np.allclose(reference, np.sqrt((np.abs(kspace_to_image(kspace)) ** 2).sum(1)), rtol=1e-4)
    assert np.array_equal(stored(tmp_path / "out" / "one.h5")[0], kspace[0, :1])
    assert "k.h5: 3 slices of 20 x 15, 4 coils" in out
    np.save(tmp_path / "last.npy", kspace.transpose(2, 3, 0, 1))
    code, out, _ = convert(capfd, str(tmp_path / "last.npy"), str(tmp_path / "out"), "--kspace", "--axes", "hwsc")
    assert np.array_equal(stored(tmp_path / "out" / "last.h5")[0], kspace)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda k: np.fft.ifftshift(k, axes=(-2, -1)), "zero frequency lies at the edge"),
        (np.abs, "k-space has type float32"),
        (lambda k: k * np.nan, "NaN or infinite"),
        (lambda k: k * 0, "zero everywhere"),
    ],
)
def test_what_is_no_kspace_is_refused(tmp_path, capfd, spoil, words):
    np.save(tmp_path / "k.npy", spoil(coil_kspace()[:, 0]))
    with pytest.raises(InputError, match=words):
        convert(capfd, str(tmp_path / "k.npy"), str(tmp_path / "out"), "--kspace")
    assert not (tmp_path / "out").exists()


def test_undersampled_kspace_has_a_mask_and_no_reference(tmp_path, capfd):
    kspace = coil_kspace()
    lines = np.arange(15) % 3 != 1
    np.save(tmp_path / "k.npy", np.where(lines, kspace, 0))
    code, out, _ = convert(capfd, str(tmp_path / "k.npy"), str(tmp_path / "out"), "--kspace")
    assert code == 0
    assert "undersampled (10 of 15 sampled): no reference" in out
    with h5py.File(tmp_path / "out" / "k.h5") as file:
        assert sorted(file) == ["ismrmrd_header", "kspace", "mask"]
        assert np.array_equal(file["mask"][()], lines)
    described = describe_file(tmp_path / "out" / "k.h5")
    assert described.uses == ["reconstruct"]
    assert described.facts["mask"].startswith("10 of 15 lines")


@pytest.mark.parametrize(
    ("keep", "mask"),
    [
        (np.ones((20, 15), bool), None),
        (np.abs(np.arange(15) - 7) < 6, None),  # zero-filled on both sides: a lower resolution
        (np.arange(15) > 4, np.arange(15) > 4),  # partial Fourier
        ((np.arange(20)[:, None] + np.arange(15)) % 2 == 0, (np.arange(20)[:, None] + np.arange(15)) % 2 == 0),
    ],
)
def test_what_was_sampled_shows_in_the_zeros(keep, mask):
    kspace = np.where(keep, np.random.default_rng(0).normal(size=(2, 20, 15)) + 1j, 0)
    found = sampled_columns(Slices(kspace, True, ""))
    assert (found is None) == (mask is None)
    if mask is not None:
        assert np.array_equal(found, mask)


def nifti(path: Path, array: np.ndarray, codes: str = "LPS"):
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, code in enumerate(codes):
        world = next(i for i, pair in enumerate(("RL", "AP", "SI")) if code in pair)
        affine[world, axis] = 1 if code in "RAS" else -1
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return nibabel


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti(tmp_path, capfd, ending):
    shown = np.abs(images()).astype(np.float32)  # slices, rows to posterior, columns to the left
    nifti(tmp_path / f"a{ending}", shown.transpose(2, 1, 0), "LPS")
    found = read_foreign([tmp_path / f"a{ending}"], Reading())
    assert np.array_equal(found.array, shown)
    code, _out, _ = convert(capfd, str(tmp_path / f"a{ending}"), str(tmp_path / "out"))
    assert code == 0
    assert np.allclose(stored(tmp_path / "out" / "a.h5")[1], shown, atol=1e-6)
    assert describe_file(tmp_path / f"a{ending}").uses == ["convert"]


@pytest.mark.parametrize(
    ("codes", "of"),
    [
        ("RAS", lambda x: x[:, ::-1, ::-1].transpose(2, 1, 0)),
        ("PLS", lambda x: x.transpose(1, 2, 0)),
        ("LIA", lambda x: x.transpose(2, 1, 0)),  # coronal: rows to the feet
        ("PSR", lambda x: x[:, ::-1].transpose(2, 1, 0)),  # sagittal: columns to the back
    ],
)
def test_nifti_is_shown_as_radiologists_see_it(tmp_path, codes, of):
    shown = np.abs(images()).astype(np.float32)
    nibabel = nifti(tmp_path / "a.nii", of(shown), codes)
    assert "".join(nibabel.aff2axcodes(nibabel.load(tmp_path / "a.nii").affine)) == codes
    assert np.array_equal(read_foreign([tmp_path / "a.nii"], Reading()).array, shown)


def test_complex_nifti_time_and_scaling(tmp_path):
    x = images().astype(np.complex64)
    nifti(tmp_path / "a.nii", x.transpose(2, 1, 0))
    assert np.array_equal(read_foreign([tmp_path / "a.nii"], Reading()).array, x)
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    both = np.stack([np.abs(x), 2 * np.abs(x)], axis=-1).transpose(2, 1, 0, 3)
    image = nibabel.Nifti1Image((1000 * both).astype(np.int16), np.diag([-1, -1, 1, 1]))
    image.header.set_slope_inter(0.5, 3)
    nibabel.save(image, tmp_path / "t.nii")
    found = read_foreign([tmp_path / "t.nii"], Reading()).array
    assert found.shape == (6, 20, 15)
    assert np.array_equal(found[3:], 0.5 * (2000 * np.abs(x)).astype(np.int16) + 3)


def test_damaged_and_huge_nifti(tmp_path):
    nifti(tmp_path / "a.nii", np.abs(images()).astype(np.float32))
    content = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "cut.nii").write_bytes(content[:2000])
    (tmp_path / "no.nii").write_bytes(b"nothing")
    (tmp_path / "far.nii").write_bytes(content[:108] + np.float32(3e9).tobytes() + content[112:])
    big = content[:42] + np.array([30000, 30000, 300], np.int16).tobytes() + content[48:]
    (tmp_path / "big.nii.gz").write_bytes(gzip.compress(big))
    for name, words in (
        ("cut.nii", "cannot be read"), ("no.nii", "cannot be read"), ("far.nii", "begin at byte 3e"),
        ("big.nii.gz", "above the limit"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            read_foreign([tmp_path / name], Reading())


def test_nifti_of_nibabel_itself():
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    folder = Path(nibabel.__file__).parent / "tests" / "data"
    if not folder.is_dir():
        pytest.skip("nibabel came without its files")
    found = read_foreign([folder / "anatomical.nii"], Reading())
    image = nibabel.load(folder / "anatomical.nii")
    assert found.array.size == np.prod(image.shape)
    assert np.sort(found.array.ravel()).tolist() == np.sort(np.asanyarray(image.dataobj).ravel()).tolist()
    four = nibabel.load(folder / "example4d.nii.gz")
    assert len(read_foreign([folder / "example4d.nii.gz"], Reading()).array) == four.shape[2] * four.shape[3]


def dicom_series(folder: Path, shown: np.ndarray) -> None:
    """Write one file per slice, in another order than their places."""
    pytest.importorskip("pydicom", reason="pydicom is not installed")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    folder.mkdir()
    series = generate_uid()
    for number, place in enumerate((2, 0, 1)):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = MRImageStorage
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
        one.SeriesInstanceUID, one.InstanceNumber = series, number
        one.Rows, one.Columns, one.SamplesPerPixel = 20, 15, 1
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.PhotometricInterpretation = "MONOCHROME2"
        one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, 5.0 * place], [1, 0, 0, 0, 1, 0]
        one.RescaleSlope, one.RescaleIntercept = 2, 1
        one.PixelData = shown[place].astype("<u2").tobytes()
        one.save_as(folder / f"{number}.dcm", enforce_file_format=True)


def test_a_dicom_series_is_one_volume(tmp_path, capfd):
    shown = np.round(1000 * np.abs(images())).astype(np.uint16)
    dicom_series(tmp_path / "in", shown)
    (tmp_path / "in" / "broken.dcm").write_bytes(b"nothing")
    code, out, err = convert(capfd, str(tmp_path / "in"), str(tmp_path / "out"))
    assert code == 5
    assert "skipped broken.dcm" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0.h5"]
    assert "3 slices of 20 x 15 (3 files, along the normal of the slices)" in out
    assert np.allclose(stored(tmp_path / "out" / "0.h5")[1], 2.0 * shown + 1, rtol=1e-5, atol=2e-3)
    assert describe_file(tmp_path / "in" / "0.dcm").kind == "dicom"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MR_small.dcm", None),
        ("MR_small_bigendian.dcm", None),
        ("MR_small_RLE.dcm", None),
        ("liver_1frame.dcm", None),
        ("image_dfl.dcm", "compressed as a whole"),
        ("SC_rgb_small_odd.dcm", "RGB colours"),
        ("rtplan.dcm", "cannot be read"),
        ("rtplan_truncated.dcm", "cannot be read|colours"),
        ("JPEGLSNearLossless_16.dcm", "cannot be read"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom.*")
def test_dicom_of_pydicom_itself(name, words):
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    if not path.is_file():
        pytest.skip("pydicom came without its files")
    if words is None:
        found = read_foreign([path], Reading()).array
        assert np.array_equal(found.squeeze(), pydicom.dcmread(path).pixel_array)
    else:
        with pytest.raises(InputError, match=words):
            read_foreign([path], Reading())


HEADER = """<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<trajectory>{trajectory}</trajectory>
<encodedSpace><matrixSize><x>20</x><y>15</y><z>{partitions}</z></matrixSize></encodedSpace>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>14</maximum><center>7</center>
</kspace_encoding_step_1><kspace_encoding_step_2><minimum>0</minimum><maximum>2</maximum><center>1</center>
</kspace_encoding_step_2></encodingLimits></encoding></ismrmrdHeader>"""


def raw(
    path: Path, kspace: np.ndarray, columns=range(15), partitions: int = 1, trajectory="cartesian", averages: int = 1
):
    """Write (S, C, H, W) as the ISMRMRD library does, with a noise scan first and every third readout reversed."""
    ismrmrd = pytest.importorskip("ismrmrd", reason="ismrmrd is not installed")
    file = ismrmrd.Dataset(str(path), "dataset", create_if_needed=True)
    file.write_xml_header(HEADER.format(partitions=partitions, trajectory=trajectory).encode())
    noise = ismrmrd.Acquisition.from_array(np.ones((kspace.shape[1], 5), np.complex64))
    noise.setFlag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
    file.append_acquisition(noise)
    for average in range(averages):
        for s in range(len(kspace)):
            for column in columns:
                readout = kspace[s, :, :, column] * (1 + (average - (averages - 1) / 2))
                reversed_ = column % 3 == 2
                readout = readout[:, ::-1] if reversed_ else readout
                line = ismrmrd.Acquisition.from_array(np.ascontiguousarray(readout, np.complex64))
                line.center_sample, line.idx.kspace_encode_step_1, line.idx.average = 10, column, average
                setattr(line.idx, "kspace_encode_step_2" if partitions > 1 else "slice", s)
                if reversed_:
                    line.setFlag(ismrmrd.ACQ_IS_REVERSE)
                file.append_acquisition(line)
    file.close()


@pytest.mark.parametrize("averages", [1, 2])
def test_ismrmrd(tmp_path, capfd, averages):
    kspace = coil_kspace()
    raw(tmp_path / "a.h5", kspace, averages=averages)
    code, out, _ = convert(capfd, str(tmp_path / "a.h5"), str(tmp_path / "out"))
    assert code == 0
    assert "3 slices of 20 x 15, 4 coils (15 of 15 columns acquired)" in out
    found, reference = stored(tmp_path / "out" / "a.h5")
    assert np.allclose(found, kspace, atol=1e-6)
    assert np.allclose(reference, np.abs(images()), rtol=1e-3)
    described = describe_file(tmp_path / "a.h5")
    assert (described.kind, described.uses) == ("ismrmrd", ["convert"])


def test_undersampled_and_three_dimensional_ismrmrd(tmp_path, capfd):
    kspace = coil_kspace()
    lines = [0, 3, 5, 6, 7, 8, 9, 12]
    raw(tmp_path / "a.mrd", kspace, lines)
    code, _out, _ = convert(capfd, str(tmp_path / "a.mrd"), str(tmp_path / "out"))
    assert code == 0
    with h5py.File(tmp_path / "out" / "a.h5") as file:
        assert np.flatnonzero(file["mask"][()]).tolist() == lines
        assert "reconstruction_rss" not in file
    encoded = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(kspace, axes=0), axis=0, norm="ortho"), axes=0)
    raw(tmp_path / "b.mrd", encoded, partitions=3)
    assert np.allclose(read_foreign([tmp_path / "b.mrd"], Reading()).array, kspace, atol=1e-5)


def test_what_ismrmrd_files_cannot_be(tmp_path):
    kspace = coil_kspace()
    raw(tmp_path / "spiral.mrd", kspace, trajectory="spiral")
    raw(tmp_path / "outside.mrd", kspace[:, :, :18])
    with h5py.File(tmp_path / "outside.mrd", "a") as file:
        rows = file["dataset/data"][1:3]
        rows["head"]["center_sample"] = 17
        file["dataset/data"][1:3] = rows
    raw(tmp_path / "short.mrd", kspace)
    with h5py.File(tmp_path / "short.mrd", "a") as file:
        rows = file["dataset/data"][4:5]
        rows["head"]["active_channels"] = 2
        file["dataset/data"][4:5] = rows
    with h5py.File(tmp_path / "other.mrd", "w") as file:
        file["dataset"] = h5py.ExternalLink("short.mrd", "/dataset")
    for name, words in (
        ("spiral", "the trajectory is spiral"), ("outside", "2 acquisitions lie outside the encoded matrix"),
        ("short", r"\[2, 4\] coils"), ("other", "the group is missing"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            read_foreign([tmp_path / f"{name}.mrd"], Reading())


def test_a_missing_package_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("sgdj.data.slices.find_spec", lambda name: None)
    for name, package in (("a.nii", "nibabel"), ("a.dcm", "pydicom")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(InputError, match=f"files need the package {package}.*: pip install {package}"):
            read_foreign([tmp_path / name], Reading())


def test_a_folder_is_converted_file_by_file(tmp_path, capfd):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "a.npy", images())
    scipy.io.savemat(tmp_path / "in" / "a.mat", {"x": images().transpose(1, 2, 0)})
    bart(tmp_path / "in" / "b.cfl", images()[0])
    (tmp_path / "in" / "c.mat").write_bytes(b"nothing")
    (tmp_path / "in" / "notes.txt").write_text("x")
    code, out, err = convert(capfd, str(tmp_path / "in"), str(tmp_path / "out"))
    assert code == 5
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a-mat.h5", "a-npy.h5", "b.h5"]
    assert "3 files converted, 1 skipped" in out
    assert err.count("skipped c.mat: the file cannot be read") == 1
    found = [stored(tmp_path / "out" / f"a-{kind}.h5")[0] for kind in ("mat", "npy")]
    assert np.array_equal(*found)
    assert np.allclose(kspace_to_image(found[0]), images(), atol=1e-6)


def test_a_lower_resolution_keeps_the_centre_of_the_mask(tmp_path, capfd):
    kspace = coil_kspace()
    lines = np.arange(15) % 3 != 1
    np.save(tmp_path / "k.npy", np.where(lines, kspace, 0))
    code, _, _ = convert(capfd, str(tmp_path / "k.npy"), str(tmp_path / "out"), "--kspace", "--matrix", "12")
    assert code == 0
    with h5py.File(tmp_path / "out" / "k.h5") as file:
        assert np.array_equal(file["kspace"][()], center_crop(np.where(lines, kspace, 0), (12, 12)))
        assert np.array_equal(file["mask"][()], lines[1:13])


def test_describe_says_what_may_be_kspace(tmp_path):
    np.save(tmp_path / "k.npy", coil_kspace())
    np.save(tmp_path / "x.npy", images())
    found = describe_file(tmp_path / "k.npy")
    assert found.facts["k-space?"].endswith("convert it with --kspace if it is k-space")
    assert found.facts["complex images"] == "(3, 4, 20, 15) (slices, coils, rows, columns), complex64"
    assert "k-space?" not in describe_file(tmp_path / "x.npy").facts


@pytest.mark.parametrize("axes", ["hh", "sh", "hwx", "hwss"])
def test_axes_are_checked(axes, capfd):
    with pytest.raises(InputError, match="names no axes"):
        script_module.main(["convert", "a", "b", "--axes", axes])


def test_suffixes():
    assert [suffix(Path(name)) for name in ("a.NII.GZ", "b.nii", "c.Mat", "d.gz")] == [".nii.gz", ".nii", ".mat", ".gz"]


@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "c16", "c8", ">f8", "?"])
@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_5_reads_what_scipy_wrote_and_scipy_reads_the_same(tmp_path, kind, compressed):
    path = tmp_path / "a.mat"
    values = (np.random.default_rng(0).normal(size=(5, 4, 3)) * 50).astype(kind)
    if values.dtype.kind == "c":
        values = values * (1 - 0.5j)
    scipy.io.savemat(
        path, {"long_name_of_an_array": values, "t": "text", "s": {"x": values}}, do_compression=compressed
    )
    variables = list_variables(path)
    assert list(variables) == ["long_name_of_an_array"]
    found = read_variable(path, variables["long_name_of_an_array"])
    assert found.shape == (5, 4, 3)
    assert np.array_equal(found, scipy.io.loadmat(path)["long_name_of_an_array"])
    assert np.array_equal(found, values)
