"""Long images are convolved as short ones are, without a matrix of their length squared."""

import numpy as np
import pytest
import torch

from sgdj.operators import Convolution, ConvolutionAcquisition, LongConvolution
from sgdj.operators.acquisition import LONGEST_MATRIX
from sgdj.operators.wavelets import ricker, rotate_phase
from sgdj.runtime.draws import Draws


def images(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize(("size", "taps"), [(50, 51), (61, 50), (97, 7), (40, 1)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_it_is_the_same_map_as_the_matrix(size, taps, axis, dtype):
    kernel = images(taps)
    shape = (2, 1, size, 3) if axis == -2 else (2, 1, 3, size)
    x, y = images(*shape, dtype=dtype), images(*shape, dtype=dtype).flip(0)
    short, long = Convolution(kernel, size, axis), LongConvolution(kernel, size, axis)
    for name, z in (("forward", x), ("adjoint", y), ("gram", x)):
        torch.testing.assert_close(getattr(long, name)(z), getattr(short, name)(z), rtol=1e-12, atol=1e-12)


def test_its_adjoint_is_the_true_one_at_full_length():
    operator = LongConvolution(rotate_phase(ricker(51, 4.0), 30.0), 40_000)
    x, y = images(1, 1, 40_000, 2), images(1, 1, 40_000, 2).flip(2)
    left, right = (operator.forward(x) * y).sum(), (x * operator.adjoint(y)).sum()
    assert abs(float(left - right)) < 1e-12 * float(operator.forward(x).norm() * y.norm())
    middle = operator.forward(x)[0, 0, :, 1].numpy()
    np.testing.assert_allclose(middle, np.convolve(x[0, 0, :, 1], operator.kernel, "same"), rtol=0, atol=1e-11)


@pytest.mark.parametrize("taps", [1, 5, 51])
def test_its_norm_bounds_the_largest_singular_value_closely(taps):
    kernel = ricker(taps, 2.0)
    exact, bound = Convolution(kernel, 600).norm(), LongConvolution(kernel, 600).norm()
    assert exact <= bound <= 1.001 * exact


def test_a_protocol_takes_it_beyond_a_stated_length_and_the_same_measurement_comes_out():
    acquisition = ConvolutionAcquisition(noise=0.0, length=51, width=4.0)
    kinds = [type(acquisition.operator((n, 3), ("a",), Draws(0))) for n in (LONGEST_MATRIX, LONGEST_MATRIX + 1)]
    assert kinds == [Convolution, LongConvolution]
    x = images(1, 1, LONGEST_MATRIX + 1, 3, dtype=torch.float32)
    y = acquisition.operator((LONGEST_MATRIX + 1, 3), ("a",), Draws(0)).forward(x)
    exact = Convolution(ricker(51, 4.0), LONGEST_MATRIX + 1).forward(x.double())
    assert float((y - exact).abs().max() / exact.abs().max()) < 1e-6


def test_wrong_arguments_and_sizes_are_refused():
    with pytest.raises(ValueError, match="real vector"):
        LongConvolution(torch.ones(2, 2), 10)
    with pytest.raises(ValueError, match="axis"):
        LongConvolution(torch.ones(3), 10, axis=0)
    with pytest.raises(ValueError, match="expected 10 samples"):
        LongConvolution(torch.ones(3), 10).forward(images(1, 1, 9, 2))
