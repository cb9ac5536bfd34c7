"""Architectures beside the paper's two: each is its equation, and its derivative is that of the equation."""

from functools import partial

import pytest
import torch

from sgdj.audit.jacobian import Jacobian
from sgdj.data import Batch
from sgdj.errors import InputError
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.networks import (
    ADMM,
    BlackBox,
    DeepEquilibrium,
    DnCNN,
    GradientDescent,
    HalfQuadratic,
    LearnedPart,
    MoDL,
    ProximalGradient,
    Regularised,
    StepSize,
    VarNet,
)
from sgdj.networks.channels import from_channels, to_channels
from sgdj.networks.fixed_point import fixed_point
from sgdj.networks.precision import InBfloat16, computing_in
from sgdj.networks.solve import conjugate_gradients, solve
from sgdj.operators import CartesianFourier, Convolution, MultiCoil
from sgdj.operators.wavelets import ricker
from sgdj.runtime.draws import Draws
from sgdj.strategies import MSE, Adversarial, Jitter
from tests.helper import dense


class Saturating(LearnedPart):
    """A nonlinear learned part with a weight, of slope at most |weight|."""

    def __init__(self, weight=0.3):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, x, y):
        return self.weight * x / (1 + x.abs())


def saturate(x, weight=0.3):
    return weight * x / (1 + x.abs())


def problem(kind="mri"):
    generator = torch.Generator().manual_seed(0)
    if kind == "seismic":
        operator = Convolution(ricker(5, 1.0), 8)
        x = torch.randn(2, 1, 8, 3, dtype=torch.float64, generator=generator)
    else:
        operator = CartesianFourier(torch.tensor([True, False, True, True, False, True]))
        x = torch.randn(2, 1, 5, 6, dtype=torch.complex128, generator=generator)
        if kind == "coils":
            operator = MultiCoil(operator, torch.randn(3, 5, 6, dtype=torch.complex128, generator=generator))
    return operator, x, operator.forward(x)


def matrices(operator, x):
    """Return AᴴA + λI as a function of λ, of one flattened image."""
    a = dense(operator, x.shape[1:], x.dtype)
    return lambda weight: a.mH @ a + weight * torch.eye(a.shape[1], dtype=a.dtype)


@pytest.mark.parametrize("kind", ["mri", "seismic", "coils"])
def test_conjugate_gradients_are_a_dense_solve(kind):
    operator, x, _ = problem(kind)
    system = matrices(operator, x)(0.05)
    found = conjugate_gradients(lambda v: operator.gram(v) + 0.05 * v, x, 100)
    exact = torch.linalg.solve(system, x.flatten(1).mT).mT.view_as(x)
    assert torch.allclose(found, exact, rtol=1e-9, atol=1e-9)
    alone = conjugate_gradients(lambda v: operator.gram(v) + 0.05 * v, x[:1], 100)
    assert torch.allclose(alone[0], found[0], rtol=1e-12, atol=1e-12)
    zero = conjugate_gradients(lambda v: operator.gram(v) + 0.05 * v, 0 * x, 100)
    assert torch.equal(zero, 0 * x)


