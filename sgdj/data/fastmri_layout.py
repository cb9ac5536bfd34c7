"""Write volumes in the layouts of the fastMRI data sets."""

from pathlib import Path

import numpy as np

from sgdj.data.convention import magnitude
from sgdj.data.fft import center_crop, kspace_to_image
from sgdj.data.layouts import MULTI_COIL
from sgdj.runtime.arrays import Array

_HEADER = """<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
  <encoding>
    <encodedSpace><matrixSize><x>{height}</x><y>{width}</y><z>1</z></matrixSize></encodedSpace>
    <reconSpace><matrixSize><x>{rows}</x><y>{columns}</y><z>1</z></matrixSize></reconSpace>
    <encodingLimits><kspace_encoding_step_1>
      <minimum>0</minimum><maximum>{last}</maximum><center>{center}</center>
    </kspace_encoding_step_1></encodingLimits>
  </encoding>
</ismrmrdHeader>
"""


def write_volume(
    path: Path,
    kspace: Array,
    shape: tuple[int, int],
    *,
    acquisition: str,
    patient_id: str,
    maps: Array | None = None,
    mask: Array | None = None,
) -> None:
    """Write one volume; a fully sampled one with the magnitude or root sum of squares of its images as the reference.

    Parameters
    ----------
    path
        File to write, ending in ``.h5``.
    kspace
        Centred orthonormal k-space, complex, shape (S, H, W), or (S, C, H, W) of C coils.
    shape
        Size (h, w) of the reconstruction, at most (H, W).
    acquisition
        Attribute `acquisition` of the file, the name of the sequence.
    patient_id
        Attribute `patient_id` of the file.
    maps
        Coil sensitivities to store as ``sensitivity_maps``, complex, in the shape of `kspace`; None for none.
    mask
        Columns (W,) or points (H, W) that were acquired, of an undersampled volume, which has no reference; None for a
        fully sampled one.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    import h5py  # imported where it is used: it is slow to load

    kspace = np.ascontiguousarray(kspace, dtype=np.complex64)
    coils = kspace.ndim == MULTI_COIL.axes
    images = center_crop(kspace_to_image(kspace), shape)
    target = (np.stack([magnitude(s) for s in images]) if coils else np.abs(images)).astype(np.float32)
    height, width = kspace.shape[-2:]
    header = _HEADER.format(
        height=height, width=width, rows=shape[0], columns=shape[1], last=width - 1, center=width // 2
    )
    # in memory first: on a full disk HDF5 keeps its file open, and crashes when the process ends
    with h5py.File(path.name, "w", driver="core", backing_store=False, track_order=False) as file:
        file.create_dataset("kspace", data=kspace, chunks=(1, *kspace.shape[1:]), fletcher32=True, track_times=False)
        if maps is not None:
            stored = np.ascontiguousarray(maps, dtype=np.complex64)
            chunks = (1, *kspace.shape[1:])
            file.create_dataset("sensitivity_maps", data=stored, chunks=chunks, fletcher32=True, track_times=False)
        if mask is not None:
            file.create_dataset("mask", data=mask.astype(np.uint8), track_times=False)
        references = (MULTI_COIL.reference,) if coils else ("reconstruction_esc", "reconstruction_rss")
        for name in references if mask is None else ():
            file.create_dataset(name, data=target, chunks=(1, *shape), fletcher32=True, track_times=False)
        file.create_dataset("ismrmrd_header", data=header.encode(), track_times=False)
        file.attrs["acquisition"] = acquisition
        file.attrs["patient_id"] = patient_id
        file.attrs["max"] = float(target.max())
        file.attrs["norm"] = float(np.linalg.norm(target))
        file.flush()
        image = file.id.get_file_image()
    with path.open("wb", buffering=0) as written:
        rest = memoryview(image)
        try:
            while rest:
                rest = rest[written.write(rest) :]
        except OSError as error:  # no part of a volume stays
            path.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from error
