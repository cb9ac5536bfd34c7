"""The authors' arithmetic: `+experiment=upstream` against a transcription in NumPy that shares no code with it."""

import math

import numpy as np
import pytest
import torch

from sgdj.attacks import PGD
from sgdj.config.instantiate import build
from sgdj.config.nodes import leaves
from sgdj.data.batch import Batch, Image, Problem, measure, pose
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.metrics.image import sample_metrics
from sgdj.networks import DnCNN, GradientDescent, ProximalGradient, SeismicCNN, StepSize
from sgdj.operators import CartesianFourier, Convolution
from sgdj.operators.wavelets import ricker
from sgdj.runtime.draws import Draws
from sgdj.strategies import MSE, Jitter
from sgdj.study.paper import DEVIATIONS, UPSTREAM_TASKS, deviations
from sgdj.training.module import Training
from tests.study import upstream_oracle as oracle

SIGMA = 0.3
NAMES = ("s0", "s1")
LIBRARY = 1e-7  # torchmetrics has the constants of a PSNR in single precision
EXACT = {"rtol": 1e-11, "atol": 1e-12}  # rounding of float64 through all iterations


def preset(task, *overrides):
    return load(parse(["+experiment=upstream", f"task={task}", *overrides])).settings


def channels(x):
    """Turn complex (B, 1, H, W) into real (B, 2, H, W), as an array; return a real image as it is."""
    return np.concatenate([x.real.numpy(), x.imag.numpy()], axis=1) if x.is_complex() else x.numpy()


def uncentred(k):
    """Return k-space as the authors keep it."""
    return channels(torch.fft.ifftshift(k, dim=(-2, -1)) if k.is_complex() else k)


def arrays(module):
    """Return weight and bias of a layer as float64 arrays."""
    return [p.detach().double().numpy() for p in (module.weight, module.bias) if p is not None]


def mri(architecture):
    """Return the preset's network with random weights, a measured batch, and the same in the oracle's form."""
    size = 12
    settings = preset("mri", f"architecture={architecture}", "scale=smoke", "architecture.iterations=4")
    torch.manual_seed(0)
    network = build(settings, "architecture").double()
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
    assert settings.operator.get("axis", str) == "rows"
    operator = CartesianFourier(rows, -2, settings.operator.get("mask_adjoint", bool))
    x = torch.rand(2, 1, size, size, dtype=torch.float64).to(torch.complex128)  # a magnitude
    y = operator.forward(x) + 0.05 * torch.randn(x.shape, dtype=torch.complex128)  # noise on all of k-space
    e = float(network.step.exponent.detach())
    plain = (architecture, "mri", oracle.RowMaskedFourier(rows.numpy()), oracle.mri_network(layers), e)
    return settings, network, Batch(x, y, operator, NAMES, NAMES), plain


def seismic(architecture):
    """Return the same for seismic deconvolution."""
    settings = preset("seismic", f"architecture={architecture}", "scale=smoke", "architecture.iterations=4")
    torch.manual_seed(1)
    network = build(settings, "architecture").double()
    for p in network.learned.parameters():
        torch.nn.init.normal_(p, 0, 0.3)
    body = list(network.learned.body)
    three = [(*arrays(body[i]), *arrays(body[i + 1])) for i in (0, 3, 6)]
    layers = (three, arrays(body[9]), arrays(body[10]))
    wavelet = ricker(11, 2.0)
    operator = Convolution(wavelet, 14, axis=-2)
    x = torch.randn(2, 1, 14, 10, dtype=torch.float64)
    y = operator.forward(x) + 0.01 * torch.randn(x.shape, dtype=torch.float64)
    e = float(network.step.exponent.detach())
    plain = (architecture, "seismic", oracle.ColumnConvolution(wavelet.numpy(), 14), oracle.seismic_network(layers), e)
    return settings, network, Batch(x, y, operator, NAMES, NAMES), plain


