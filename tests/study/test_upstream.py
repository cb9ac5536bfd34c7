"""The authors' arithmetic: `+experiment=upstream` against a transcription in NumPy that shares no code with it."""

import numpy as np
import pytest
import torch

from sgdj.attacks import PGD
from sgdj.config.composition import parse
from sgdj.config.instantiate import build
from sgdj.config.load import load
from sgdj.config.nodes import leaves
from sgdj.data.batch import Batch
from sgdj.draws import Draws
from sgdj.metrics.image import sample_metrics
from sgdj.operators import CartesianFourier, Convolution
from sgdj.operators.wavelets import ricker
from sgdj.strategies import Jitter
from sgdj.study.upstream import DEVIATIONS, TASKS, deviations
from tests.study import upstream_oracle as oracle

SIGMA = 0.3
NAMES = ("s0", "s1")


def channels(x):
    """Turn complex (B, 1, H, W) into real (B, 2, H, W), as an array."""
    return np.concatenate([x.real.numpy(), x.imag.numpy()], axis=1)


def arrays(module):
    """Return weight and bias of a layer as float64 arrays."""
    return [p.detach().double().numpy() for p in (module.weight, module.bias) if p is not None]


def mri(architecture):
    """Return the preset's network with random weights, a measured batch, and the same in the oracle's form."""
    size = 12
    job = load(parse(["+experiment=upstream", "task=mri", f"architecture={architecture}", "scale=smoke",
                      "architecture.iterations=4", "strategy=jitter"]))  # fmt: skip
    torch.manual_seed(0)
    network = build(job.settings, "architecture").double()
    body = network.learned.body
    convolutions = [m for m in body if isinstance(m, torch.nn.Conv2d)]
    norms = [m for m in body if isinstance(m, torch.nn.GroupNorm)]
    for norm in norms:
        torch.nn.init.normal_(norm.weight, 1, 0.2)
        torch.nn.init.normal_(norm.bias, 0, 0.2)
    middle = [(*arrays(c), *arrays(n)) for c, n in zip(convolutions[1:-1], norms, strict=True)]
    layers = (arrays(convolutions[0])[0], middle, arrays(convolutions[-1])[0])
    rows = torch.zeros(size, dtype=torch.bool)
    rows[[1, 3, 5, 6, 7, 10]] = True
    node = job.settings.plain()["operator"]
    assert node["axis"] == "rows"
    operator = CartesianFourier(rows, -2, node["mask_adjoint"])
    x = torch.rand(2, 1, size, size, dtype=torch.float64).to(torch.complex128) * torch.exp(torch.tensor(0.4j))
    y = operator.forward(x) + 0.05 * torch.randn(x.shape, dtype=torch.complex128)
    batch = Batch(x, y, operator, NAMES, NAMES)

    def learned(y, x):
        return oracle.dncnn(x, layers) + x

    def uncentred(k):
        return channels(torch.fft.ifftshift(k, dim=(-2, -1)))

    plain = oracle.RowMaskedFourier(rows.numpy())
    settings = (architecture, plain, learned, float(network.step.exponent.detach()), "exp", "adjoint", 4)
    return job, network, batch, settings, channels, uncentred


def seismic(architecture):
    """Return the same for seismic deconvolution."""
    job = load(parse(["+experiment=upstream", "task=seismic", f"architecture={architecture}", "scale=smoke",
                      "architecture.iterations=4", "strategy=jitter"]))  # fmt: skip
    torch.manual_seed(1)
    network = build(job.settings, "architecture").double()
    for p in network.learned.parameters():
        torch.nn.init.normal_(p, 0, 0.3)
    body = list(network.learned.body)
    three = [(*arrays(body[i]), *arrays(body[i + 1])) for i in (0, 3, 6)]
    layers = (three, arrays(body[9]), arrays(body[10]))
    wavelet = ricker(11, 2.0)
    operator = Convolution(wavelet, 14, axis=-2)
    x = torch.randn(2, 1, 14, 10, dtype=torch.float64)
    y = operator.forward(x) + 0.01 * torch.randn(x.shape, dtype=torch.float64)
    batch = Batch(x, y, operator, NAMES, NAMES)

    def learned(y, x):
        return oracle.seismic_cnn(y, x, layers)

    def same(x):
        return x.numpy()

    plain = oracle.ColumnConvolution(wavelet.double().numpy(), 14)
    settings = (architecture, plain, learned, float(network.step.exponent.detach()), "sigmoid", "measurement", 4)
    return job, network, batch, settings, same, same


CASES = [(mri, "gd"), (mri, "prox"), (seismic, "gd"), (seismic, "prox")]


