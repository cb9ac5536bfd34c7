"""Metrics agree with scikit-image, fastMRI and their formulas."""

import fastmri.evaluate
import numpy as np
import pytest
import skimage.metrics
import torch

from sgdj.data import Problem
from sgdj.metrics.image import fastmri_metrics, sample_metrics, squared_error
from sgdj.metrics.volumes import volume_averages, volume_mean, volume_std
from sgdj.operators import IdentityAcquisition
from sgdj.runtime.draws import Draws
from sgdj.shifts import Detail, NoiseLevel


def pair(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, 1, 32, 40, generator=generator).to(dtype)
    noise = 0.1 * torch.randn(3, 1, 32, 40, generator=generator, dtype=dtype)
    return x + noise, x


def test_against_scikit_image():
    estimate, x = pair()
    values = sample_metrics(estimate, x)
    for i in range(3):
        a, b = estimate[i, 0].numpy(), x[i, 0].numpy()
        assert values["psnr"][i] == pytest.approx(skimage.metrics.peak_signal_noise_ratio(b, a, data_range=1), rel=1e-5)
        ssim = skimage.metrics.structural_similarity(
            b, a, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert values["ssim"][i] == pytest.approx(ssim, abs=5e-3)  # the border is treated differently
        assert values["nmse"][i] == pytest.approx(np.sum((a - b) ** 2) / np.sum(b**2), rel=1e-5)
        assert values["loss"][i] == pytest.approx(np.mean((a - b) ** 2), rel=1e-5)


def test_complex_images_are_compared_by_magnitude():
    estimate, x = pair(torch.complex64)
    rotated = sample_metrics(estimate * 1j, x)
    plain = sample_metrics(estimate.abs(), x.abs())
    assert rotated["psnr"] == pytest.approx(plain["psnr"], rel=1e-5)
    assert rotated["loss"][0] == pytest.approx(float((estimate[0] * 1j - x[0]).abs().square().mean()), rel=1e-5)
    assert torch.allclose(squared_error(estimate, x)[0], (estimate[0] - x[0]).abs().square().mean())


def test_small_images_have_no_ssim():
    assert np.isnan(sample_metrics(torch.ones(1, 1, 10, 1), torch.zeros(1, 1, 10, 1) + 0.5)["ssim"]).all()


def test_volume_metrics_are_fastmris():
    estimate, x = (t[:, 0].numpy() for t in pair())
    ours = fastmri_metrics(estimate, x)
    assert ours["fastmri_psnr"] == fastmri.evaluate.psnr(x, estimate)
    mse = np.mean((estimate - x) ** 2)
    assert ours["fastmri_psnr"] == pytest.approx(10 * np.log10(x.max() ** 2 / mse), rel=1e-5)
    assert ours["fastmri_nmse"] == pytest.approx(mse / np.mean(x**2), rel=1e-5)
    per_slice = [skimage.metrics.structural_similarity(x[i], estimate[i], data_range=x.max()) for i in range(3)]
    assert ours["fastmri_ssim"] == pytest.approx(np.mean(per_slice), rel=1e-5)


def test_the_volume_is_the_unit():
    values = [("a", 1.0), ("a", 3.0), ("b", 8.0), ("c", float("nan"))]
    assert volume_averages(values) == {"a": 2.0, "b": 8.0}
    assert volume_mean(values) == 5.0
    assert volume_std(values) == pytest.approx(np.std([2, 8], ddof=1))
    assert np.isnan(volume_std([("a", 1.0)]))


def problem(x):
    names = tuple("abc")
    return Problem(x, names, names, IdentityAcquisition(noise=0.1), Draws(0))


def test_a_brightened_line_keeps_phase_and_brighter_pixels():
    x = torch.full((3, 1, 320, 320), 0.2 + 0.2j)
    x[..., 151:, :] = 0.0
    x[0, 0, 150, 155] = 0.9
    shift = Detail(150 / 320, 150 / 320, 1, 20, 0.7, "brighten")
    out = shift(problem(x)).x
    changed = (out != x).nonzero()
    assert set(changed[:, 2].tolist()) == {150}
    assert set(changed[:, 3].tolist()) == set(range(150, 170))
    assert out[0, 0, 150, 155] == 0.9
    assert torch.allclose(out[1, 0, 150, 150:170].abs(), torch.full((20,), 0.7))
    assert torch.allclose(out[1, 0, 150, 150:170].angle(), torch.full((20,), np.pi / 4))
    dark = Detail(200 / 320, 150 / 320, 1, 20, 0.7, "brighten")(problem(x)).x
    assert torch.allclose(dark[0, 0, 200, 150:170], torch.full((20,), 0.7 + 0j))


def test_a_set_block_replaces_values_and_leaves_the_original_alone():
    x = torch.rand(3, 1, 352, 352)
    before = x.clone()
    out = Detail(140 / 352, 170 / 352, 1, 10, -0.1, "set")(problem(x)).x
    assert torch.equal(x, before)
    assert torch.equal(out[:, :, 140, 170:180], torch.full((3, 1, 10), -0.1))
    assert int((out != x).sum()) == 30


def test_noise_level_scales_the_same_draw():
    from sgdj.data import measure

    x = torch.zeros(3, 1, 8, 8)
    plain, louder = measure(problem(x)), measure(NoiseLevel(3.0)(problem(x)))
    assert torch.allclose(louder.y, 3 * plain.y, atol=1e-6)