def chosen(settings, group, *but):
    """Return the arguments that the preset gives the constructor of a group's class."""
    return {k: v for k, v in settings.plain()[group].items() if k not in ("_target_", "name", *but)}


CASES = [(mri, "gd"), (mri, "prox"), (seismic, "gd"), (seismic, "prox")]


@pytest.mark.parametrize(("problem", "architecture"), CASES)
def test_every_iterate_is_the_authors(problem, architecture):
    _, network, batch, plain = problem(architecture)
    expected = oracle.unrolled(*plain, 4, uncentred(batch.y))
    for k in range(1, 5):
        network.iterations = k
        with torch.no_grad():
            found = channels(network(batch.y, batch.operator))
        np.testing.assert_allclose(found, expected[k], **EXACT)


@pytest.mark.parametrize(("problem", "architecture"), CASES)
def test_every_jittered_iterate_and_the_loss_are_the_authors(problem, architecture):
    settings, network, batch, plain = problem(architecture)
    kept = {"strategy": "jitter", "architecture": architecture}
    whole = preset(plain[1], *(f"{key}={value}" for key, value in kept.items()))
    strategy, draws = Jitter(SIGMA, **chosen(whole, "strategy", "sigma")), Draws(3)
    noise = [channels(draws.at(0).normal("jitter", NAMES, batch.x, k)) for k in range(4)]
    expected = oracle.unrolled(*plain, 4, uncentred(batch.y), SIGMA, noise)
    clean = oracle.unrolled(*plain, 4, uncentred(batch.y))
    for k in range(1, 5):
        network.iterations = k
        with torch.no_grad():
            found = channels(network(batch.y, batch.operator, strategy.perturb(network, batch, draws.at(0))))
        np.testing.assert_allclose(found, expected[k], **EXACT)
        assert np.abs(expected[k] - clean[k]).max() > 1e-3  # the noise matters at this tolerance
    training = Training(network, strategy, draws, settings.trainer, "")
    value = float(training.training_step(batch, 0).detach())
    assert value == pytest.approx(oracle.loss(expected[4], channels(batch.x)), rel=1e-11)


@pytest.mark.parametrize(("problem", "architecture"), CASES)
def test_the_attack_is_the_authors(problem, architecture):
    settings, network, batch, plain = problem(architecture)
    network.iterations = 2
    attack = PGD(epsilon=0.35, steps=5, **chosen(settings, "attack", "epsilon", "rho", "steps"))
    assert (settings.attack.get("epsilon", float), settings.attack.get("steps", int)) == (1.0, 20)
    found = uncentred(attack(network, batch, Draws(0)))

    def reconstruct(y):
        return oracle.unrolled(*plain, 2, y)[-1]

    expected = oracle.pgd(reconstruct, channels(batch.x), uncentred(batch.y), 0.35, 5, 0.1 * 0.35)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    assert np.abs(expected).max() > 0.01


def test_the_unmasked_attack_leaves_the_mask():
    """Their adjoint lets through what nothing measured, so that the attack uses it."""
    settings, network, batch, _ = mri("gd")
    attack = PGD(epsilon=0.35, steps=5, **chosen(settings, "attack", "epsilon", "rho", "steps"))
    delta = attack(network, batch, Draws(0))
    off = (delta - batch.operator.restrict(delta)).abs().square().sum() / delta.abs().square().sum()
    assert float(off) > 0.2


ETA = math.exp(-1)
ON_WITH_SKIP = [(5, 0.500644), (10, (1 + (1 - 2 * ETA) ** 10) / 2)]