@pytest.mark.parametrize(("problem", "architecture"), CASES)
def test_every_iterate_is_the_authors(problem, architecture):
    _, network, batch, settings, image, measurement = problem(architecture)
    expected = oracle.unrolled(*settings, measurement(batch.y))
    for k in range(1, 5):
        network.iterations = k
        with torch.no_grad():
            found = image(network(batch.y, batch.operator))
        np.testing.assert_allclose(found, expected[k], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("problem", "architecture"), CASES)
def test_every_jittered_iterate_is_the_authors(problem, architecture):
    job, network, batch, settings, image, measurement = problem(architecture)
    node = {
        key: value
        for key, value in job.settings.plain()["strategy"].items()
        if key not in ("_target_", "name", "sigma")
    }
    strategy, draws = Jitter(SIGMA, **node), Draws(3)
    noise = [image(draws.normal("jitter", NAMES, batch.x, k)) for k in range(4)]
    expected = oracle.unrolled(*settings, measurement(batch.y), SIGMA, noise)
    clean = oracle.unrolled(*settings, measurement(batch.y))
    for k in range(1, 5):
        network.iterations = k
        with torch.no_grad():
            found = image(network(batch.y, batch.operator, strategy.perturb(network, batch, draws)))
        np.testing.assert_allclose(found, expected[k], rtol=1e-6, atol=1e-6)
        assert np.abs(expected[k] - clean[k]).max() > 1e-3  # the noise matters at this tolerance
    loss = float(strategy.loss(network, batch, draws).detach())
    mean = np.sum((expected[4] - image(batch.x)) ** 2) / batch.x.numel()
    assert loss == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize(("problem", "architecture"), [(mri, "gd"), (seismic, "prox")])
def test_the_attack_is_the_authors(problem, architecture):
    job, network, batch, settings, _, measurement = problem(architecture)
    *settings, _ = settings
    network.iterations = 1
    node = {
        k: v
        for k, v in job.settings.plain()["attack"].items()
        if k not in ("_target_", "name", "epsilon", "rho", "steps")
    }
    found = PGD(epsilon=0.35, steps=4, **node)(network, batch, Draws(0))
    image = channels if batch.x.is_complex() else torch.Tensor.numpy

    def reconstruct(y):
        return oracle.unrolled(*settings, 1, y)[-1]

    expected = oracle.pgd(reconstruct, image(batch.x), measurement(batch.y), 0.35, 4, 0.1 * 0.35)
    np.testing.assert_allclose(measurement(found), expected, atol=2e-5)
    assert np.abs(expected).max() > 0.01


def test_the_psnr_is_the_authors():
    torch.manual_seed(0)
    x = torch.randn(3, 1, 16, 16, dtype=torch.complex64)
    estimate = x + 0.1 * torch.randn_like(x)
    node = load(parse(["+experiment=upstream", "task=mri"])).settings.evaluation
    found = sample_metrics(estimate, x, node.part, node.clamp01_prediction)["psnr"]
    np.testing.assert_allclose(found, oracle.clamped_psnr(channels(estimate), channels(x)), rtol=1e-5)


def test_clamping_only_the_prediction_caps_a_perfect_reconstruction():
    """10 % of the entries uniform in ±0.3: the negative half is lost, 28.2 dB remain."""
    rng = np.random.default_rng(0)
    x = np.where(rng.random((1, 1, 500, 500)) < 0.1, rng.uniform(-0.3, 0.3, (1, 1, 500, 500)), 0)
    x = torch.from_numpy(x.astype(np.float32))
    assert sample_metrics(x, x, clamp=True)["psnr"][0] == pytest.approx(28.2, abs=0.1)
    assert sample_metrics(x, x)["psnr"][0] > 90


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("architecture", ["gd", "prox"])
def test_the_preset_is_all_deviations(task, architecture):
    """Every deviation by itself changes the configuration, and together they are the preset."""
    base = [f"task={task}", f"architecture={architecture}", "strategy=jitter"]
    default = dict(leaves(load(parse(base)).settings.plain()))
    preset = dict(leaves(load(parse([*base, "+experiment=upstream"])).settings.plain()))
    for deviation in deviations(task, architecture):
        alone = dict(leaves(load(parse([*base, *deviation.overrides])).settings.plain()))
        assert alone != default or (deviation.name, architecture) == ("residual", "prox"), deviation.name
    everything = [o for d in deviations(task, architecture) for o in d.overrides]
    together = dict(leaves(load(parse([*base, *everything])).settings.plain()))
    without_effect = {"mri": "architecture.noise_step", "seismic": "attack.support"}[task]
    assert {k for k in together if together[k] != preset[k]} <= {without_effect}
    assert together.keys() == preset.keys()


def test_no_deviation_is_told_twice():
    assert len({(d.name, task) for d in DEVIATIONS for task in d.tasks}) == sum(len(d.tasks) for d in DEVIATIONS)
