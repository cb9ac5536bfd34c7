"""Masks of points and partial Fourier masks: the operator by its definition, the draws by their counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sgdj.config.undersampling import unsuitable
from sgdj.data.batch import Image, measure, pose
from sgdj.errors import InputError, SettingError
from sgdj.operators import (
    Acquired,
    CartesianAcquisition,
    CartesianFourier,
    MultiCoil,
    MultiCoilAcquisition,
    PointFourier,
)
from sgdj.operators.coil_maps import birdcage
from sgdj.operators.masks import partial_fourier, sampled_points
from sgdj.runtime.draws import Draws
from sgdj.shifts import Sampling
from tests.helper import assert_adjoint, dense

SIZES = [(8, 8), (9, 7), (8, 11), (6, 5)]
KINDS = ["points", "variable_density", "elliptical"]


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def points(*shape: int) -> torch.Tensor:
    mask = np.random.default_rng(sum(shape)).random(shape) < 0.4
    mask[..., shape[-2] // 2, shape[-1] // 2] = True
    return torch.from_numpy(mask)


def acquisition(cls=CartesianAcquisition, **changes):
    settings = {
        "noise": 0.05, "mask": "points", "acceleration": 4.0, "center_fraction": 0.04, "axis": "columns",
        "masks": "fixed", "mask_adjoint": True,
    } | changes  # fmt: skip
    return cls(**settings)


@pytest.mark.parametrize("shape", SIZES)
def test_adjoint_gram_and_restrict(shape):
    coils = MultiCoil(PointFourier(points(*shape)), birdcage(3, shape))
    for operator, channels in ((PointFourier(points(*shape)), 1), (PointFourier(points(2, *shape)), 1), (coils, 3)):
        x, y = random(2, 1, *shape), random(2, channels, *shape, seed=1)
        assert_adjoint(operator, x, y, 1e-12)
        assert torch.allclose(operator.gram(x), operator.adjoint(operator.forward(x)), atol=1e-12)
        measured = operator.forward(x)
        assert torch.equal(operator.restrict(measured), measured)
        assert operator.gram(x.to(torch.complex64)).dtype == torch.complex64 or channels == 3


@pytest.mark.parametrize("shape", [(6, 5), (5, 6)])
def test_norm_is_the_largest_singular_value(shape):
    operator = PointFourier(points(*shape))
    matrix = dense(operator, (1, *shape), torch.complex128)
    assert float(torch.linalg.matrix_norm(matrix, ord=2)) == pytest.approx(operator.norm(), rel=1e-12)


@pytest.mark.parametrize("shape", SIZES)
def test_a_mask_of_whole_lines_measures_what_lines_do(shape):
    lines = torch.arange(shape[1]) % 2 == 0
    one, other = CartesianFourier(lines), PointFourier(lines.expand(shape))
    x = random(2, 1, *shape)
    assert torch.equal(one.forward(x), other.forward(x))
    assert torch.equal(one.adjoint(x), other.adjoint(x))
    assert torch.allclose(one.gram(x), other.gram(x), atol=1e-13)


def test_repeat_take_and_to_follow_the_batch():
    operator = PointFourier(points(2, 9, 7))
    x = random(2, 1, 9, 7)
    y = operator.forward(x)
    assert torch.equal(operator.repeat(2).forward(x.repeat(2, 1, 1, 1)), y.repeat(2, 1, 1, 1))
    for i in range(2):
        assert torch.equal(operator.take(i).to("cpu").forward(x[i : i + 1]), y[i : i + 1])
    assert operator.acceleration().tolist() == pytest.approx([63 / int(mask.sum()) for mask in operator.points])
    off = torch.view_as_real(PointFourier(points(9, 7)).restrict(-x)[..., ~points(9, 7)])
    assert not torch.signbit(off).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(32, 32), (31, 40), (7, 16)])
@pytest.mark.parametrize(
    ("acceleration", "center_fraction"), [(4, 0.04), (4, 0.25), (1.5, 0.1), (8, 1e-6), (200, 1e-3)]
)
def test_drawn_points_have_the_stated_number_and_centre(kind, shape, acceleration, center_fraction):
    masks = [sampled_points(kind, shape, acceleration, center_fraction, np.random.default_rng(s)) for s in range(2)]
    total = shape[0] * shape[1]
    v, u = np.meshgrid(*((np.arange(n) - n // 2) / n for n in shape), indexing="ij")
    distance = v**2 + u**2
    allowed = int((distance <= 0.25).sum()) if kind == "elliptical" else total
    for mask in masks:
        assert mask.sum() == max(1, min(round(total / acceleration), allowed))
        assert mask[shape[0] // 2, shape[1] // 2]
        centre = np.sort(distance.ravel())[: round(total * center_fraction)]
        if len(centre):
            assert mask[distance < centre[-1]].all()
        if kind == "elliptical":
            assert not mask[distance > 0.25].any()


def test_full_sampling_samples_all():
    assert sampled_points("points", (9, 8), 1, 0.1, np.random.default_rng(0)).all()
    assert sampled_points("variable_density", (9, 8), 1, 0.1, np.random.default_rng(0)).all()
    assert partial_fourier(9, 1, 0.1).all()


def test_variable_density_prefers_the_centre_and_points_do_not():
    inner = np.zeros((64, 64), bool)
    inner[16:48, 16:48] = True
    shares = {}
    for kind in ("points", "variable_density"):
        mask = np.mean([sampled_points(kind, (64, 64), 6, 0.01, np.random.default_rng(s)) for s in range(20)], axis=0)
        shares[kind] = mask[inner].mean() / mask[~inner].mean()
    assert shares["variable_density"] > 5
    assert shares["points"] < 1.5


@pytest.mark.parametrize(
    ("lines", "acceleration", "center_fraction", "first"), [(16, 1.6, 0.2, 6), (15, 1.5, 0.2, 5), (16, 2, 0.01, 8)]
)
def test_partial_fourier_keeps_one_half_and_the_centre_of_the_other(lines, acceleration, center_fraction, first):
    mask = partial_fourier(lines, acceleration, center_fraction)
    assert mask.tolist() == [i >= first for i in range(lines)]
    assert mask[lines // 2]


def test_masks_by_volume_and_for_all():
    draws, shape = Draws(3), (20, 24)
    for kind in KINDS:
        per = acquisition(mask=kind, masks="per_volume").operator(shape, ["a", "b", "a"], draws)
        assert isinstance(per, PointFourier)
        assert per.points.shape == (3, *shape)
        assert torch.equal(per.points[0], per.points[2])
        assert not torch.equal(per.points[0], per.points[1])
        assert acquisition(mask=kind).operator(shape, ["a", "b"], draws).points.shape == shape
    several = acquisition(MultiCoilAcquisition, mask="points", coils=3).operator(shape, ["a"], draws)
    assert torch.equal(several.encoding.points, acquisition().operator(shape, ["a"], draws).points)
    partial = acquisition(mask="partial_fourier", acceleration=1.5).operator(shape, ["a"], draws)
    assert float(partial.acceleration()) == 1.5


@pytest.mark.parametrize(
    ("mask", "acceleration", "center_fraction", "key"),
    [
        ("points", 4, 0.3, "center_fraction"),
        ("partial_fourier", 2, 0.1, "acceleration"),
        ("elliptical", 1.2, 0.1, "acceleration"),
        ("partial_fourier", 2 / 1.1, 0.1, None),
        ("elliptical", 1.274, 0.1, None),
        ("elliptical", 4, 0.25, None),
    ],
)
def test_what_a_mask_cannot_reach_is_refused(mask, acceleration, center_fraction, key):
    wrong = unsuitable(mask, acceleration, center_fraction)
    assert (wrong and wrong[0]) == key
    if key:
        with pytest.raises(SettingError):
            acquisition(mask=mask, acceleration=acceleration, center_fraction=center_fraction)


def test_a_shift_of_the_acceleration_says_what_its_mask_cannot_reach(cli):
    code, _, err = cli("task=mri", "operator.mask=partial_fourier", "operator.acceleration=1.5", "shift=[acceleration]")
    assert code == 2
    assert "leave no acceleration of 8, shift.acceleration.acceleration: lower it" in err


def stored(*masks: torch.Tensor | None):
    images = [
        Image(random(1, 8, 10, seed=i).to(torch.complex64), f"{i}", f"v{i}", Acquired(mask=mask))
        for i, mask in enumerate(masks)
    ]
    return pose(images, acquisition(mask="gaussian", masks="stored"), Draws(0))


def test_masks_of_the_files_are_used():
    lines = [torch.arange(10) % n == 0 for n in (2, 3)]
    batch = measure(stored(*lines))
    assert torch.equal(batch.operator.lines, torch.stack(lines))
    assert not batch.y[0, 0, :, 1].any()
    mixed = measure(stored(lines[0], points(8, 10))).operator
    assert torch.equal(mixed.points, torch.stack([lines[0].expand(8, 10), points(8, 10)]))
    with pytest.raises(InputError, match=r"the files hold no mask, operator\.masks=stored"):
        measure(stored(lines[0], None))


def test_another_acceleration_draws_masks_in_place_of_the_stored_ones():
    problem = stored(torch.arange(10) % 2 == 0)
    shifted = Sampling(5.0, 0.1, None, None, True)(problem)
    assert float(measure(shifted).operator.acceleration()) == 5.0
    told = Sampling(None, None, None, None, True)(problem)
    assert float(measure(told).operator.acceleration()) == 2.0
    assert replace(problem.acquisition, masks="fixed").masks == "fixed"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PointFourier(torch.ones(4)), "the mask must have shape"),
        (lambda: PointFourier(torch.zeros(4, 4)), "samples no point"),
        (lambda: PointFourier(torch.ones(4, 4)).forward(torch.ones(1, 1, 4, 5)), "points, got"),
    ],
)
def test_wrong_use_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
