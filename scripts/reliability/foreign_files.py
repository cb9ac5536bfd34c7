"""Make small valid files of other programs, to be damaged."""

import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

_SHAPE = (3, 12, 9)
_XML = """<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<trajectory>cartesian</trajectory><encodedSpace><matrixSize><x>12</x><y>9</y><z>1</z></matrixSize></encodedSpace>
<encodingLimits><kspace_encoding_step_1><center>4</center></kspace_encoding_step_1></encodingLimits>
</encoding></ismrmrdHeader>"""
_COUNTERS = (
    "kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase", "repetition", "set",
)  # fmt: skip
#: Between the header and the array of a BART pair that is damaged as one.
BART_END = b"\n#END\n"


def _images() -> Any:
    v, u = np.meshgrid(np.linspace(-1, 1, _SHAPE[1]), np.linspace(-1, 1, _SHAPE[2]), indexing="ij")
    return np.exp(-3 * (v**2 + u**2)) * np.arange(1, 4)[:, None, None] * np.exp(1j * v)


def nifti() -> list[bytes]:
    """Make real and complex NIfTI images, plain and compressed."""
    import gzip

    import nibabel

    found = []
    for array in (np.abs(_images()).astype("f4"), _images().astype("c8"), np.abs(100 * _images()).astype("i2")):
        found.append(nibabel.Nifti1Image(array.transpose(2, 1, 0), np.diag([-1, -1, 1, 1])).to_bytes())
    return [*found, gzip.compress(found[0])]


def dicom() -> list[bytes]:
    """Make DICOM images of one frame and of several."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    found = []
    for frames in (1, 3):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = MRImageStorage
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
        one.Rows, one.Columns, one.SamplesPerPixel, one.PhotometricInterpretation = 12, 9, 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.NumberOfFrames, one.RescaleSlope, one.RescaleIntercept = frames, 2, 1
        one.PixelData = np.abs(100 * _images()[:frames]).astype("<u2").tobytes()
        buffer = BytesIO()
        one.save_as(buffer, enforce_file_format=True)
        found.append(buffer.getvalue())
    return found


def matlab() -> list[bytes]:
    """Make MATLAB files of version 5, plain and compressed, and of version 7.3."""
    import h5py
    from scipy.io import savemat

    found = []
    for compressed in (False, True):
        buffer = BytesIO()
        savemat(buffer, {"x": _images().transpose(1, 2, 0), "n": 1.0, "t": "text"}, do_compression=compressed)
        found.append(buffer.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mat"
        pairs = np.zeros(_SHAPE, [("real", "<f8"), ("imag", "<f8")])
        pairs["real"], pairs["imag"] = _images().real, _images().imag
        with h5py.File(path, "w", userblock_size=512) as file:
            file["x"] = pairs
        content = path.read_bytes()
    return [*found, b"MATLAB 7.3 MAT-file".ljust(512) + content[512:]]


def bart() -> list[bytes]:
    """Make pairs of a header and an array, joined by `BART_END`."""
    head = b"# Dimensions\n12 9 1 1 1 1 1 1 1 1 1 1 1 3\n# Command\nphantom\n"
    return [head + BART_END + _images().transpose(1, 2, 0).astype("<c8").tobytes(order="F")]


def ismrmrd() -> list[bytes]:
    """Make raw data of two coils and three slices, as the ISMRMRD library lays it out."""
    import h5py

    from sgdj.data.fft import image_to_kspace

    counters = np.dtype([(name, "<u2") for name in _COUNTERS])
    head = np.dtype(
        [
            ("flags", "<u8"),
            ("number_of_samples", "<u2"),
            ("active_channels", "<u2"),
            ("center_sample", "<u2"),
            ("idx", counters),
        ]
    )
    values = h5py.vlen_dtype(np.dtype("<f4"))
    kspace = image_to_kspace(_images()).astype(np.complex64)
    rows = np.zeros(_SHAPE[0] * _SHAPE[2], [("head", head), ("traj", values), ("data", values)])
    for i, row in enumerate(rows):
        s, column = divmod(i, _SHAPE[2])
        row["head"]["number_of_samples"], row["head"]["active_channels"] = _SHAPE[1], 2
        row["head"]["center_sample"] = _SHAPE[1] // 2
        row["head"]["idx"]["slice"], row["head"]["idx"]["kspace_encode_step_1"] = s, column
        row["traj"], row["data"] = np.zeros(0, "f4"), np.tile(kspace[s, :, column], 2).view(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("dataset/xml", data=[_XML], dtype=h5py.string_dtype())
            file.create_dataset("dataset/data", data=rows, maxshape=(None,), chunks=(1,))
        return [path.read_bytes()]
