"""Strategies beside the paper's: each equals MSE without its strength, and does what its source says with it."""

import math
from dataclasses import replace

import pytest
import torch

from sgdj.attacks import PGD
from sgdj.data import Batch
from sgdj.defences import Averaging, CyclicConsistency, SmoothedIterations
from sgdj.defences.base import Defended, fixed_draw
from sgdj.errors import InputError, InputErrors
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.networks import LearnedPart, Linear, ProximalGradient, Reconstructor, StepSize
from sgdj.networks.external import External
from sgdj.operators import CartesianFourier, Identity, MultiCoil
from sgdj.operators.point_fourier import PointFourier
from sgdj.runtime.draws import Draws
from sgdj.strategies import (
    MSE,
    Adversarial,
    FirmlyNonexpansive,
    JacobianPenalty,
    Jitter,
    JitterAdversarial,
    Mixed,
    SelfSupervised,
    SharpnessAware,
    SmoothedUnrolling,
    Smoothing,
)
from tests.conftest import QUIET, finished_run, only_run
from tests.strategies.test_strategies import Shift, batch, jitter_of, network, step

SMUG = "defence.sigma=0.1", "defence.passes=1", "defence.noise_scale=relative"
NONE = PGD(epsilon=0.0, steps=1, step_size=1.0, restarts=1, random_start=False)


