"""Every shift changes what it says, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sgdj.data.batch import Problem, measure
from sgdj.errors import InputError
from sgdj.metrics.image import REGION_MARGIN, local_psnr
from sgdj.operators.acquisition import CartesianAcquisition, ConvolutionAcquisition, IdentityAcquisition
from sgdj.operators.wavelets import ricker, rotate_phase
from sgdj.runtime.draws import Draws
from sgdj.shifts import (
    Contrast,
    Detail,
    Geometry,
    Layers,
    Lesion,
    NoiseColour,
    Phase,
    RandomDetail,
    Sampling,
    Text,
    Texture,
    Wavelet,
    White,
)

FOURIER = CartesianAcquisition(
    noise=0.05, mask="gaussian", acceleration=4, center_fraction=0.05, axis="columns", masks="fixed", mask_adjoint=True
)
SEISMIC = ConvolutionAcquisition(noise=0.01, length=51, width=4.0)


def disc(size: int = 48, count: int = 3) -> torch.Tensor:
    """Create complex discs with a phase, of maximum 0.8."""
    v, u = np.mgrid[:size, :size] - size / 2
    magnitude = 0.8 * (np.hypot(u, v) < size / 3) * (1 - 0.3 * (u > 0))
    x = torch.from_numpy(magnitude * np.exp(0.5j * u / size)).to(torch.complex64)
    return x.expand(count, 1, size, size).clone()


def problem(x: torch.Tensor, acquisition=FOURIER) -> Problem:
    names = tuple("abcdefgh"[: len(x)])
    return Problem(x, names, names, acquisition, Draws(0))


DRAWN = [
    Detail(0.5, 0.4, 2, 6, 0.9, "set"),
    RandomDetail(3, 6, 0.9, "set"),
    Lesion(0.1, 0.65, 0.15),
    Texture(3.0, 0.3, 0.2),
    Text("AB", 10, 1.0),
]


@pytest.mark.parametrize("shift", DRAWN, ids=lambda s: type(s).__name__)
def test_what_is_drawn_stays_in_its_region(shift):
    x = disc()
    shifted = shift(problem(x))
    changed = (shifted.x - x).abs() > 1e-6  # a lesion rebuilds the rest from magnitude and phase
    assert changed.flatten(1).any(1).all()
    assert not (changed & ~shifted.region).any()
    assert torch.isfinite(shifted.x.abs()).all()
    assert torch.equal(shift(problem(x)).x, shifted.x)  # the same draw again
    if not isinstance(shift, Detail):
        assert not torch.equal(shifted.region[0], shifted.region[1])  # another place for another sample
    assert measure(shifted).region is shifted.region


def test_a_lesion_lies_in_the_object_and_keeps_the_phase():
    x = disc(64, 8)
    shifted = Lesion(0.1, 0.65, 0.15)(problem(x))
    inside = shifted.region & (x.abs() > 0)
    assert inside.sum() > 0.95 * shifted.region.sum()
    turn = (shifted.x * x.conj())[inside]
    assert turn.imag.abs().max() < 1e-5
    assert (shifted.x.abs() <= 1 + 1e-6).all()
    values = shifted.x.abs()[shifted.region]
    assert values.std() > 0.08  # heterogeneous
    areas = shifted.region.flatten(1).sum(1).float()
    assert areas.std() > 0.05 * areas.mean()
    expected = np.pi * (0.1 * 64) ** 2
    assert 0.5 * expected < areas.mean() < 1.8 * expected


@pytest.mark.parametrize("told", [True, False])
def test_a_told_change_and_a_mismatch_are_told_apart(told):
    clean = measure(problem(disc()))
    batch = measure(Sampling(8.0, None, None, None, told)(problem(disc())))
    assert (batch.y[0, 0, 0] != 0).sum() == 6  # 48 lines, R = 8
    lines = batch.operator.lines
    assert int(lines.sum()) == (6 if told else 12)
    if not told:
        assert torch.equal(lines, clean.operator.lines)


def test_rows_for_columns():
    batch = measure(Sampling(None, None, None, "rows", True)(problem(disc())))
    measured = batch.y[0, 0] != 0
    assert (measured.all(1) | ~measured.any(1)).all()
    assert 0 < measured.any(1).sum() < 48


@pytest.mark.parametrize("told", [True, False])
def test_the_wavelet_changes_in_the_measurement(told):
    x = torch.zeros(1, 1, 101, 1)
    x[0, 0, 50] = 1.0
    quiet = ConvolutionAcquisition(noise=0.0, length=51, width=4.0)
    batch = measure(Wavelet(6.0, 0.0, told)(problem(x, quiet)))
    assert torch.allclose(batch.y[0, 0, 25:76, 0].double(), ricker(51, 6.0), atol=1e-6)
    known = ricker(51, 6.0 if told else 4.0)
    assert torch.allclose(batch.operator.forward(x)[0, 0, 25:76, 0].double(), known, atol=1e-6)


def test_phase_rotation_of_a_wavelet():
    w = ricker(51, 4.0)
    assert torch.equal(rotate_phase(w, 0.0), w)
    assert torch.allclose(rotate_phase(w, 180.0), -w, atol=1e-12)
    quarter = rotate_phase(w, 90.0)
    assert torch.allclose(quarter, -quarter.flip(0), atol=1e-3)  # the Hilbert transform of an even pulse is odd
    spectra = [torch.fft.rfft(p, n=512).abs() for p in (w, rotate_phase(w, 40.0))]
    assert torch.allclose(*spectra, atol=0.02 * float(spectra[0].max()))


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, -1.0])
def test_coloured_noise_has_its_spectrum_and_variance(exponent):
    white = Draws(0).normal("noise", [str(i) for i in range(64)], torch.empty(64, 1, 256, 8))
    noise = NoiseColour(exponent, -2).colour(white)
    assert float(noise.std()) == pytest.approx(1, abs=0.03)
    power = torch.fft.rfft(noise, dim=-2).abs().square().mean((0, 1, 3))[4:120]
    frequency = torch.fft.rfftfreq(256)[4:120]
    slope = np.polyfit(np.log(frequency.numpy()), np.log(power.numpy()), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.1)
    if exponent == 0:
        assert torch.allclose(noise, white, atol=1e-5)


def test_coloured_noise_reaches_the_measurement():
    x = torch.zeros(40, 1, 64, 16)
    names = tuple(map(str, range(40)))
    base = Problem(x, names, names, IdentityAcquisition(noise=0.1), Draws(0))
    y = measure(NoiseColour(2.0, -2)(base)).y
    assert float(y.std()) == pytest.approx(0.1, rel=0.05)
    neighbours = (y[..., 1:, :] * y[..., :-1, :]).mean() / y.square().mean()
    assert neighbours > 0.7


def test_geometry():
    x = torch.rand(1, 1, 32, 32)
    base = problem(x, IdentityAcquisition(noise=0.0))
    assert torch.allclose(Geometry(0.0, 1.0)(base).x, x, atol=1e-5)
    assert torch.allclose(Geometry(90.0, 1.0)(base).x, torch.rot90(x, 1, (-2, -1)), atol=1e-4)
    complex_x = disc()
    turned = Geometry(180.0, 1.0)(problem(complex_x)).x
    assert torch.allclose(turned, torch.rot90(complex_x, 2, (-2, -1)), atol=1e-4)
    area = [float((Geometry(0.0, zoom)(problem(complex_x)).x.abs() > 0.3).float().mean()) for zoom in (1.0, 1.4)]
    assert area[1] / area[0] == pytest.approx(1.4**2, rel=0.05)
    wide = torch.zeros(1, 1, 20, 60)
    wide[..., 8:12, 10:50] = 1.0
    upright = Geometry(90.0, 1.0)(problem(wide, IdentityAcquisition(noise=0.0))).x
    assert upright[0, 0, :, 28:32].min() > 0.9  # pixels stay square in an oblong image


def test_contrast_and_phase():
    x = disc()
    changed = Contrast(0.5)(problem(x)).x
    assert torch.allclose(changed.abs().amax((1, 2, 3)), x.abs().amax((1, 2, 3)))
    inner = x.abs() > 0
    expected = 0.8 * (x.abs()[inner] / 0.8) ** 0.5
    assert torch.allclose(changed.abs()[inner], expected, atol=1e-5)
    assert (changed[~inner] == 0).all()
    signed = torch.tensor([-0.25, 0.0, 1.0]).view(1, 1, 3, 1)
    assert torch.allclose(Contrast(0.5)(problem(signed, SEISMIC)).x.flatten(), torch.tensor([-0.5, 0.0, 1.0]))
    turned = Phase(2.0)(problem(x)).x
    assert torch.allclose(turned.abs(), x.abs(), atol=1e-6)
    assert ((turned * x.conj()).imag.abs() > 0.01).any()


@pytest.mark.parametrize(
    ("shift", "acquisition"),
    [(Sampling(8.0, None, None, None, True), SEISMIC), (Wavelet(5.0, 0.0, True), FOURIER), (Phase(1.0), SEISMIC)],
    ids=lambda value: type(value).__name__,
)
def test_a_shift_of_another_physics_is_refused(shift, acquisition):
    with pytest.raises(InputError, match="task="):
        shift(problem(torch.rand(1, 1, 8, 8), acquisition))


def test_the_local_error_sees_an_erased_detail():
    """A line of 6 pixels left out: the whole image hardly notices, its surroundings do."""
    x = torch.zeros(2, 1, 64, 64)
    shifted = Detail(0.5, 0.5, 1, 6, 1.0, "set")(problem(x, IdentityAcquisition(noise=0.0)))
    near = (1 + 2 * REGION_MARGIN) * (6 + 2 * REGION_MARGIN)
    assert local_psnr(x, shifted.x, shifted.region) == pytest.approx([-10 * np.log10(6 / near)] * 2)
    assert local_psnr(shifted.x, shifted.x, shifted.region)[0] == np.inf
    assert np.isnan(local_psnr(x, x, torch.zeros(2, 1, 64, 64, dtype=torch.bool))[0])


def test_layers_scale_the_distance_between_reflectors():
    x = torch.zeros(6, 1, 256, 4)
    problem = Problem(x, tuple("abcdef"), tuple("abcdef"), SEISMIC, Draws(0))
    count = [
        float((Layers(thickness)(problem).x.abs() > 1e-6).float().mean()) for thickness in (0.4, 1.0, 4.0)
    ]  # share of samples with a reflector: layers are 2 samples and an exponential share thick
    assert count[0] > 1.3 * count[1] > 1.3 * 1.3 * count[2]
    one, two = (Layers(0.4)(problem).x for _ in range(2))
    assert torch.equal(one, two)
    peak = SEISMIC.operator((256, 4), tuple("abcdef"), Draws(0)).forward(one).abs().amax(dim=(1, 2, 3))
    assert peak == pytest.approx(torch.ones(6), rel=1e-4)
    with pytest.raises(InputError, match="task=seismic"):
        Layers(1.0)(Problem(disc(), tuple("abc"), tuple("abc"), FOURIER, Draws(0)))


def test_a_shift_at_another_level_leaves_the_first_alone():
    for shift in (Contrast(0.7), Wavelet(5.0, 0.0, True), Wavelet(None, 30.0, True), Geometry(0.0, 1.2)):
        other = shift.at(0.5)
        assert (type(other), other.level) == (type(shift), 0.5)
        assert shift.level != 0.5


@pytest.mark.parametrize("kind", [torch.complex64, torch.float32])
def test_white_noise_is_added_to_the_image_and_belongs_to_it(kind):
    """x + g is what was measured and what counts as the reference; the measurement noise stays."""
    x = disc(96, 2) if kind.is_complex else disc(96, 2).real.contiguous()
    base = problem(x, FOURIER if kind.is_complex else IdentityAcquisition(noise=0.1))
    shifted = White(0.05)(base)
    g = shifted.x - x
    parts = torch.view_as_real(g).unbind(-1) if kind.is_complex else (g,)
    for part in parts:  # both channels of a complex image
        assert float(part.std()) == pytest.approx(0.05, rel=4 / np.sqrt(2 * part.numel()))
        assert abs(float(part.mean())) < 4 * 0.05 / np.sqrt(part.numel())
        assert abs(float(np.corrcoef(part[0].flatten(), part[1].flatten())[0, 1])) < 4 / 96
    assert shifted.x.dtype == kind
    torch.testing.assert_close(White(0.05).at(0.1)(base).x - x, 2 * g, rtol=1e-3, atol=1e-6)  # the same draw
    assert torch.equal(White(0.0)(base).x, x)
    clean, changed = measure(base), measure(shifted)
    assert torch.equal(changed.x, shifted.x)
    noise = [one.y - one.operator.forward(one.x) for one in (clean, changed)]
    torch.testing.assert_close(noise[0], noise[1], rtol=0, atol=1e-5)


def test_a_drawn_mask_replaces_one_of_the_users_own():
    own = replace(FOURIER, mask_lines=tuple(int(i % 2 == 0) for i in range(48)))
    shifted = Sampling(None, None, "equispaced", None, True)(problem(disc(), own))
    assert measure(shifted).operator.lines.sum() == 12
    same = Sampling(None, None, None, None, True)(problem(disc(), own))
    assert measure(same).operator.lines.sum() == 24


def test_new_layers_keep_the_scale_of_the_noisy_trace():
    acquisition = replace(SEISMIC, noise=0.2, scaling="noisy")
    names = tuple("abc")
    shifted = Layers(0.5)(Problem(torch.zeros(3, 1, 64, 32), names, names, acquisition, Draws(0)))
    peaks = measure(shifted).y.abs().amax((1, 2, 3))
    assert peaks.tolist() == pytest.approx([1.0, 1.0, 1.0])