def gains(network):
    """Measure the gain of a network without its learned part for a change of k-space, off the mask and on it."""
    with torch.no_grad():
        for p in network.learned.parameters():
            p.zero_()
    network = network.double()
    rows = torch.zeros(16, dtype=torch.bool)
    rows[[2, 6, 7, 8, 9, 13]] = True
    operator = CartesianFourier(rows, -2, mask_adjoint=False)
    generator = torch.Generator().manual_seed(0)
    y, delta = (torch.randn(1, 1, 16, 16, dtype=torch.complex128, generator=generator) for _ in range(2))
    y = operator.restrict(y)
    on = operator.restrict(delta)
    with torch.no_grad():
        clean = network(y, operator)
        return [float((network(y + d, operator) - clean).abs().norm() / d.abs().norm()) for d in (delta - on, on)]


@pytest.mark.parametrize(("count", "amplified"), [(5, 2.839397), (10, 4.678794)])
def test_without_a_learned_part_the_unmasked_adjoint_amplifies(count, amplified):
    """1 + K η off the mask, where nothing restores, and 1 on it."""
    step = StepSize("exp", 1.0, -1.0, True)
    for form, residual in ((GradientDescent, False), (ProximalGradient, True)):  # f = 0; the identity
        network = form(DnCNN(2, 3, 8, 4, residual=residual), step, count, "adjoint")
        off, on = gains(network)
        assert off == pytest.approx(amplified, abs=1e-6) == pytest.approx(1 + count * ETA, abs=1e-6)
        assert on == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("count", "on_the_mask"), ON_WITH_SKIP)
def test_the_skip_of_the_gradient_network_shrinks(count, on_the_mask):
    """η (f(x) + x) with f = 0: gain 1 off the mask, (1 + (1 - 2η)^K) / 2 on it."""
    network = build(preset("mri", "scale=paper", f"architecture.iterations={count}"), "architecture")
    off, on = gains(network)
    assert off == pytest.approx(1, abs=1e-6)
    assert on == pytest.approx(on_the_mask, abs=1e-6)


def compared(settings):
    evaluation = settings.evaluation
    return evaluation.part, evaluation.clamp01_prediction, evaluation.clamp01_reference


def test_the_psnr_is_the_authors():
    torch.manual_seed(0)
    x = torch.randn(3, 1, 16, 16, dtype=torch.complex128)
    estimate = x + 0.1 * torch.randn_like(x)
    found = sample_metrics(estimate, x, *compared(preset("mri")))["psnr"]
    np.testing.assert_allclose(found, oracle.mri_psnr(channels(estimate), channels(x)), rtol=LIBRARY)
    x, estimate = x.real, estimate.real
    found = sample_metrics(estimate, x, *compared(preset("seismic")))["psnr"]
    np.testing.assert_allclose(found, oracle.seismic_psnr(channels(estimate), channels(x)), rtol=LIBRARY)


def images(settings, tmp_path):
    """Return two test images of a configuration, in the units of its operator."""
    source = build(settings.changed("dataset.directory", str(tmp_path)), "dataset")
    source.prepare()
    acquisition = build(settings, "operator")
    found = source.images("test")
    return pose([found[i] for i in range(2)], acquisition, Draws(0)).x


@pytest.mark.parametrize("task", ["mri", "seismic", "denoising"])
@pytest.mark.parametrize("arithmetic", ["correct", "upstream"])
def test_a_perfect_reconstruction(task, arithmetic, tmp_path):
    """It has an infinite PSNR, an SSIM of 1 and no error; but the authors' seismic metric has a ceiling."""
    settings = load(parse([f"task={task}", f"arithmetic={arithmetic}", "scale=smoke"])).settings
    x = images(settings, tmp_path)
    found = sample_metrics(x, x, *compared(settings))
    assert found["nmse"] == found["loss"] == [0.0, 0.0]
    if (task, arithmetic) != ("seismic", "upstream"):
        assert found["psnr"] == [math.inf, math.inf]
        assert found["ssim"] == pytest.approx([1.0, 1.0], abs=1e-6)
        return
    zero = sample_metrics(torch.zeros_like(x), x, *compared(settings))["psnr"]
    negative = x.clamp(max=0).square().sum((1, 2, 3)) / x.square().sum((1, 2, 3))
    above = [one - other for one, other in zip(found["psnr"], zero, strict=True)]
    assert above == pytest.approx((-10 * negative.log10()).tolist(), abs=1e-3)
    assert max(above) < 10