@pytest.mark.parametrize("form", ["gd", "prox"])
@pytest.mark.parametrize(
    "silent",
    [
        Jitter(0.0, "relative", True, draw="shared", level="random"), Jitter(0.0, "absolute", True, level="annealed"),
        JitterAdversarial(NONE, 0.0, "relative", True), SmoothedUnrolling(0.0, "relative", 1),
        Smoothing(0.0, 1), SharpnessAware(0.0),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)  # fmt: skip
def test_without_its_strength_it_is_mse_bit_for_bit(form, silent):
    net, data = network(ProximalGradient) if form == "prox" else network(), batch()
    expected, got = (step(strategy, net, data, Draws(0)) for strategy in (MSE(), silent))
    assert torch.equal(got[0], expected[0])
    assert all(torch.equal(got[1][name], expected[1][name]) for name in expected[1])


@pytest.mark.parametrize(
    "silent",
    [
        SmoothedUnrolling(0.0, "relative", 3), Smoothing(0.0, 3), Mixed(NONE, 0.3), JacobianPenalty(0.0, 1),
        FirmlyNonexpansive(0.0, 0.05, 1),
    ],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_without_it_several_passes_are_mse_to_rounding(silent):
    net, data = network(ProximalGradient), batch()
    expected, got = (strategy.loss(net, data, Draws(0)) for strategy in (MSE(), silent))
    assert got.item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_mixed_loss_lies_between():
    attack = PGD(epsilon=0.5, steps=2, step_size=1.0, restarts=1, random_start=False)
    net, data = network(), batch()
    clean, attacked, mixed = (s.loss(net, data, Draws(0)) for s in (MSE(), Adversarial(attack), Mixed(attack, 0.25)))
    assert attacked > clean
    assert mixed.item() == pytest.approx(0.75 * clean.item() + 0.25 * attacked.item(), rel=1e-6)


def test_jitter_and_attack_add_up():
    attack = PGD(epsilon=0.5, steps=2, step_size=1.0, restarts=1, random_start=False)
    net, data, draws = network(), batch(), Draws(0)
    moved = replace(data, y=data.y + attack(net, data, draws))
    both = JitterAdversarial(attack, 0.1, "relative", True).loss(net, data, draws)
    assert torch.equal(both, Jitter(0.1, "relative", True).loss(net, moved, draws))


def test_one_draw_for_all_iterations():
    seen = jitter_of(Jitter(0.1, "absolute", True, draw="shared"), network(), batch(), Draws(0))
    assert len(seen) == 3
    assert all(torch.equal(w, seen[0][0]) for w, _ in seen)
    assert not torch.equal(seen[0][0][0], seen[0][0][1])


def test_a_random_level_is_one_for_each_sample_and_epoch():
    """Where the draw itself is known, its level is what it was multiplied with."""
    data, shares = batch(8, 16), []
    for epoch in (0, 1):
        draws = Draws(3).at(epoch)
        fixed, drawn = (
            jitter_of(Jitter(1.0, "absolute", True, level=level), network(), data, draws)[1][0]
            for level in ("fixed", "random")
        )
        ratio = (drawn / fixed).real
        assert torch.allclose(ratio, ratio[:, :, :1, :1].expand_as(ratio), rtol=1e-5)
        shares += ratio[:, 0, 0, 0].tolist()
    assert len(set(shares)) == 16
    assert 0 < min(shares) < 0.3
    assert 0.7 < max(shares) < 1
    alone = Batch(data.x[1:2], data.y[1:2], data.operator, data.samples[1:2], data.volumes[1:2])
    one = jitter_of(Jitter(1.0, "absolute", True, level="random"), network(), alone, Draws(3).at(1))
    assert torch.equal(one[1][0][0], drawn[1])


def test_an_annealed_level_falls_to_zero():
    strategy, sizes = Jitter(0.1, "absolute", True, level="annealed"), []
    for epoch in range(5):
        strategy.begin_epoch(epoch, 4)
        sizes.append(float(jitter_of(strategy, network(), batch(), Draws(0))[0][0].abs().max()))
    assert [size / sizes[0] for size in sizes] == pytest.approx([1, (1 + 0.5**0.5) / 2, 0.5, 0.14645, 0], abs=1e-4)


@pytest.mark.parametrize("scale", ["relative", "absolute"])
def test_smoothed_unrolling_is_its_equation(scale):
    """A plain loop in which the learned part is a mean of three passes."""
    net, data, sigma = network(), batch(), 0.2
    out, eta = data.operator.adjoint(data.y), net.step()
    apart = []
    for k in range(3):
        largest = out.abs().amax((1, 2, 3), keepdim=True)
        width = sigma * largest if scale == "relative" else sigma / math.sqrt(2 * 256)
        noisy = [out + width * Draws(4).normal("jitter", data.samples, out, k, i) for i in range(3)]
        f = sum(net.learned(x, data.y) for x in noisy) / 3
        apart.append((f - net.learned(data.x, data.y)).abs().square().mean())
        out = out - eta * (data.operator.gram(out) - data.operator.adjoint(data.y) + f)
    error = (out - data.x).abs().square().mean()
    loss = SmoothedUnrolling(sigma, scale, 3).loss(net, data, Draws(4))
    assert loss.item() == pytest.approx(error.item(), rel=1e-5)
    both = SmoothedUnrolling(sigma, scale, 3, stability=0.5).loss(net, data, Draws(4))
    assert both.item() == pytest.approx((error + 0.5 * sum(apart) / 3).item(), rel=1e-5)


def test_sharpness_is_the_worst_of_a_ball_to_first_order():
    """For x̂ = y + c the loss is quadratic in c: its maximum over |e| ≤ ρ is at ρ sign(g)."""
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(2, 2, 1, 6, 6, dtype=torch.float64, generator=generator)
    data, net, rho = Batch(x, y, Identity(), ("a", "b"), ("a", "b")), Shift().double(), 0.3
    mean = (y - x).mean()
    loss = SharpnessAware(rho).loss(net, data, Draws(0))
    moved = rho * torch.sign(mean)
    assert loss.item() == pytest.approx(((y - x + moved) ** 2).mean().item(), rel=1e-12)
    loss.backward()
    assert net.c.grad.item() == pytest.approx(2 * (mean + moved).item(), rel=1e-12)
    assert net.c.item() == 0


def test_the_spectral_penalty_is_that_of_the_dense_jacobian():
    """40 power iterations reach the largest singular value on the measured entries to a thousandth."""
    net, data = network().double(), batch(2, 8)
    data = replace(data, x=data.x.to(torch.complex128), y=data.y.to(torch.complex128))
    _, norms = JacobianPenalty(1.0, 40).norms(net, data, Draws(0))
    for i in range(2):
        one = data.take(i)

        def real(v, one=one):
            return torch.view_as_real(net(torch.view_as_complex(v), one.operator))

        jacobian = torch.autograd.functional.jacobian(real, torch.view_as_real(one.y)).view(128, 8, 8, 2)
        on_mask = jacobian[:, :, one.operator.lines].flatten(1)
        exact = torch.linalg.matrix_norm(on_mask, ord=2).item()
        assert norms[i].item() == pytest.approx(exact, rel=1e-3)


def test_the_penalty_has_the_gradient_of_the_norm():
    """The learned part Θ = c I makes J = 1 - η (1 + c), exactly; one step of K = 1."""
    learned = Linear(16, residual=False)
    net = network()
    net.learned, net.iterations = learned, 1
    net.step.exponent.requires_grad_(False)
    learned.weight.data = 0.5 * torch.eye(16)
    x = torch.randn(2, 1, 16, 1)
    data = Batch(x, x, Identity(), ("a", "b"), ("a", "b"))
    eta = float(net.step())
    _, norms = JacobianPenalty(1.0, 3).norms(net, data, Draws(0))
    assert norms.tolist() == pytest.approx([1 - eta / 2] * 2, rel=1e-5)  # x_0 = y: J = 1 - η (1 + 0.5) + η
    (slope,) = torch.autograd.grad(norms.sum(), learned.weight)
    assert torch.trace(slope).item() == pytest.approx(-2 * eta, rel=1e-4)


def test_the_reflected_map_of_a_linear_part():
    """For D = Θ the norm of 2 Θ - I is known; below 1 - ε nothing is penalised further."""
    net = ProximalGradient(Linear(16, residual=False), StepSize("exp", 0.5, 0.0, False), 2, "adjoint").double()
    spectrum = torch.linspace(-0.4, 1.0, 16, dtype=torch.float64)
    basis = torch.linalg.qr(torch.randn(16, 16, dtype=torch.float64)).Q
    net.learned.weight.data = basis * spectrum @ basis.T
    x = torch.randn(2, 1, 16, 1, dtype=torch.float64)
    data = Batch(x, x, Identity(), ("a", "b"), ("a", "b"))
    plain = MSE().loss(net, data, Draws(0)).item()
    assert FirmlyNonexpansive(2.0, 0.1, 60).loss(net, data, Draws(0)).item() == pytest.approx(plain + 2 * 1.8**2, 1e-3)
    net.learned.weight.data = basis * (0.5 + 0.1 * spectrum) @ basis.T
    plain = MSE().loss(net, data, Draws(0)).item()
    assert FirmlyNonexpansive(2.0, 0.1, 60).loss(net, data, Draws(0)).item() == pytest.approx(plain + 2 * 0.9**2, 1e-9)


def measured(kind):
    generator = torch.Generator().manual_seed(0)
    if kind == "lines":
        return CartesianFourier(torch.rand(16, generator=generator) > 0.4)
    if kind == "points":
        return PointFourier(torch.rand(3, 16, 16, generator=generator) > 0.4)
    maps = torch.randn(2, 16, 16, dtype=torch.complex64, generator=generator)
    return MultiCoil(CartesianFourier(torch.rand(3, 16, generator=generator) > 0.4), maps)


@pytest.mark.parametrize("kind", ["lines", "points", "coils"])
def test_a_split_is_two_parts_of_the_measurement(kind):
    operator = measured(kind)
    x = torch.randn(3, 1, 16, 16, dtype=torch.complex64)
    data = Batch(x, operator.forward(x), operator, ("a", "b", "c"), ("a", "b", "c"))
    given, held = SelfSupervised(0.4, 2).split(data, Draws(0))
    sampled = operator.sampled().expand_as(given)
    assert not (given & held).any()
    assert torch.equal(given | held, sampled)
    count = sampled.flatten(1).sum(1)
    assert held.flatten(1).sum(1).tolist() == [round(0.4 * int(n)) for n in count]
    middle = (slice(None), *[slice(7, 9)] * (given.ndim - 1))
    assert torch.equal(given[middle], sampled[middle])
    again = [SelfSupervised(0.4, 2).split(data, Draws(0).at(epoch))[1] for epoch in (0, 0, 1)]
    assert torch.equal(again[0], again[1])
    assert not torch.equal(again[0], again[2])
    assert not torch.equal(held[0], held[1])  # also under one mask for all
    alone = replace(data.take(1), operator=operator.take(1))
    assert torch.equal(SelfSupervised(0.4, 2).split(alone, Draws(0))[1][0], held[1])


class Failing(torch.autograd.Function):
    """Identity whose backward pass fails."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("not written")


def once(x):
    return Failing.apply(x)


class Smooth(LearnedPart):
    """A learned part without kinks, which noise does change."""

    def forward(self, x, y):
        return 0.5 * x * x.abs()


class FromPart(Reconstructor):
    """Return Aᴴy, and keep what was asked for."""

    def forward(self, y, operator, perturb=None):
        self.seen = y, operator
        return operator.adjoint(y)


def test_ssdu_sees_no_reference_and_compares_on_what_it_held_out():
    data, net = batch(2), FromPart()
    without = replace(data, x=torch.full_like(data.x, torch.nan))
    loss = SelfSupervised(0.4, 2).loss(net, without, Draws(0))
    y, operator = net.seen
    _, held = SelfSupervised(0.4, 2).split(without, Draws(0))
    assert not y[:, 0].transpose(1, 2)[held].any()
    assert torch.equal(operator.restrict(y), y)
    assert loss.item() == pytest.approx(2.0, rel=1e-6)  # nothing is known of the lines held out: both terms are 1


def test_fixed_draws_make_a_defence_repeatable():
    data, net = batch(3), network()
    for defence in (Averaging(0.2, 3), SmoothedIterations(0.1, "relative", 3)):
        made = Defended(net, defence)
        together, again = (made(data.y, data.operator) for _ in range(2))
        alone = made(data.y[1:2], data.operator)
        assert torch.equal(together, again)
        assert torch.allclose(alone[0], together[1], atol=1e-5)
        assert not torch.allclose(together, net(data.y, data.operator), atol=1e-3)
        made.iterations = 2
        assert (net.iterations, made.iterations, made.start) == (2, 2, "adjoint")
        net.iterations = 3
    for silent in (Averaging(0.0, 1), SmoothedIterations(0.0, "relative", 1)):
        assert torch.equal(Defended(net, silent)(data.y, data.operator), net(data.y, data.operator))
    noise = [data.operator.restrict(0.2 * Draws(0).normal("defence", ("",), data.y[:1], i)) for i in range(3)]
    mean = sum(net(data.y + w, data.operator) for w in noise) / 3
    assert torch.allclose(Defended(net, Averaging(0.2, 3))(data.y, data.operator), mean, atol=1e-6)


@pytest.mark.parametrize("defence", [Averaging(0.5, 4), SmoothedIterations(0.3, "relative", 3)])
def test_an_attack_goes_through_the_defence_and_is_never_weaker_than_without(defence):
    """Both are scored on the defended network, with the draws that it has; the plain δ is among the starts."""
    data, net = batch(3), network()
    defended = Defended(net, defence)
    for attack in (
        PGD(rho=0.3, steps=6, step_size=0.5, restarts=1, random_start=False),
        PGD(rho=0.3, steps=1, step_size=1e-3, restarts=1, random_start=True),  # too weak to find anything by itself
    ):
        plain, through = (attack(one, data, Draws(0)) for one in (net, defended))
        errors = [
            (defended(data.y + d, data.operator) - data.x).abs().square().mean((1, 2, 3)) for d in (plain, through)
        ]
        assert (errors[1] >= errors[0] * (1 - 1e-6)).all()
        assert not torch.equal(plain, through)


@pytest.mark.parametrize(
    "defence",
    [Averaging(0.5, 2), SmoothedIterations(0.3, "relative", 2), CyclicConsistency(0.1, 2, 0.5, 1, 4)],
    ids=lambda v: type(v).__name__,
)
def test_the_gradient_of_a_defended_network_is_exact(defence):
    """Nothing in it counts as a constant: an attack would climb another hill."""
    data, net = batch(2), network().double()
    net.learned = Smooth()
    y, x = data.y.to(torch.complex128), data.x.to(torch.complex128)
    defended = Defended(net, defence)
    given = y.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad((defended(given, data.operator) - x).abs().square().sum(), given)
    u = data.operator.restrict(torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        up, down = ((defended(y + s * 1e-6 * u, data.operator) - x).abs().square().sum() for s in (1, -1))
    assert float((slope.conj() * u).real.sum()) == pytest.approx(float(up - down) / 2e-6, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["task=seismic", "strategy=ssdu"], "only sampled k-space can be split, strategy: choose task=mri"),
        (["task=mri", "strategy=firm"], "the learned part of this architecture is no proximal map, strategy: "),
        (["strategy=smug", "strategy.stability=1", "architecture.checkpointing=true"], "the second term needs every "),
        (["task=seismic", "defence=cyclic"], "only sampled k-space has other masks, defence: set defence=none"),
        (["strategy=sam", "sigma=0.1"], "strategy sam has no noise level, sigma=0.1: "),
        (["strategy=mse", "defence=smug", "defence.sigma=1", "defence.passes=1"], "nothing must be "),
    ],
)
def test_what_has_no_meaning_is_refused_before_it_runs(arguments, line):
    with pytest.raises(InputErrors) as told:
        load(parse(arguments))
    assert str(told.value).startswith(line), told.value
    assert len(told.value.mistakes) == 1


def test_a_strategy_brings_its_own_defence():
    def settings(*arguments):
        return load(parse(arguments)).settings

    made = settings("strategy=smoothing", "sigma=0.3", "strategy.passes=7").defence
    assert (made.name, made.get("sigma", float), made.get("passes", int)) == ("smoothing", 0.3, 7)
    assert settings("strategy=smug").defence.get("noise_scale", str) == "relative"
    assert settings("strategy=smug", "defence.passes=9").defence.get("passes", int) == 9
    assert settings("strategy=smug", "defence=none").defence is None
    assert settings("strategy=jitter").defence is None


def test_a_defence_is_part_of_a_trained_network(cli, tmp_path):
    """It is in the weights' file, an evaluation may leave it out or change it, and the names of the runs tell."""
    (tmp_path / "trained").mkdir()
    finished_run(tmp_path / "trained", "task=seismic", "scale=smoke", "strategy=smug", *QUIET)
    trained = only_run(tmp_path / "trained")
    path = f"checkpoint={trained / 'checkpoints' / 'best.ckpt'}"
    base = ("mode=evaluate", path, *QUIET)
    assert cli(*base, "run_dir=again")[0] == 0
    assert cli(*base, "run_dir=without", "defence=none")[0] == 0
    assert cli(*base, "run_dir=other", "defence=smoothing", "defence.sigma=0.3", "defence.passes=2")[0] == 0
    found = [(tmp_path / name / "evaluation" / "samples.csv").read_bytes() for name in ("again", "without", "other")]
    assert found[0] == (trained / "evaluation" / "samples.csv").read_bytes()
    assert len(set(found)) == 3


def test_cyclic_consistency_lowers_its_objective_within_its_ball():
    data, net = batch(3), network()
    defence = CyclicConsistency(0.1, 6, 0.3, 2, 4)
    others = defence.others(data.operator)
    sampled = data.operator.sampled()
    for other in others:
        assert other.lines.sum() == sampled.sum()
        assert torch.equal(other.lines[:, 6:10], sampled[:, 6:10])
        assert not torch.equal(other.lines, sampled)
    seen = []
    original = net.forward
    net.forward = lambda y, operator, perturb=None: seen.append(y.detach()) or original(y, operator)
    with torch.no_grad():
        made = defence.reconstruct(net, data.y, data.operator)
    assert not made.requires_grad
    r = seen[-1] - data.y
    assert (r.flatten(1).norm(dim=1) <= 0.1 * data.y.flatten(1).norm(dim=1) * (1 + 1e-5)).all()
    assert torch.equal(data.operator.restrict(r), r)
    before, after = (defence.inconsistency(net, y, data.operator, others) for y in (data.y, seen[-1]))
    assert (after < before).all()
    assert torch.allclose(defence.reconstruct(net, data.y, data.operator), made, atol=1e-5)  # with a graph, too


def test_an_adaptive_attack_goes_through_the_loop():
    data, net = batch(2), network()
    defended = Defended(net, CyclicConsistency(0.1, 2, 0.5, 1, 4))
    attack = PGD(rho=0.2, steps=4, step_size=0.5, restarts=1, random_start=False)
    plain, adaptive = (attack(one, data, Draws(0)) for one in (net, defended))
    errors = [
        (defended(data.y + d, data.operator) - data.x).abs().square().mean((1, 2, 3)).detach()
        for d in (plain, adaptive)
    ]
    assert (errors[1] >= errors[0] * (1 - 1e-6)).all()
    assert (errors[1] > errors[0] * 1.001).any()


def test_fixed_draws_are_the_same_in_every_precision():
    like = torch.zeros(1, 1, 4, 5, dtype=torch.complex64)
    single, double = fixed_draw(3, like, 1, 2), fixed_draw(3, like.to(torch.complex128), 1, 2)
    assert (single.dtype, double.dtype) == (torch.complex64, torch.complex128)
    assert torch.equal(single, Draws(3).normal("defence", ("",), like, 1, 2))
    assert torch.equal(single.to(torch.complex128), double)


def test_a_centre_of_all_that_is_measured_leaves_nothing_to_hold_out():
    data = batch(2)
    with pytest.raises(InputError, match=r"could be held out, strategy\.center: lower it"):
        SelfSupervised(0.4, 99).split(data, Draws(0))
    with pytest.raises(InputError, match="a centre of 99 leaves no other mask"):
        CyclicConsistency(0.1, 1, 0.5, 1, 99).others(data.operator)


@pytest.mark.parametrize("silent", [lambda x: x.detach(), once], ids=["no gradient", "fails"])
def test_a_reconstructor_without_a_gradient_cannot_be_made_consistent(silent):
    data = batch(2)
    network = External(lambda y, operator: silent(operator.adjoint(y)))
    with pytest.raises(InputError, match="defence=none"):
        CyclicConsistency(0.1, 1, 0.5, 1, 4).reconstruct(network, data.y, data.operator)


@pytest.mark.parametrize("chosen", [("defence=smug", *SMUG), ("strategy=smug",)])
def test_an_outside_reconstructor_has_no_iterations_to_smooth(chosen, cli):
    outside = "reconstructor=sgdj.references:Tikhonov", "reconstructor_settings.weight=0.1"
    code, _, err = cli("mode=evaluate", "task=denoising", "scale=smoke", *outside, *chosen, *QUIET)
    assert code == 2
    assert "error: this architecture has no unrolled iterations to smooth, defence: set defence=none" in err
