"""Wavelets of one's own are checked, scaled and used; an estimate finds the wavelet that made the traces."""

import numpy as np
import pytest
import torch
from scipy.signal import hilbert

from sgdj.data.batch import Problem
from sgdj.errors import InputError, SettingError
from sgdj.operators import Convolution, ConvolutionAcquisition
from sgdj.operators.wavelets import checked_wavelet, estimated_wavelet, ricker
from sgdj.runtime.draws import Draws

OWN = (0.0, 1.0, -4.0, 2.0, 0.5)


def acquisition(**settings):
    return ConvolutionAcquisition(noise=0.0, length=5, width=1.0, **settings)


def test_a_wavelet_of_ones_own_is_convolved_with_at_ricker_s_scale():
    x = torch.randn(1, 1, 30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    operator = acquisition(wavelet=OWN).operator((30, 2), ("a",), Draws(0))
    expected = np.convolve(x[0, 0, :, 0], np.array(OWN) / 4, "same")
    np.testing.assert_allclose(operator.forward(x)[0, 0, :, 0], expected, rtol=0, atol=1e-14)
    assert isinstance(operator, Convolution)


def test_its_phase_is_rotated_as_ricker_s_is():
    turned = acquisition(wavelet=tuple(ricker(51, 4.0).tolist()), phase=90.0).kernel().numpy()
    exact = -hilbert(ricker(51, 4.0).numpy(), N=408)[:51].imag
    np.testing.assert_allclose(turned, exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("wavelet", "what"),
    [
        ((0.0, 0.0), "is zero"), ((1.0,), "of shape"), ((1.0, np.nan), "not finite"),
        (((1.0, 2.0), (3.0, 4.0)), "of shape"), ((1j, 1.0), "type complex"),
    ],
)  # fmt: skip
def test_what_is_no_wavelet_is_refused(wavelet, what):
    with pytest.raises(SettingError, match=what):
        checked_wavelet(wavelet)


def test_two_wavelets_and_an_unread_file_are_refused():
    with pytest.raises(SettingError, match="gives a wavelet, too"):
        acquisition(wavelet=OWN, wavelet_file="own.npy")
    with pytest.raises(InputError, match="was not read"):
        acquisition(wavelet_file="own.npy").kernel()


@pytest.mark.parametrize("width", [2.0, 4.0])
def test_an_estimate_finds_the_wavelet_that_made_the_traces(width):
    rng = np.random.default_rng(0)
    wavelet = ricker(51, width).numpy()
    traces = np.stack([np.convolve(rng.normal(size=600), wavelet, "same") for _ in range(40)], axis=1)
    found = np.array(estimated_wavelet(traces, 51))
    assert found[25] == found.max() == 1
    np.testing.assert_allclose(found, found[::-1], rtol=0, atol=1e-12)
    assert np.corrcoef(found, wavelet)[0, 1] > 0.98
    flat = np.array(estimated_wavelet(rng.normal(size=(600, 40)), 51))  # white traces: a spike
    assert np.abs(np.delete(flat, 25)).max() < 0.2


@pytest.mark.parametrize("length", [50, 1, 31])
def test_lengths_that_make_no_sense_are_refused(length):
    with pytest.raises(SettingError, match=f"{length} taps of traces of 30 samples"):
        estimated_wavelet(np.ones((30, 2)), length)


def test_a_shift_of_the_width_takes_ricker_s_wavelet():
    from sgdj.shifts import Wavelet

    x = torch.randn(1, 1, 30, 2, generator=torch.Generator().manual_seed(0))
    own = acquisition(wavelet=OWN)
    problem = Problem(x, ("a",), ("a",), own, Draws(0))
    assert Wavelet(2.0, 0.0, True)(problem).acquisition.kernel().tolist() == ricker(5, 2.0).tolist()
    turned = Wavelet(None, 180.0, True)(problem).acquisition
    assert turned.wavelet == own.wavelet
    np.testing.assert_allclose(turned.kernel(), -own.kernel(), atol=1e-12)