@pytest.mark.parametrize("kind", ["mri", "seismic"])
def test_a_solution_can_be_differentiated_twice(kind):
    operator, x, _ = problem(kind)
    inputs = x.clone().requires_grad_(True), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    function = partial(solve, operator, steps=100)
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("kind", ["mri", "seismic"])
@pytest.mark.parametrize("form", [MoDL, HalfQuadratic, ADMM])
def test_regularised_iterations_are_their_equations(form, kind):
    """A plain loop with a dense solve, the jitter on its right-hand side."""
    operator, x, y = problem(kind)
    more = {"growth": 2.0} if form is HalfQuadratic else {}
    network = form(Saturating(), 0.2, 100, 3, "adjoint", **more).double()
    noise = torch.randn(3, *x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    assert isinstance(network, Regularised)
    out = network(y, operator, lambda k, x, z: noise[k])
    system, adjoint = matrices(operator, x), operator.adjoint(y)

    def solved(weight, z, w):
        return torch.linalg.solve(system(weight), (adjoint + weight * z + w).flatten(1).mT).mT.view_as(x)

    v, u = adjoint, torch.zeros_like(adjoint)
    for k in range(3):
        if form is MoDL:
            v = solved(0.2, saturate(v), noise[k])
        elif form is HalfQuadratic:
            v = saturate(solved(0.2 * 2.0**k, v, noise[k]))
        else:
            one = solved(0.2, v - u, noise[k])
            v = saturate(one + u)
            u = u + one - v
    assert torch.allclose(out, v, rtol=1e-6, atol=1e-7)


def test_the_variational_network_is_its_equation():
    operator, x, y = problem()
    network = VarNet(Saturating(), StepSize("exp", 0.5, 0.0, True), 3, "adjoint").double()
    network.factors.data = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
    for k in range(3):
        network.learned[k].weight.data.fill_(0.1 * (k + 1))
    noise = torch.randn(3, *x.shape, dtype=x.dtype)
    out, adjoint = operator.adjoint(y), operator.adjoint(y)
    for k, factor in enumerate((1.0, 0.5, 2.0)):
        out = out - 0.5 * factor * (operator.gram(out) - adjoint + noise[k]) - saturate(out, 0.1 * (k + 1))
    assert torch.allclose(network(y, operator, lambda k, x, z: noise[k]), out, atol=1e-7)
    network.iterations = 4
    with pytest.raises(InputError, match="only 3 iterations have weights of their own"):
        network(y, operator)


@pytest.mark.parametrize("form", [GradientDescent, ProximalGradient])
def test_weights_of_their_own_begin_equal_and_part_in_training(form):
    operator, _, y = problem()
    made = []
    for shared in (True, False):
        torch.manual_seed(0)
        learned = DnCNN(2, 3, 8, 4, form is ProximalGradient)
        made.append(form(learned, StepSize("exp", 1.0, -1.0, True), 3, "adjoint", shared=shared).double())
    one, own = (network(y, operator) for network in made)
    assert torch.equal(one, own)
    assert sum(p.numel() for p in made[1].learned.parameters()) == 3 * sum(
        p.numel() for p in made[0].learned.parameters()
    )
    own.abs().sum().backward()
    slopes = [part.body[0].weight.grad for part in made[1].learned]
    assert not torch.allclose(slopes[0], slopes[2])
    made[1].iterations = 2
    made[0].iterations = 2
    assert torch.equal(made[0](y, operator), made[1](y, operator))


@pytest.mark.parametrize("complex_image", [True, False])
def test_the_black_box_is_fastmris_module(complex_image):
    from fastmri.models import Unet

    operator = CartesianFourier(torch.arange(32) % 2 == 0)
    x = torch.randn(2, 1, 32, 32, dtype=torch.complex64 if complex_image else torch.float32)
    channels = 2 if complex_image else 1
    y = operator.forward(x) if complex_image else x
    network = BlackBox(channels, 3, 8, True, "adjoint" if complex_image else "measurement")
    theirs = Unet(in_chans=channels, out_chans=channels, chans=8, num_pool_layers=3)
    theirs.load_state_dict(network.learned.body.state_dict())
    start = operator.adjoint(y) if complex_image else y
    expected = start + from_channels(theirs(to_channels(start)), start)
    assert torch.equal(network(y, operator), expected)
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in theirs.parameters())


def equilibrium(form, solver="anderson", tolerance=1e-10, most=300, weight=0.9):
    """A contraction: the learned part has slope at most q = 0.9."""
    step = StepSize("exp", 0.5, 0.0, True)
    return DeepEquilibrium(Saturating(weight), step, form, "adjoint", solver, tolerance, tolerance, most).double()