@pytest.mark.parametrize(
    ("reflectors", "ceiling", "unscaled"), [(1, 33.4, 41.3), (2, 33.0, 38.2), (3, 31.6, 36.5), (4, 31.3, 35.2)]
)
def test_the_ceilings_of_the_seismic_metric(reflectors, ceiling, unscaled):
    """On sections of the authors' kind, scaled and not; 3.01 dB above nothing, as signs balance.

    Scaled by one maximum, the ceilings of single sections scatter by more than a decibel.
    """
    x = oracle.sections(np.random.default_rng(reflectors), 8, 352, reflectors)
    y = oracle.ColumnConvolution(ricker(51, 4.0).numpy(), 352).forward(x)
    scaled, _ = oracle.seismic_scale(x, y)
    for section, expected, scatter in ((scaled, ceiling, 1.0), (x, unscaled, 0.3)):
        perfect, zero = (oracle.seismic_psnr(made, section).mean() for made in (section, np.zeros_like(section)))
        assert perfect == pytest.approx(expected, abs=scatter)
        assert perfect - zero == pytest.approx(3.01, abs=0.2)
        assert section is x or perfect < 34.64  # what the paper reports for MSE training


def test_clamping_only_the_prediction_caps_a_perfect_reconstruction():
    """10 % of the entries uniform in ±0.3: the negative half is lost, 28.2 dB remain."""
    rng = np.random.default_rng(0)
    x = np.where(rng.random((1, 1, 500, 500)) < 0.1, rng.uniform(-0.3, 0.3, (1, 1, 500, 500)), 0)
    x = torch.from_numpy(x.astype(np.float32))
    assert sample_metrics(x, x, clamp=True)["psnr"][0] == pytest.approx(28.2, abs=0.1)
    assert sample_metrics(x, x)["psnr"][0] == math.inf


def test_a_complex_reference_needs_both_clamps(tmp_path):
    """What the preset did before: a perfect reconstruction of a phantom had 6.6 to 27.7 dB."""
    settings = load(parse(["task=mri", "scale=smoke"])).settings
    x = images(settings, tmp_path)
    assert all(5 < value < 30 for value in sample_metrics(x, x, "real", True)["psnr"])
    assert sample_metrics(x, x, "real", True, True)["psnr"] == [math.inf, math.inf]


def test_the_initial_weights_are_the_authors():
    """Kaiming normal / 10 by the fan-out; of the default's, the first is 4 times, the last 3 x 3 one 0.18 times."""
    assert preset("seismic").architecture.get("learned.initialisation", str) == "fan_out"
    found = {}
    for how in ("fan_in", "fan_out"):
        torch.manual_seed(0)
        net = SeismicCNN(256, 4, residual=False, initialisation=how)
        found[how] = [net.body[i].weight.detach() for i in (0, 3, 6, 9)]
    for weight in found["fan_out"]:
        wanted = math.sqrt(2 / (1 + 0.001**2)) / math.sqrt(9 * weight.shape[0]) / 10
        assert float(weight.std()) == pytest.approx(wanted, rel=4 / math.sqrt(2 * weight.numel()))
    found = {}
    for how in ("fan_in", "fan_out"):
        torch.manual_seed(0)
        net = SeismicCNN(32, 4, residual=False, initialisation=how)
        found[how] = [float(net.body[i].weight.detach().std()) for i in (0, 9)]
    ratios = [one / other for one, other in zip(found["fan_in"], found["fan_out"], strict=True)]
    assert ratios == pytest.approx([4, 0.1768], rel=1e-3)


