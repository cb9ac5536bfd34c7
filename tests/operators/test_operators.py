"""Operators against the definition of the adjoint, closed forms and independent libraries."""

import hashlib

import fastmri
import numpy as np
import pytest
import scipy.signal
import torch

from sgdj.config.undersampling import is_reachable, largest_center_fraction
from sgdj.errors import InputError, SettingError
from sgdj.operators import (
    CartesianAcquisition,
    CartesianFourier,
    Convolution,
    ConvolutionAcquisition,
    Identity,
)
from sgdj.operators.masks import fastmri_mask, gaussian_density, upstream_density
from sgdj.operators.wavelets import ricker
from sgdj.runtime.draws import Draws
from tests.helper import assert_adjoint, dense

SIZES = [(8, 8), (9, 7), (8, 11), (1, 6)]


def line_mask(lines: int, batch: int | None = None) -> torch.Tensor:
    rng = np.random.default_rng(lines)
    mask = rng.random((batch or 1, lines)) < 0.5
    mask[:, lines // 2] = True
    return torch.from_numpy(mask if batch else mask[0])


def operators(shape):
    height, width = shape
    yield Identity()
    yield Convolution(ricker(5, 1.2), height, axis=-2)
    yield Convolution(torch.tensor([1.0, -2.0, 0.5, 3.0]), width, axis=-1)
    yield Convolution(ricker(31, 4.0), height, axis=-2)  # longer than the image
    yield CartesianFourier(line_mask(width))
    yield CartesianFourier(line_mask(height), axis=-2)
    yield CartesianFourier(line_mask(width, batch=3))
    yield CartesianFourier(line_mask(height, batch=3), axis=-2)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128, torch.float32, torch.complex64])
def test_adjoint_gram_and_restrict(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    tolerance = 1e-10 if dtype in (torch.float64, torch.complex128) else 1e-5
    for operator in operators(shape):
        kind = dtype.to_complex() if isinstance(operator, CartesianFourier) else dtype
        x, y = (torch.randn(3, 2, *shape, dtype=kind, generator=generator) for _ in range(2))
        assert_adjoint(operator, x, y, tolerance)
        exact = operator.adjoint(operator.forward(x))
        assert operator.gram(x).dtype == x.dtype
        assert torch.linalg.vector_norm(operator.gram(x) - exact) <= tolerance * torch.linalg.vector_norm(x) * 100
        measured = operator.forward(x)
        assert torch.equal(operator.restrict(measured), measured)
        assert torch.equal(operator.adjoint(operator.restrict(y)), operator.adjoint(y))


@pytest.mark.parametrize("shape", [(6, 5), (5, 6)])
def test_norm_is_the_largest_singular_value(shape):
    for operator in operators(shape):
        if isinstance(operator, CartesianFourier) and operator.lines.ndim == 2:
            continue
        matrix = dense(operator, (1, *shape), torch.complex128)
        assert float(torch.linalg.matrix_norm(matrix, ord=2)) == pytest.approx(operator.norm(), rel=1e-10)


@pytest.mark.parametrize(("length", "size"), [(51, 64), (4, 9), (5, 9), (31, 12), (30, 12)])
def test_convolution_is_scipys(length, size):
    rng = np.random.default_rng(0)
    kernel, x = rng.normal(size=length), rng.normal(size=(size, 3))
    mode = [scipy.signal.convolve(column, kernel, mode="full") for column in x.T]
    start = (length - 1) // 2
    expected = np.stack([column[start : start + size] for column in mode], axis=1)
    if length <= size:
        same = np.stack([scipy.signal.convolve(column, kernel, mode="same") for column in x.T], axis=1)
        assert np.allclose(same, expected, atol=1e-12)
    ours = Convolution(torch.from_numpy(kernel), size).forward(torch.from_numpy(x)[None, None])
    assert np.allclose(ours[0, 0].numpy(), expected, atol=1e-12)


def test_ricker_is_its_formula_and_peaks_at_its_frequency():
    wavelet = ricker(51, 4.0)
    assert wavelet[25] == 1
    assert float(wavelet[25 + 4]) == pytest.approx(0.0, abs=1e-15)  # zero crossing at t = a
    spectrum = np.abs(np.fft.rfft(wavelet.numpy(), 1 << 16))
    assert np.argmax(spectrum) / (1 << 16) == pytest.approx(np.sqrt(2) / (2 * np.pi * 4), rel=1e-3)


def test_published_seismic_operator():
    """Norm and rank recorded for the authors' 352 x 352 matrix."""
    operator = ConvolutionAcquisition(noise=0.01, length=51, width=4.0).operator((352, 8), ["a"], Draws(0))
    assert operator.norm() ** 2 == pytest.approx(54.3, abs=0.05)
    matrix = operator.forward(torch.eye(352, dtype=torch.float64)[None, None])[0, 0]
    values = torch.linalg.svdvals(matrix)
    assert int((values > 1e-3 * values[0]).sum()) == 128


@pytest.mark.parametrize("shape", [(8, 8), (9, 7), (8, 11)])
def test_fourier_is_fastmris(shape):
    x = torch.randn(2, 1, *shape, dtype=torch.complex128)
    operator = CartesianFourier(torch.ones(shape[1], dtype=torch.bool))
    expected = torch.view_as_complex(fastmri.fft2c(torch.view_as_real(x)).contiguous())
    assert torch.allclose(operator.forward(x), expected, atol=1e-12)
    back = torch.view_as_complex(fastmri.ifft2c(torch.view_as_real(expected)).contiguous())
    assert torch.allclose(operator.adjoint(expected), back, atol=1e-12)
    shifted = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x.numpy(), axes=(-2, -1)), norm="ortho"), axes=(-2, -1))
    assert np.allclose(operator.forward(x).numpy(), shifted, atol=1e-12)