@pytest.mark.parametrize("solver", ["anderson", "plain"])
@pytest.mark.parametrize("form", ["gd", "prox"])
@pytest.mark.parametrize("jittered", [False, True])
def test_the_gradient_of_a_fixed_point_is_that_of_many_iterations(form, solver, jittered):
    operator, x, y = problem("coils")
    network = equilibrium(form, solver)
    kind = GradientDescent if form == "gd" else ProximalGradient
    unrolled = kind(network.iteration.learned, network.iteration.step, 400 if form == "gd" else 200, "adjoint")
    noise = 0.1 * torch.randn(x.shape, dtype=x.dtype)
    with torch.no_grad():
        network.iteration.step.exponent -= 1.5  # stable for these coils
    found = []
    for one in (network, unrolled):
        given = y.clone().requires_grad_(True)
        out = one(given, operator, (lambda k, x, z: noise) if jittered else None)
        loss = (out - x).abs().square().sum()
        found.append([out.detach(), *torch.autograd.grad(loss, [given, *one.parameters()])])
    sizes = [float(b.abs().max()) for b in found[1]]
    if form == "gd":  # its fixed point does not depend on η: the truth is 0
        sizes[-1] = sizes[-2]
    for a, b, size in zip(*found, sizes, strict=True):
        assert float((a - b).abs().max()) <= 1e-7 * size
    assert all(residual <= 1e-10 for residual, _ in network._reached.values())
    assert [note.partition(":")[0] for note in network.notes] == ["fixed point of x̂", "fixed point of gradient"]


def test_both_products_with_the_jacobian_of_a_fixed_point():
    """Jᵀ v from the implicit gradient, and J u by differentiating that once more, against the unrolled iteration."""
    operator, x, y = problem()
    network = equilibrium("prox")
    unrolled = ProximalGradient(network.iteration.learned, network.iteration.step, 300, "adjoint")
    batch = Batch(x, y, operator, ("a", "b"), ("a", "b"))
    one, other = (Jacobian(net, batch) for net in (network, unrolled))
    u, v = operator.forward(torch.randn_like(x)), torch.randn_like(x)
    assert torch.allclose(one.forward(u), other.forward(u), atol=1e-8)
    assert torch.allclose(one.adjoint(v), other.adjoint(v), atol=1e-8)


def test_a_sample_is_solved_by_itself():
    operator, _, y = problem()
    network = equilibrium("prox", tolerance=1e-4)
    assert torch.allclose(network(y[:1], operator)[0], network(y, operator)[0], atol=1e-12)


def test_andersons_method_needs_fewer_steps():
    matrix = torch.diag(torch.linspace(0.0, 0.95, 6, dtype=torch.float64))
    b = torch.ones(2, 1, 6, 1, dtype=torch.float64)
    exact = torch.linalg.solve(torch.eye(6, dtype=torch.float64) - matrix, b[0, 0]).expand_as(b)
    plain, mixed = (fixed_point(lambda x: matrix @ x + b, b, 1e-9, 1000, how) for how in ("plain", "anderson"))
    for found in (plain, mixed):
        assert found.residual <= 1e-9
        assert torch.allclose(found.x, exact, rtol=1e-6)
    assert mixed.steps < plain.steps / 5


def test_a_map_without_a_fixed_point_is_told():
    operator, _, y = problem()
    network = equilibrium("gd", tolerance=1e-8, most=5, weight=-30.0)
    assert torch.isfinite(network(y, operator).abs()).all()
    assert network._reached["x̂"][0] > 1e-3
    assert network._reached["x̂"][1] == 5


ALL = {
    "modl": lambda part: MoDL(part, 0.1, 20, 2, "adjoint"),
    "hqs": lambda part: HalfQuadratic(part, 0.1, 20, 2, "adjoint", 1.5),
    "admm": lambda part: ADMM(part, 0.1, 20, 2, "adjoint"),
    "varnet": lambda part: VarNet(part, StepSize("exp", 0.5, 0.0, True), 2, "adjoint"),
    "deq": lambda part: DeepEquilibrium(
        part, StepSize("exp", 0.3, 0.0, True), "prox", "adjoint", "anderson", 1e-3, 1e-3, 6
    ),
}


