"""Sections of spikes, and what the authors' metric can show of them at most."""

import numpy as np
import pytest
import torch

from sgdj.data.spikes import SpikeSource, spike_section
from sgdj.errors import InputError, InputErrors
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.metrics.image import sample_metrics
from sgdj.operators import ConvolutionAcquisition
from sgdj.runtime.draws import Draws


def source(folder, spikes, coherent=False, count=24):
    samples = {"train": count, "val": 1, "test": 1}
    made = SpikeSource(str(folder), 7, 352, 32, samples, spikes, 0.4, coherent)
    made.prepare()
    images = made.images("train")
    return torch.stack([images[i].x for i in range(count)])


@pytest.mark.parametrize("coherent", [False, True])
def test_every_trace_has_its_spikes(tmp_path, coherent):
    x = source(tmp_path, 4, coherent)[:, 0]
    assert ((x != 0).sum(1) == 4).all()
    assert 0.39 < float(x.abs().max()) <= 0.4
    assert abs(float(x.sum() / x.abs().sum())) < 0.2
    nearest = [
        min(abs(a - b) for b in np.flatnonzero(section[:, t + 1]))
        for section in x.numpy()
        for t in range(31)
        for a in np.flatnonzero(section[:, t])
    ]
    assert (max(nearest) <= 1) == coherent
    assert len({float(value) for value in x[0][x[0] != 0]}) == (4 if coherent else 4 * 32)


@pytest.mark.parametrize(
    ("spikes", "rms", "ceiling"),
    [(1, 0.031, 33.4), (2, 0.032, 33.0), (3, 0.037, 31.6), (4, 0.039, 31.3), (8, 0.050, 29.0)],
)
def test_what_the_released_metric_can_show(spikes, rms, ceiling):
    """Sections divided by their measurement's maximum, which makes the rms of single ones scatter by 0.005, 1.1 dB."""
    rng = np.random.default_rng(spikes)
    x = torch.stack([torch.from_numpy(spike_section(352, 352, spikes, 0.4, False, rng)) for _ in range(24)])[:, None]
    scaled = ConvolutionAcquisition(noise=0.01, length=51, width=4.0).normalise(x)
    assert float(scaled.square().mean((1, 2, 3)).sqrt().mean()) == pytest.approx(rms, abs=3 * 0.005 / 24**0.5)
    perfect = np.mean(sample_metrics(scaled, scaled, "real", True)["psnr"])
    nothing = np.mean(sample_metrics(torch.zeros_like(scaled), scaled, "real", True)["psnr"])
    assert perfect == pytest.approx(ceiling, abs=1.0)  # itself of few sections
    assert perfect - nothing == pytest.approx(3.01, abs=0.2)


def test_the_noise_of_thirty_decibels():
    rng = np.random.default_rng(0)
    x = torch.stack([torch.from_numpy(spike_section(352, 32, 4, 0.4, False, rng)) for _ in range(50)])[:, None]
    acquisition = ConvolutionAcquisition(noise=0.0038, length=51, width=4.0)
    y = acquisition.operator((352, 32), ["a"], Draws(0)).forward(acquisition.normalise(x))
    ratio = 20 * torch.log10(y.square().mean((1, 2, 3)).sqrt() / acquisition.noise)
    assert float(ratio.mean()) == pytest.approx(30, abs=0.5)


def test_too_many_spikes_are_refused():
    with pytest.raises((InputError, InputErrors), match=r"33 exceeds the 32 samples of a trace"):
        load(parse(["task=seismic", "dataset=spikes", "dataset.height=32", "dataset.spikes=33"]))


def test_a_network_is_trained_on_them(cli):
    assert cli("task=seismic", "dataset=spikes", "scale=smoke", "logger=none", "evaluation.panels=0")[0] == 0