def test_fourier_of_a_centred_point_is_flat():
    x = torch.zeros(1, 1, 8, 6, dtype=torch.complex128)
    x[0, 0, 4, 3] = 1
    operator = CartesianFourier(torch.ones(6, dtype=torch.bool))
    assert torch.allclose(operator.forward(x), torch.full_like(x, 1 / np.sqrt(48)), atol=1e-14)


def test_off_the_mask_there_is_a_positive_zero():
    mask = torch.tensor([True, False, True, False])
    y = CartesianFourier(mask).restrict(torch.full((1, 1, 2, 4), -1.0 - 1.0j))
    off = torch.view_as_real(y[..., ~mask])
    assert torch.equal(off, torch.zeros_like(off))
    assert not torch.signbit(off).any()


def test_each_sample_has_its_own_mask():
    masks = torch.tensor([[True, True, False, False], [False, True, False, True]])
    x = torch.randn(2, 1, 4, 4, dtype=torch.complex64)
    together = CartesianFourier(masks).forward(x)
    for i in range(2):
        assert torch.equal(together[i], CartesianFourier(masks[i]).forward(x[i : i + 1])[0])


def test_unmasked_adjoint_is_an_option_and_no_adjoint():
    y = torch.randn(1, 1, 6, 6, dtype=torch.complex128)
    mask = torch.tensor([True, False, True, False, True, False])
    full = CartesianFourier(mask, mask_adjoint=False).adjoint(y)
    assert torch.allclose(full, CartesianFourier(torch.ones(6, dtype=torch.bool)).adjoint(y))
    assert not torch.allclose(full, CartesianFourier(mask).adjoint(y))


@pytest.mark.parametrize("kind", ["gaussian", "random", "equispaced"])
@pytest.mark.parametrize("axis", ["columns", "rows"])
def test_acquisition_masks(kind, axis):
    acquisition = CartesianAcquisition(
        noise=0.05, mask=kind, acceleration=4, center_fraction=0.08, axis=axis, masks="per_volume", mask_adjoint=True
    )
    draws = Draws(3)
    operator = acquisition.operator((64, 96), ["a.h5", "b.h5", "a.h5"], draws)
    count = 96 if axis == "columns" else 64
    assert operator.lines.shape == (3, count)
    assert torch.equal(operator.lines[0], operator.lines[2])
    assert not torch.equal(operator.lines[0], operator.lines[1])
    center = round(0.08 * count)
    start = (count - center + 1) // 2
    assert operator.lines[:, start : start + center].all()
    fixed = CartesianAcquisition(
        noise=0.05, mask=kind, acceleration=4, center_fraction=0.08, axis=axis, masks="fixed", mask_adjoint=True
    )
    assert fixed.operator((64, 96), ["a.h5", "b.h5"], draws).lines.shape == (count,)


def test_gaussian_mask_reaches_the_acceleration_and_prefers_the_centre():
    acquisition = CartesianAcquisition(
        noise=0.0, mask="gaussian", acceleration=4, center_fraction=0.04, axis="columns", masks="per_volume",
        mask_adjoint=True,
    )  # fmt: skip
    masks = acquisition.operator((8, 320), [f"v{i}" for i in range(200)], Draws(0)).lines
    assert (masks.sum(1) == 80).all()
    density = masks.float().mean(0)
    assert density[130:190].mean() > 3 * density[:60].mean()


