"""Draw synthetic knee-like MR volumes, written as fastMRI-layout HDF5 files."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sgdj.config.types import Count, NonEmpty, NonNegative, Positive, Samples, Seed
from sgdj.data.fastmri import FastMRISource
from sgdj.data.fastmri_layout import write_volume
from sgdj.data.fft import image_to_kspace
from sgdj.data.generate import generate_once
from sgdj.data.generated import GeneratedSource
from sgdj.data.layouts import SINGLE_COIL
from sgdj.data.smooth import smooth_noise
from sgdj.data.source import ImageSet, Split
from sgdj.runtime.arrays import Array
from sgdj.runtime.draws import Draws
from sgdj.runtime.progress import follow

_SCALE = 1e-4  # magnitude of the images, of the order of fastMRI's


class _Canvas:
    """Paint soft-edged structures over one another, in coordinates warped by a smooth field."""

    def __init__(self, v: Array, u: Array, edge: float) -> None:
        self.v, self.u, self.edge = v, u, edge
        self.image = np.zeros_like(v)

    def paint(self, distance: Array, value: Array | float, opacity: float = 1.0) -> None:
        """Cover the canvas with `value` where the signed distance is negative."""
        alpha = opacity / (1 + np.exp(np.clip(distance / self.edge, -40, 40)))
        self.image = self.image * (1 - alpha) + alpha * value

    def ellipse(self, v: float, u: float, a: float, b: float, power: float = 2.0, angle: float = 0.0) -> Array:
        """Compute the first-order signed distance of a superellipse with half axes a (along v) and b (along u)."""
        dv, du = self.v - v, self.u - u
        c, s = np.cos(angle), np.sin(angle)
        p, q = (c * dv + s * du) / a, (-s * dv + c * du) / b
        radius = np.maximum((np.abs(p) ** power + np.abs(q) ** power) ** (1 / power), 1e-9)
        slope = np.hypot((np.abs(p) / radius) ** (power - 1) / a, (np.abs(q) / radius) ** (power - 1) / b)
        return (radius - 1) / np.maximum(slope, 1e-9)


def knee_volume(slices: int, matrix: tuple[int, int], size: int, rng: np.random.Generator) -> Array:
    """Draw complex images of one synthetic knee in coronal slices.

    Femur with two condyles, tibia, fibula, cartilage, menisci, ligaments, muscle, fat, skin and vessels, in random
    proportions that vary smoothly along the slices; tissue texture, coil bias field and smooth phase.

    Parameters
    ----------
    slices
        Number of slices S.
    matrix
        Matrix (H, W) in pixels; the anatomy fills the central `size` x `size` pixels and air the rest.
    size
        Pixels per field of view.
    rng
        Random generator of the anatomy.

    Returns
    -------
    np.ndarray
        Complex images, shape (S, H, W), of magnitude about 1.
    """
    grid = [(np.arange(n) - n / 2 + 0.5) / (size / 2) for n in matrix]
    v0, u0 = np.meshgrid(*grid, indexing="ij")
    shape = (slices, *matrix)
    smooth = 0.16 * size

    def wander(amount: float) -> Array:
        """Draw a parameter that drifts along the slices."""
        return amount * (rng.normal() + rng.normal() * np.linspace(-1, 1, slices) + 0.3 * rng.normal(size=slices))

    warp_v, warp_u = (0.025 * smooth_noise(rng, (1, *matrix), smooth)[0] for _ in range(2))
    suppressed = rng.random() < 0.3  # fat suppression, as in part of the fastMRI knees
    fat = rng.uniform(0.12, 0.3) if suppressed else rng.uniform(0.7, 0.95)
    marrow = rng.uniform(0.12, 0.3) if suppressed else rng.uniform(0.55, 0.85)
    muscle, cartilage, fluid = rng.uniform(0.3, 0.5), rng.uniform(0.55, 0.8), rng.uniform(0.6, 1.1)
    side = rng.choice([-1.0, 1.0])  # left or right knee
    limb_v, limb_u = 1.9 + 0.05 * rng.normal(), rng.uniform(0.72, 0.86)
    joint, tilt = 0.1 * rng.normal() + wander(0.02), rng.uniform(-0.4, 0.4) + wander(0.02)
    bone = rng.uniform(0.42, 0.54) + wander(0.015)
    zoom, shift_u = rng.uniform(0.85, 1.3), rng.normal(0, 0.05)  # field of view and position
    edge = zoom * rng.uniform(0.35, 0.7) * 2 / size
    vessels = [
        (
            rng.uniform(-0.9, 0.9),
            rng.choice([-1, 1]) * rng.uniform(0.5, 0.68),
            rng.uniform(0.012, 0.035),
            rng.choice([0.05, 0.8]),
        )
        for _ in range(rng.integers(4, 11))
    ]
    trabeculae = smooth_noise(rng, shape, 0.012 * size) + smooth_noise(rng, shape, 0.03 * size)
    from scipy.ndimage import gaussian_filter1d  # imported where it is used: it is slow to load

    fibres = gaussian_filter1d(smooth_noise(rng, shape, 0.008 * size), 0.05 * size, axis=1, mode="wrap")
    fibres /= fibres.std()
    lobules = smooth_noise(rng, shape, 0.02 * size)

    out = np.empty(shape, dtype=complex)
    for s in range(slices):
        c, t = np.cos(tilt[s]), np.sin(tilt[s])
        dv, du = zoom * (v0 - joint[s]), zoom * (u0 - shift_u)
        v, u = c * dv - t * du + warp_v, t * dv + c * du + warp_u
        canvas = _Canvas(v, u, edge)
        w = float(bone[s])
        gap = 0.035
        canvas.paint(canvas.ellipse(0, 0, limb_v, limb_u, 2.6), 0.25)  # skin
        canvas.paint(canvas.ellipse(0, 0, limb_v - 0.03, limb_u - 0.03, 2.6), fat * (1 + 0.05 * lobules[s]))
        canvas.paint(canvas.ellipse(0, 0, limb_v - 0.12, limb_u - 0.12, 2.4), muscle * (1 + 0.06 * fibres[s]))
        canvas.paint(canvas.ellipse(0, 0, 0.3, w + 0.08, 2.2), 0.5 * (muscle + fat) * (1 + 0.05 * lobules[s]))
        for side in (-1, 1):  # collateral ligaments and menisci
            canvas.paint(canvas.ellipse(0.02, side * (w + 0.04), 0.34, 0.022), 0.06)
            canvas.paint(canvas.ellipse(0.0, side * (w - 0.09), 0.05, 0.11, 1.3), 0.08)
        spongy = marrow * (1 + 0.05 * trabeculae[s])
        for upper in (True, False):
            sign = -1.0 if upper else 1.0
            shaft = canvas.ellipse(sign * 1.05, 0.02, 0.75, 0.58 * w, 6)
            if upper:  # two condyles
                head = np.minimum(
                    canvas.ellipse(-gap - 0.24, -0.5 * w, 0.24, 0.52 * w, 2.4),
                    canvas.ellipse(-gap - 0.25, 0.5 * w, 0.25, 0.52 * w, 2.4),
                )
            else:  # the tibial plateau
                head = canvas.ellipse(gap + 0.2, 0.0, 0.2, w, 4)
            body = np.minimum(head, shaft)
            canvas.paint(head - 0.028, cartilage)
            canvas.paint(body - 0.006, 0.07)  # cortical bone
            canvas.paint(body + 0.016, spongy)
            growth_plate = np.abs(v - sign * (0.42 + 0.03 * np.sin(5 * u))) - 0.008
            canvas.paint(np.maximum(growth_plate, body + 0.02), 0.2, 0.7)
        fibula = canvas.ellipse(0.75, side * (w + 0.06), 0.45, 0.085, 3)
        canvas.paint(fibula, 0.07)
        canvas.paint(fibula + 0.016, spongy)
        for slope, place in ((0.5, -0.05), (-0.35, 0.06)):  # cruciate ligaments in the notch
            line = np.abs(u - place - slope * v) - 0.018
            canvas.paint(np.maximum(line, canvas.ellipse(-0.05, 0, 0.2, 0.14)), 0.1)
        film = canvas.ellipse(-0.005, 0, 0.014, 0.7 * w)
        canvas.paint(np.maximum(film, np.abs(u) - 0.8 * w), fluid, 0.8)
        for place_v, place_u, radius, value in vessels:
            canvas.paint(canvas.ellipse(place_v, place_u, radius, radius), value)
        out[s] = np.clip(canvas.image, 0, None)
    slope_v, slope_u = rng.normal(0, 0.1, size=2)
    bias = np.exp(0.08 * smooth_noise(rng, (1, *matrix), 0.5 * size) + slope_v * v0 + slope_u * u0)
    phase = 0.15 * smooth_noise(rng, (1, *matrix), 0.3 * size) + rng.uniform(-np.pi, np.pi)
    phase = phase + rng.normal(0, 0.4) * v0 + rng.normal(0, 0.4) * u0 + rng.normal(0, 0.25) * (u0**2 + v0**2)
    return out * bias * np.exp(1j * phase)


class PhantomSource(GeneratedSource):
    """Knee-like phantoms as fastMRI-layout files, read back by the reader of real files.

    Train volumes go to ``singlecoil_train``, validation and test volumes to ``singlecoil_val``: like the real data, the
    layout has no test split with targets.

    Parameters
    ----------
    directory
        Folder under which generated data is kept.
    seed
        Seed `dataset.seed`: everything about the data is a function of it.
    size
        Image size n in pixels; k-space is stored with twice the readout and 1.15 times the phase-encoding field of
        view, about the proportions of the real files.
    slices
        Number of slices per volume.
    volumes
        Number of volumes per split; every volume is another anatomy.
    reference
        Kind of reference image, "complex" or "magnitude"; see `FastMRISource`.
    cache_gib
        Memory for slices that were read, in GiB.
    max_gib
        Largest size that a file may declare, in GiB; None for a quarter of the machine's memory.
    """

    generator = "phantom"
    version = 11
    fastmri_layout = True
    layout = SINGLE_COIL

    def __init__(
        self,
        directory: NonEmpty,
        seed: Seed,
        size: Annotated[int, Field(ge=16)],
        slices: Count,
        volumes: Samples,
        reference: Literal["complex", "magnitude"],
        cache_gib: NonNegative,
        max_gib: Positive | None = None,
    ) -> None:
        super().__init__(directory, seed)
        self.size, self.slices, self.volumes = size, slices, dict(volumes)
        self.reference, self.cache_gib, self.max_gib = reference, cache_gib, max_gib

    def parameters(self) -> dict[str, object]:
        """Return size and number of slices and volumes."""
        return {"size": self.size, "slices": self.slices, "volumes": self.volumes}

    def manifest(self) -> dict[str, object]:
        """Return the parameters of the generator, and which reference is read."""
        return super().manifest() | {"reference": self.reference}

    def build(self, folder: Path) -> None:
        """Write one file per volume."""
        draws = Draws(self.seed)
        matrix = (2 * self.size, 2 * round(1.15 * self.size / 2))
        jobs = [(split, i) for split in ("train", "val", "test") for i in range(self.volumes[split])]
        for number, (split, i) in enumerate(follow(jobs, len(jobs), "generating phantom volumes")):
            target = folder / self.layout.folders[split != "train"]
            target.mkdir(exist_ok=True)
            rng = draws.generator("data", split, i)
            drawn = (2 * round(0.55 * self.size), matrix[1])  # rows further out are air
            images = _SCALE * rng.uniform(0.5, 2.0) * knee_volume(self.slices, drawn, self.size, rng)
            border = (matrix[0] - drawn[0]) // 2
            padded = np.pad(images, ((0, 0), (border, border), (0, 0)))
            self.write(target / f"file{number:07d}.h5", padded, f"phantom-{self.seed}-{split}-{i}")

    def write(self, path: Path, images: Array, patient_id: str) -> None:
        """Write one volume of complex images (S, H, W) with its k-space."""
        shape = (self.size, self.size)
        write_volume(path, image_to_kspace(images), shape, acquisition="PHANTOM", patient_id=patient_id)

    def prepare(self) -> None:
        """Generate the files unless they are there, and open them."""
        spec = super().manifest()
        self.folder = generate_once(self.directory, spec, self.build)
        self.reader = self.open()
        self.reader.prepare()

    def open(self) -> FastMRISource:
        """Return the reader of the generated files."""
        return FastMRISource(
            root=str(self.folder),
            seed=self.seed,
            crop=None,
            slice_offsets=None,
            reference=self.reference,
            partition="folder",
            volumes=self.volumes,
            cache_gib=self.cache_gib,
            max_gib=self.max_gib,
        )

    def images(self, split: Split) -> ImageSet:
        """Return the slices of a split, read by `FastMRISource`."""
        return self.reader.images(split)

    def notes(self) -> list[str]:
        """Return the notes of the reader."""
        return self.reader.notes()
