"""Measure with several receive coils: every coil sees the image through its sensitivity."""

import numpy as np
import torch
from torch import Tensor

from sgdj.operators.base import Operator
from sgdj.runtime.arrays import Array


class MultiCoil(Operator):
    r"""Sensitivity encoding :math:`A = E S` (Pruessmann et al., 1999), with :math:`(S x)_c = s_c \odot x`.

    E measures every coil's image alone; for Cartesian MRI it is :math:`M F`. The adjoint combines the coils,
    :math:`A^H y = \sum_c \bar s_c \odot (E^H y)_c`. Where :math:`\sum_c |s_c|^2 = 1` and ‖E‖ ≤ 1, ‖A‖ ≤ 1.

    Parameters
    ----------
    encoding
        Operator E of single-coil images; it is given (B, C, H, W) with C coils in the place of channels.
    maps
        Coil sensitivities s, complex, shape (C, H, W), or (B, C, H, W) for those of each sample.

    Raises
    ------
    ValueError
        If the maps have another rank, or hold no coil.
    """

    def __init__(self, encoding: Operator, maps: Tensor) -> None:
        if maps.ndim not in (3, 4) or maps.shape[-3] == 0:
            raise ValueError(f"the maps must have shape (C, H, W) or (B, C, H, W), got {maps.shape=}")
        self.encoding, self.maps = encoding, maps

    @property
    def coils(self) -> int:
        """Number of coils C."""
        return self.maps.shape[-3]

    def _weighted(self, x: Tensor) -> Tensor:
        if x.shape[1] != 1 or x.shape[-2:] != self.maps.shape[-2:]:
            raise ValueError(f"expected images (B, 1, H, W) of the maps' size, got {tuple(x.shape)} {self.maps.shape=}")
        return self.maps * x

    def _combined(self, coil_images: Tensor) -> Tensor:
        if coil_images.shape[1] != self.coils:
            raise ValueError(f"expected {self.coils} coils, got {tuple(coil_images.shape)}")
        return (self.maps.conj() * coil_images).sum(1, keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        """Measure images (B, 1, H, W) with every coil, shape (B, C, H, W)."""
        return self.encoding.forward(self._weighted(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """Combine the coils' measurements (B, C, H, W) to images (B, 1, H, W)."""
        return self._combined(self.encoding.adjoint(y))

    def gram(self, x: Tensor) -> Tensor:
        """Apply AᴴA by the gram operator of each coil."""
        return self._combined(self.encoding.gram(self._weighted(x)))

    def norm(self) -> float:
        """Return the largest singular value, computed from AᴴA by Lanczos iterations in double precision."""
        from scipy.sparse.linalg import LinearOperator, eigsh  # imported where it is used: it is slow to load

        maps = self.maps.detach().cpu().to(torch.complex128)
        exact = MultiCoil(self.encoding.to("cpu"), maps)
        shape = exact.gram(torch.zeros(1, 1, *maps.shape[-2:], dtype=maps.dtype)).shape  # B of the maps or the masks
        size = shape.numel()

        def gram(x: Array) -> Array:
            image = torch.from_numpy(np.asarray(x, dtype=np.complex128)).reshape(shape)
            found: Array = exact.gram(image).numpy()
            return found.reshape(np.shape(x))

        if size < 3:
            columns = np.stack([gram(column) for column in np.eye(size)], axis=1)
            return float(np.sqrt(np.linalg.eigvalsh(columns)[-1].clip(min=0)))
        start = np.ones(size)
        largest = eigsh(
            LinearOperator((size, size), matvec=gram, dtype=np.complex128), k=1, v0=start, return_eigenvectors=False
        )
        return float(np.sqrt(largest[0].clip(min=0)))

    def restrict(self, y: Tensor) -> Tensor:
        """Set to zero, for every coil, what is not measured."""
        return self.encoding.restrict(y)

    def acceleration(self) -> Tensor | None:
        """Return the undersampling of each coil, that of E."""
        return self.encoding.acceleration()

    def sampled(self) -> Tensor | None:
        """Return what every coil samples."""
        return self.encoding.sampled()

    def resampled(self, mask: Tensor) -> "MultiCoil":
        """Return the operator that samples something else of every coil."""
        return MultiCoil(self.encoding.resampled(mask), self.maps)

    def repeat(self, count: int) -> "MultiCoil":
        """Return the operator with the samples' maps and masks repeated like the batch."""
        maps = self.maps if self.maps.ndim == 3 else self.maps.repeat(count, 1, 1, 1)
        return MultiCoil(self.encoding.repeat(count), maps)

    def take(self, index: int) -> "MultiCoil":
        """Return the operator with the maps and the mask of the sample at `index`."""
        maps = self.maps if self.maps.ndim == 3 else self.maps[index : index + 1]
        return MultiCoil(self.encoding.take(index), maps)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "MultiCoil":
        """Return the operator with its maps and masks on `device`."""
        return MultiCoil(
            self.encoding.to(device, non_blocking=non_blocking), self.maps.to(device, non_blocking=non_blocking)
        )