def test_fastmri_masks_are_those_of_its_transform():
    """Same mask as fastMRI applies to a file of this name."""
    from fastmri.data.subsample import create_mask_for_mask_type
    from fastmri.data.transforms import apply_mask

    acquisition = CartesianAcquisition(
        noise=0.0, mask="random", acceleration=4, center_fraction=0.08, axis="columns", masks="per_volume",
        mask_adjoint=True,
    )  # fmt: skip
    name = "file1000001.h5"
    kspace = torch.randn(1, 40, 92, 2)
    function = create_mask_for_mask_type("random", [0.08], [4])
    masked, _, _ = apply_mask(kspace, function, seed=tuple(map(ord, name)))
    ours = acquisition.operator((40, 92), [name], Draws(0)).restrict(torch.view_as_complex(kspace)[:, None])
    assert torch.equal(torch.view_as_real(ours)[:, 0], masked + 0.0)


def test_unreachable_mask_is_refused():
    with pytest.raises(ValueError, match="exceed the"):
        gaussian_density(64, 4, 0.5, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Convolution(torch.ones(2, 2), 5), "real vector"),
        (lambda: Convolution(torch.ones(3), 5, axis=0), "-1 or -2"),
        (lambda: Convolution(torch.ones(3), 5).forward(torch.ones(1, 1, 4, 4)), "expected 5 samples"),
        (lambda: CartesianFourier(torch.zeros(4, dtype=torch.bool)), "samples no line"),
        (lambda: CartesianFourier(torch.ones(2, 2, 2)), "shape"),
        (lambda: CartesianFourier(torch.ones(4)).forward(torch.ones(1, 1, 4, 5)), "expected 4 lines"),
    ],
)
def test_wrong_use_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def _drawn(kind: str, lines: int, acceleration: float, center_fraction: float, seed: int) -> np.ndarray:
    if kind == "gaussian":
        return gaussian_density(lines, acceleration, center_fraction, np.random.default_rng(seed))
    return fastmri_mask(kind, lines, acceleration, center_fraction, (seed,))


@pytest.mark.parametrize("kind", ["gaussian", "random", "equispaced"])
@pytest.mark.parametrize("acceleration", [1, 1.5, 2, 3, 4, 6, 7, 12, 49, 200])
def test_every_mask_that_passes_the_checks_can_be_drawn(kind, acceleration):
    """For every number of lines and centre fractions up to exactly 1/R, the one that the advice names among them."""
    advised = largest_center_fraction(acceleration)
    assert advised <= 1 / acceleration * (1 + 1e-9) and advised == pytest.approx(1 / acceleration, rel=0.01)
    for lines in (1, 2, 7, 16, 31, 32, 33, 160, 368):
        for center_fraction in (1e-6, 0.5 / acceleration, advised, 1 / acceleration, (1 - 1e-10) / acceleration):
            assert is_reachable(acceleration, center_fraction)
            drawn = [_drawn(kind, lines, acceleration, center_fraction, seed) for seed in range(3)]
            counts = [int(mask.sum()) for mask in drawn]
            assert min(counts) >= 1
            if kind == "gaussian":
                assert set(counts) == {max(1, round(lines / acceleration))}
            if kind == "equispaced":
                assert max(abs(count - max(1, lines / acceleration)) for count in counts) < 2
            if acceleration == 1:
                assert set(counts) == {lines}
            center = round(lines * center_fraction)
            start = (lines - center + 1) // 2
            assert all(mask[start : start + center].all() for mask in drawn)
            if center >= lines / acceleration * (1 - 1e-12):  # nothing is left to draw
                assert set(counts) == {center}


def test_random_masks_have_the_stated_number_of_lines_on_average():
    for lines, acceleration, center_fraction in ((160, 4, 0.04), (32, 4, 0.2), (32, 2, 0.45)):
        mean = np.mean([_drawn("random", lines, acceleration, center_fraction, s).sum() for s in range(300)])
        assert abs(mean - lines / acceleration) < 1.5


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("gaussian", "c2e02506154da6b5"), ("random", "0c7835998fc85116"), ("equispaced", "b5c119403fee3387")],
)
def test_usual_masks_stay_the_same(kind, expected):
    """Published numbers rest on them."""
    found = hashlib.sha256()
    for masks in ("fixed", "per_volume"):
        for lines in (32, 64, 159, 160, 320, 368):
            for acceleration, center_fraction in ((4, 0.04), (4, 0.08), (8, 0.04), (2, 0.1), (3.5, 0.06), (6, 0.04)):
                acquisition = CartesianAcquisition(
                    noise=0.0, mask=kind, acceleration=acceleration, center_fraction=center_fraction, axis="columns",
                    masks=masks, mask_adjoint=True,
                )  # fmt: skip
                for seed in (0, 3):
                    operator = acquisition.operator((8, lines), ["file1000000.h5", "b"], Draws(seed))
                    found.update(operator.lines.numpy().tobytes())
    assert found.hexdigest()[:16] == expected


