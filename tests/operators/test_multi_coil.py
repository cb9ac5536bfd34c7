"""Several coils against one coil, the dense matrix, and sigpy's operator."""

import numpy as np
import pytest
import torch

from sgdj.data.batch import Image, measure, pose
from sgdj.operators import (
    Acquired,
    CartesianAcquisition,
    CartesianFourier,
    MultiCoil,
    MultiCoilAcquisition,
)
from sgdj.operators.coil_maps import birdcage
from sgdj.runtime.draws import Draws
from tests.helper import assert_adjoint, dense

SIZES = [(8, 8), (9, 7), (8, 11), (6, 5)]
MASK = {"noise": 0.05, "mask": "gaussian", "acceleration": 2.0, "center_fraction": 0.1, "axis": "columns"}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.complex128, generator=generator)


def normalised(maps: torch.Tensor) -> torch.Tensor:
    return maps / maps.abs().square().sum(-3, keepdim=True).sqrt()


def mask(lines: int, batch: int | None = None) -> torch.Tensor:
    drawn = np.random.default_rng(lines).random((batch or 1, lines)) < 0.5
    drawn[:, lines // 2] = True
    return torch.from_numpy(drawn if batch else drawn[0])


def operators(shape, batch=3, coils=4):
    height, width = shape
    yield MultiCoil(CartesianFourier(mask(width)), normalised(random(coils, *shape)))
    yield MultiCoil(CartesianFourier(mask(height), axis=-2), birdcage(coils, shape))
    yield MultiCoil(CartesianFourier(mask(width, batch)), normalised(random(batch, coils, *shape)))
    yield MultiCoil(CartesianFourier(mask(width, batch)), random(coils, *shape))  # not normalised


@pytest.mark.parametrize("shape", SIZES)
def test_adjoint_gram_and_restrict(shape):
    for operator in operators(shape):
        x, y = random(3, 1, *shape), random(3, 4, *shape, seed=1)
        assert_adjoint(operator, x, y, 1e-12)
        assert torch.allclose(operator.gram(x), operator.adjoint(operator.forward(x)), atol=1e-12)
        measured = operator.forward(x)
        assert torch.equal(operator.restrict(measured), measured)
        assert torch.equal(operator.adjoint(operator.restrict(y)), operator.adjoint(y))


@pytest.mark.parametrize("shape", [(6, 5), (5, 6)])
def test_norm_is_the_largest_singular_value_and_at_most_one_for_normalised_maps(shape):
    for number, operator in enumerate(operators(shape, batch=1)):
        matrix = dense(operator, (1, *shape), torch.complex128)
        largest = float(torch.linalg.matrix_norm(matrix, ord=2))
        assert operator.norm() == pytest.approx(largest, rel=1e-10)
        assert (largest <= 1 + 1e-12) == (number < 3)
    assert MultiCoil(CartesianFourier(mask(2)), normalised(random(3, 1, 2))).norm() <= 1 + 1e-12


def test_the_norm_of_a_batch_is_that_of_its_largest_sample():
    operator = MultiCoil(CartesianFourier(mask(5, 3)), random(3, 2, 6, 5))
    assert operator.norm() == pytest.approx(max(operator.take(i).norm() for i in range(3)), rel=1e-10)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_one_coil_with_sensitivity_one_has_the_bits_of_the_single_coil(shape, dtype):
    x, y = random(2, 1, *shape).to(dtype), random(2, 1, *shape, seed=1).to(dtype)
    for axis in (-1, -2):
        one = CartesianFourier(mask(shape[axis]), axis)
        several = MultiCoil(one, torch.ones(1, *shape, dtype=dtype))
        for name, value in (("forward", x), ("adjoint", y), ("gram", x), ("restrict", y)):
            assert torch.equal(getattr(several, name)(value), getattr(one, name)(value)), name


def test_one_simulated_coil_measures_what_the_single_coil_acquisition_does():
    images = [Image(random(1, 12, 10, seed=i).to(torch.complex64), f"{i}", f"v{i}") for i in range(2)]
    one = CartesianAcquisition(**MASK, masks="per_volume", mask_adjoint=True)
    several = MultiCoilAcquisition(**MASK, masks="per_volume", mask_adjoint=True, coils=1)
    single, multi = (measure(pose(images, acquisition, Draws(0))) for acquisition in (one, several))
    assert isinstance(multi.operator, MultiCoil)
    assert torch.equal(multi.y, single.y)
    assert torch.equal(multi.operator.adjoint(multi.y), single.operator.adjoint(single.y))


@pytest.mark.parametrize("shape", SIZES)
def test_full_sampling_without_noise_is_exact(shape):
    x = random(2, 1, *shape)
    operator = MultiCoil(CartesianFourier(torch.ones(shape[1])), birdcage(6, shape))
    assert torch.allclose(operator.adjoint(operator.forward(x)), x, atol=1e-13, rtol=0)
    assert torch.allclose(operator.gram(x), x, atol=1e-13, rtol=0)


@pytest.mark.parametrize("shape", SIZES)
def test_sensing_is_sigpys(shape):
    sigpy = pytest.importorskip("sigpy.mri.linop", reason="sigpy is not installed", exc_type=ImportError)
    maps, lines, x = normalised(random(5, *shape)), mask(shape[1]), random(1, 1, *shape)
    weights = np.broadcast_to(lines.numpy(), shape).astype(float)
    theirs = sigpy.Sense(maps.numpy(), weights=weights)
    ours = MultiCoil(CartesianFourier(lines), maps)
    y = random(1, 5, *shape, seed=2)
    assert np.allclose(ours.forward(x)[0].numpy(), theirs(x[0, 0].numpy()), atol=1e-10, rtol=0)
    assert np.allclose(ours.adjoint(y)[0, 0].numpy(), theirs.H(y[0].numpy()), atol=1e-10, rtol=0)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("coils", [1, 2, 8])
def test_simulated_coils_are_normalised_and_smooth(coils, shape):
    maps = birdcage(coils, shape)
    assert maps.shape == (coils, *shape)
    assert torch.allclose(maps.abs().square().sum(0), torch.ones(shape, dtype=torch.float64), atol=1e-14)
    if coils == 1:
        assert torch.equal(maps, torch.ones_like(maps))
    else:
        fine = birdcage(coils, (64, 64))[:, 16:48, 16:48]
        assert float(fine.diff(dim=-1).abs().max()) < 0.05 > float(fine.diff(dim=-2).abs().max())


def test_simulated_coils_are_sigpys_up_to_the_phase_of_the_first():
    birdcage_maps = pytest.importorskip(
        "sigpy.mri", reason="sigpy is not installed", exc_type=ImportError
    ).birdcage_maps
    theirs = birdcage_maps((6, 16, 16), r=1.5, nzz=6)
    theirs = theirs / np.sqrt((np.abs(theirs) ** 2).sum(0))
    assert np.allclose(birdcage(6, (16, 16)).abs().numpy(), np.abs(theirs), atol=1e-5)


def test_repeat_and_take_follow_the_batch():
    operator = MultiCoil(CartesianFourier(mask(7, 2)), random(2, 3, 9, 7))
    x = random(2, 1, 9, 7)
    y = operator.forward(x)
    assert torch.equal(operator.repeat(2).forward(x.repeat(2, 1, 1, 1)), y.repeat(2, 1, 1, 1))
    for i in range(2):
        assert torch.equal(operator.take(i).forward(x[i : i + 1]), y[i : i + 1])
    assert operator.to("cpu").coils == 3
    shared = MultiCoil(CartesianFourier(mask(7)), random(3, 9, 7))
    assert torch.equal(shared.repeat(2).maps, shared.take(1).maps)


def test_data_bring_their_own_sensitivities():
    acquisition = MultiCoilAcquisition(**MASK, masks="fixed", mask_adjoint=True, coils=8)
    maps = [normalised(random(3, 12, 10, seed=i)).to(torch.complex64) for i in range(2)]
    images = [Image(random(1, 12, 10).to(torch.complex64), f"{i}", "v", Acquired(maps=m)) for i, m in enumerate(maps)]
    batch = measure(pose(images, acquisition, Draws(0)))
    assert batch.y.shape == (2, 3, 12, 10)
    assert torch.equal(batch.operator.maps, torch.stack(maps))
    lines = batch.operator.encoding.lines
    assert torch.equal(lines, acquisition.operator((12, 10), ["v"], Draws(0)).encoding.lines)
    assert float(batch.operator.acceleration()) == 2.0
    off = batch.y[..., ~lines]
    assert torch.equal(off, torch.zeros_like(off))  # no coil has noise off its lines
    noise = (batch.y - batch.operator.forward(batch.x))[..., lines]
    assert len({float(coil.abs().sum()) for coil in noise.flatten(0, 1)}) == 6  # each coil has its own


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiCoil(CartesianFourier(mask(5)), torch.ones(5, 5)), "the maps must have shape"),
        (lambda: MultiCoil(CartesianFourier(mask(5)), torch.ones(0, 5, 5)), "the maps must have shape"),
        (lambda: MultiCoil(CartesianFourier(mask(5)), torch.ones(2, 5, 5)).forward(torch.ones(1, 2, 5, 5)), "expected"),
        (lambda: MultiCoil(CartesianFourier(mask(5)), torch.ones(2, 5, 5)).forward(torch.ones(1, 1, 4, 5)), "expected"),
        (lambda: MultiCoil(CartesianFourier(mask(5)), torch.ones(2, 5, 5)).adjoint(torch.ones(1, 3, 5, 5)), "2 coils"),
    ],
)
def test_wrong_use_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
