"""Compare k-space with the image that its own file stores beside it."""

import numpy as np

from sgdj.data.fft import center_crop, kspace_to_image
from sgdj.errors import InputError
from sgdj.runtime.arrays import Array

_TOLERANCE = 1e-3  # files of the fastMRI layout agree to 1e-6; a crop that is off by one pixel differs by some percent
_AT_THE_EDGE = 4.0  # energy of the outer half of k-space over that of the inner half; white noise has 1, images < 0.1


def magnitude(images: Array) -> Array:
    """Return the magnitude of an image (H, W), or the root sum of squares over the coils of (C, H, W)."""
    found = np.abs(images)
    return found if images.ndim == 2 else np.sqrt((found.astype(np.float64) ** 2).sum(0))


def difference(kspace: Array, reference: Array) -> float:
    """Compare a slice's stored reference with the centred orthonormal transform of its k-space.

    Parameters
    ----------
    kspace
        One slice of k-space, complex, shape (H, W), or (C, H, W) for C coils.
    reference
        Stored magnitude image, shape (h, w), at most (H, W).

    Returns
    -------
    float
        Relative difference ‖ |crop(F⁻¹k)| − r ‖ / ‖r‖, where |·| of several coils is their root sum of squares.
    """
    image = magnitude(center_crop(kspace_to_image(kspace), (reference.shape[0], reference.shape[1])))
    wanted = reference.astype(np.float64)
    return float(np.linalg.norm(image - wanted)) / max(float(np.linalg.norm(wanted)), 1e-300)


def off_centre(kspace: Array) -> bool:
    """Check whether zero frequency lies at the edge: most of the energy is in the outer half of the rows or columns.

    The magnitude of the image does not show it, and a sampling mask would keep the wrong lines.

    Parameters
    ----------
    kspace
        One slice of k-space, complex, shape (H, W), or (C, H, W) for C coils.

    Returns
    -------
    bool
        True if zero frequency lies at the edge.
    """
    energy = magnitude(kspace).astype(np.float64) ** 2
    for axis in (0, 1):
        profile = energy.sum(1 - axis)
        n = len(profile)
        inner = profile[n // 4 : n - n // 4].sum()
        if profile.sum() - inner > _AT_THE_EDGE * inner:
            return True
    return False


def check_convention(kspace: Array, reference: Array, where: str, name: str = "reconstruction_esc") -> None:
    """Refuse k-space of another convention than fastMRI's: a centred orthonormal transform, cropped at the centre.

    Parameters
    ----------
    kspace
        A fully sampled slice, complex, shape (H, W), or (C, H, W) for C coils, finite.
    reference
        Its stored reference, shape (h, w); a slice of zeros is passed over.
    where
        File and slice, for the message.
    name
        Name of the reference in the file: ``reconstruction_esc``, or ``reconstruction_rss`` for several coils.

    Raises
    ------
    InputError
        If the two differ, with the relative difference, or if zero frequency lies at the edge.
    """
    if not np.any(reference):
        return
    found = difference(kspace, reference)
    if not found <= _TOLERANCE:
        columns = kspace.reshape(-1, kspace.shape[-1])
        unsampled = int((~columns.any(0)).sum())
        hint = f"; {unsampled} of its {kspace.shape[-1]} columns are zero" if unsampled > kspace.shape[-1] // 2 else ""
        raise InputError(
            f"the centred orthonormal inverse FFT of k-space differs from {name} by {found:.3g} "
            f"(relative; at most {_TOLERANCE:g} is rounding){hint}",
            where,
            "store fully sampled k-space in fastMRI's convention, and the magnitude that it gives",
        )
    if off_centre(kspace):
        raise InputError(
            f"zero frequency lies at the edge of k-space (its magnitude image agrees with {name} all the same)",
            where,
            "store k-space with zero frequency in the middle (numpy.fft.fftshift)",
        )