def cartesian(**settings):
    """An acquisition with the settings of conf/operator/fourier.yaml."""
    usual = {
        "noise": 0.05, "mask": "gaussian", "acceleration": 4.0, "center_fraction": 0.04, "axis": "columns",
        "masks": "fixed", "mask_adjoint": True,
    }  # fmt: skip
    return CartesianAcquisition(**(usual | settings))


def test_the_authors_mask():
    """81 of 320 lines around 13 central ones, the same whatever the seed; densest in the middle."""
    acquisition = cartesian(mask="upstream", axis="rows", masks="per_volume")
    drawn = [acquisition.lines(320, volume, Draws(seed)) for volume, seed in (("a", 0), ("b", 0), ("a", 7))]
    assert all(torch.equal(drawn[0], other) for other in drawn)
    assert int(drawn[0].sum()) == 81
    assert drawn[0][154:167].all()
    assert acquisition.operator((320, 64), ("a",), Draws(0)).axis == -2


def test_the_authors_density():
    """Shares of sampled lines by distance from the centre, on average over seeds, as they were found in their code."""
    drawn = np.array([upstream_density(320, 4.0, 0.04, seed) for seed in range(600)])
    assert set(drawn.sum(1)) == {81}
    distance = np.abs(np.arange(320) - 160)
    for low, high, share in ((0, 20, 0.666), (20, 50, 0.432), (50, 100, 0.238), (100, 161, 0.044)):
        inside = (distance >= low) & (distance < high)
        assert drawn[:, inside].mean() == pytest.approx(share, abs=0.01)
    assert upstream_density(6, 1.0, 1.0).all()  # no line is left to draw


LINES = np.array([0, 1, 1, 0, 1])
FORMS = {
    "vector": LINES, "bool": LINES.astype(bool), "float": LINES.astype(float), "fastmri": LINES.reshape(1, 1, 5, 1),
    "list": LINES.tolist(), "image": np.tile(LINES, (7, 1)), "tensor": torch.from_numpy(LINES),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_mask_of_ones_own(form):
    acquisition = cartesian(mask_lines=FORMS[form])
    assert acquisition.mask_lines == (0, 1, 1, 0, 1)
    operator = acquisition.operator((7, 5), ("a", "b"), Draws(0))
    assert operator.lines.tolist() == [False, True, True, False, True]
    k = operator.forward(torch.randn(2, 1, 7, 5, dtype=torch.complex64))
    assert (k[..., [1, 2, 4]] != 0).all()
    assert (k[..., [0, 3]] == 0).all()


def test_a_mask_of_rows():
    assert cartesian(mask_lines=np.tile(LINES[:, None], (1, 4)), axis="rows").mask_lines == (0, 1, 1, 0, 1)
    operator = cartesian(mask_lines=LINES, axis="rows").operator((5, 9), ("a",), Draws(0))
    assert (operator.axis, operator.lines.tolist()) == (-2, LINES.astype(bool).tolist())


@pytest.mark.parametrize(
    ("mask", "what"),
    [
        ([0.0, np.nan, 1.0], "1 values that are neither 0 nor 1"), ([0, 1, 2], "1 values that are neither"),
        ([0, 0, 0], "samples no line"), ([], "samples no line"), (["a"], "has type <U1"), ([1j, 0], "has type complex"),
        (np.eye(4), "does not keep whole columns"), (np.tile(LINES[:, None], (1, 4)), "does not keep whole columns"),
        (np.ones((2, 3, 4)), "has shape (2, 3, 4)"),
    ],
)  # fmt: skip
def test_a_mask_that_is_none(mask, what):
    with pytest.raises(SettingError) as error:
        cartesian(mask_lines=mask)
    assert what in error.value.what


def test_a_mask_of_another_length():
    with pytest.raises(InputError, match="the mask has 5 lines and the image 6 columns"):
        cartesian(mask_lines=LINES).operator((5, 6), ("a",), Draws(0))
    with pytest.raises(SettingError, match="mask_lines gives a mask, too"):
        cartesian(mask_lines=LINES, mask_file="mask.npy")
    with pytest.raises(InputError, match="was not read"):
        cartesian(mask_file="mask.npy").lines(5, "", Draws(0))
