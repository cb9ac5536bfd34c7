"""Name what the single-coil and the multi-coil files of fastMRI call their parts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """Names of one kind of fastMRI files.

    Parameters
    ----------
    prefix
        Beginning of the folders' names, such as ``singlecoil`` of ``singlecoil_train``.
    reference
        Name of the reference image in a file, magnitudes of shape (S, h, w).
    axes
        Number of axes of ``kspace``: (S, H, W), or (S, C, H, W) with C coils.
    dataset
        Option of the group ``dataset`` that reads them.
    """

    prefix: str
    reference: str
    axes: int
    dataset: str

    @property
    def folders(self) -> tuple[str, str]:
        """Names of the folders with training volumes and with held-out ones."""
        return f"{self.prefix}_train", f"{self.prefix}_val"


SINGLE_COIL = Layout("singlecoil", "reconstruction_esc", 3, "fastmri")
MULTI_COIL = Layout("multicoil", "reconstruction_rss", 4, "multicoil")