def test_the_scaling_is_the_authors():
    """Image and stored noise are divided by max |y|; noise that is drawn anew is not."""
    settings = preset("seismic", "operator.noise=0.2")
    acquisition = build(settings, "operator")
    sections = [Image(torch.randn(1, 60, 8, dtype=torch.float64), name, name) for name in NAMES]
    x = acquisition.normalise(torch.stack([image.x for image in sections]))
    clean = acquisition.operator((60, 8), NAMES, Draws(0)).forward(x)
    noise = 0.2 * Draws(0).normal("noise", NAMES, clean)
    wanted_x, wanted_y = oracle.seismic_scale(x.numpy(), (clean + noise).numpy())
    posed = pose(sections, acquisition, Draws(0))
    stored = measure(posed)
    np.testing.assert_allclose(stored.x.numpy(), wanted_x, rtol=1e-12)
    np.testing.assert_allclose(stored.y.numpy(), wanted_y, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.abs(stored.y.numpy()).max((1, 2, 3)), 1, rtol=1e-12)
    fresh = measure(Problem(**{**posed.__dict__, "noise_key": "block"}))
    assert float((fresh.y - fresh.operator.forward(fresh.x)).std()) == pytest.approx(0.2, rel=0.1)
    assert float((stored.y - stored.operator.forward(stored.x)).std()) < 0.17


@pytest.mark.parametrize(
    ("task", "shift", "size", "place", "value"),
    [("mri", "line", 320, (150, range(150, 170)), 0.7 + 0.7j), ("seismic", "block", 352, (140, range(170, 180)), -0.1)],
)
def test_the_details_are_the_authors(task, shift, size, place, value):
    settings = preset(task)
    x = torch.zeros(1, 1, size, size, dtype=torch.complex64 if task == "mri" else torch.float32)
    drawn = build(settings, f"shift.{shift}")(Problem(x, ("s",), ("s",), build(settings, "operator"), Draws(0))).x
    wanted = x.clone()
    wanted[0, 0, place[0], list(place[1])] = value
    assert torch.equal(drawn, wanted)


def test_the_loss_of_real_images_is_one():
    """The average over channels halves what is complex, and nothing else."""
    for problem, ratio in ((mri, 0.5), (seismic, 1.0)):
        settings, network, batch, _ = problem("gd")
        own = float(MSE().loss(network, batch, Draws(0)).detach())
        trainer = settings.changed("trainer.loss_average", "channels").trainer
        value = float(Training(network, MSE(), Draws(0), trainer, "").training_step(batch, 0).detach())
        assert value == pytest.approx(ratio * own, rel=1e-14)


@pytest.mark.parametrize("task", UPSTREAM_TASKS)
@pytest.mark.parametrize("architecture", ["gd", "prox"])
def test_the_preset_is_all_deviations(task, architecture):
    """Every deviation by itself changes the configuration, and together they are the preset."""
    base = [f"task={task}", f"architecture={architecture}", "strategy=jitter", "attack=pgd"]  # the paper's
    default = dict(leaves(load(parse(base)).settings.plain()))
    wanted = dict(leaves(load(parse([*base[:-1], "+experiment=upstream"])).settings.plain()))
    for deviation in deviations(task, architecture):
        alone = dict(leaves(load(parse([*base, *deviation.overrides])).settings.plain()))
        assert alone != default or (deviation.name, architecture) == ("residual", "prox"), deviation.name
    everything = [o for d in deviations(task, architecture) for o in d.overrides]
    together = dict(leaves(load(parse([*base, *everything])).settings.plain()))
    without_effect = {"mri": "architecture.noise_step", "seismic": "attack.support"}[task]
    assert {k for k in together if together[k] != wanted[k]} <= {without_effect}
    assert together.keys() == wanted.keys()


def test_no_deviation_is_told_twice():
    assert len({(d.name, task) for d in DEVIATIONS for task in d.tasks}) == sum(len(d.tasks) for d in DEVIATIONS)