@pytest.mark.parametrize("name", ALL)
def test_jitter_without_noise_is_mse_and_bfloat16_and_attacks_work(name):
    from sgdj.attacks import PGD

    torch.manual_seed(0)
    network = ALL[name](DnCNN(2, 3, 8, 4, residual=True))
    operator = CartesianFourier(torch.arange(16) % 2 == 0)
    x = torch.randn(2, 1, 16, 16, dtype=torch.complex64)
    batch = Batch(x, operator.forward(x), operator, ("a", "b"), ("a", "b"))
    plain = MSE().loss(network, batch, Draws(0))
    assert torch.equal(Jitter(0.0, "relative", True).loss(network, batch, Draws(0)), plain)
    assert not torch.equal(Jitter(0.1, "relative", True).loss(network, batch, Draws(0)), plain)
    attack = PGD(rho=0.1, steps=2, step_size=1.0, restarts=1, random_start=False)
    worse = Adversarial(attack).loss(network, batch, Draws(0))
    assert worse > plain
    worse.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    if isinstance(network, (Regularised, VarNet)):
        expected = [p.grad.clone() for p in network.parameters()]
        network.zero_grad()
        network.checkpointing = True
        delta = attack(network, batch, Draws(0))
        (network(batch.y + delta, operator) - x).abs().square().flatten(1).mean(1).mean().backward()
        for p, before in zip(network.parameters(), expected, strict=True):
            assert torch.allclose(p.grad, before, rtol=1e-4, atol=1e-6)
    with computing_in("bf16", network):
        assert any(isinstance(module, InBfloat16) for module in network.modules())
        half = MSE().loss(network, batch, Draws(0))
    assert half.item() == pytest.approx(plain.item(), rel=0.05)
    assert not any(isinstance(module, InBfloat16) for module in network.modules())


def test_what_is_not_finite_stays_so_and_harms_no_neighbour():
    operator, x, _ = problem("seismic")
    broken = x.clone()
    broken[0, 0, 0, 0] = torch.nan
    found = [conjugate_gradients(lambda v: operator.gram(v) + 0.05 * v, b, 100) for b in (broken, x)]
    assert found[0][0].isnan().all()
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("form", ["modl", "hqs", "admm"])
def test_the_shipped_steps_solve_the_seismic_system(form):
    """Its condition number is 1100: fifty steps were not enough."""
    node = load(parse(["task=seismic", f"architecture={form}"])).settings.plain()["architecture"]
    operator = Convolution(ricker(51, 4.0), 128)
    b = torch.randn(1, 1, 128, 4, generator=torch.Generator().manual_seed(0))
    told = []
    x = conjugate_gradients(lambda v: operator.gram(v) + node["weight"] * v, b, node["solver_steps"], told.append)
    assert told == []
    assert float((operator.gram(x) + node["weight"] * x - b).norm()) < 1e-4 * float(b.norm())
    conjugate_gradients(lambda v: operator.gram(v) + node["weight"] * v, b, 5, told.append)
    assert told[0] > 1e-2


def test_notes_tell_of_what_was_not_solved_since_they_were_forgotten():
    operator, _, y = problem("seismic")
    network = MoDL(Saturating(), 0.2, 1, 3, "adjoint").double()
    network(y, operator)
    assert "after 1 steps of conjugate gradients" in network.notes[0]
    network.forget()
    assert network.notes == []
    network.solver_steps = 100
    network(y, operator)
    assert network.notes == []
    fixed = equilibrium("prox")
    fixed(y, operator)
    assert len(fixed.notes) == 1
    fixed.forget()
    assert fixed.notes == []
