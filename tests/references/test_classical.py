"""Classical references reach the minimum of what they say they minimise, and can be attacked and tuned."""

import numpy as np
import pytest
import torch

from sgdj.attacks import PGD
from sgdj.data import Batch
from sgdj.errors import InputError
from sgdj.networks.external import External
from sgdj.operators import CartesianFourier, Convolution, Identity
from sgdj.operators.wavelets import ricker
from sgdj.references import Tikhonov, TotalVariation, WaveletL1
from sgdj.references.differences import divergence, gradient
from sgdj.runtime.draws import Draws
from tests.conftest import QUIET
from tests.helper import dense, inner

FORMS = (TotalVariation, WaveletL1)


def phantom(n=16, dtype=torch.float64):
    """Two images of flat pieces, with noise."""
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(2, 1, n, n, dtype=dtype)
    x[:, :, 3:11, 2:9] = 1
    x[1, :, 8:14, 6:13] += 0.5
    return x + 0.1 * torch.randn(x.shape, dtype=dtype, generator=generator)


@pytest.mark.parametrize("shape", [(5, 6), (8, 8), (12, 1)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_adjoints(shape, dtype):
    x = torch.randn(2, 1, *shape, dtype=dtype)
    p = torch.randn(2, *x.shape, dtype=dtype)
    assert torch.allclose(inner(gradient(x), p), inner(x, divergence(p)), atol=1e-12)
    wavelets = WaveletL1(0.1, levels=3)
    q = torch.randn_like(x)
    assert torch.allclose(inner(wavelets.analyse(x), q), inner(x, wavelets.synthesise(q)), atol=1e-12)
    assert torch.allclose(wavelets.inverse(wavelets.transform(x)), x, atol=1e-12)
    assert float(wavelets.transform(x).norm()) == pytest.approx(float(x.norm()), rel=1e-12)


@pytest.mark.parametrize("kind", ["seismic", "mri"])
@pytest.mark.parametrize("penalty", ["identity", "gradient"])
def test_tikhonov_is_the_dense_solution(kind, penalty):
    if kind == "mri":
        operator = CartesianFourier(torch.tensor([True, False, True, True, False, True]))
        x = torch.randn(2, 1, 5, 6, dtype=torch.complex128)
    else:
        operator, x = Convolution(ricker(5, 1.0), 8), torch.randn(2, 1, 8, 3, dtype=torch.float64)
    y = operator.forward(x)
    a = dense(operator, x.shape[1:], x.dtype)
    unit = torch.eye(a.shape[1], dtype=a.dtype)
    if penalty == "gradient":
        unit = torch.stack([divergence(gradient(e.view(1, *x.shape[1:]))).flatten() for e in unit], 1)
    exact = torch.linalg.solve(a.mH @ a + 0.3 * unit, a.mH @ y.flatten(1).mT).mT.view_as(x)
    assert torch.allclose(Tikhonov(0.3, penalty)(y, operator), exact, atol=1e-8)


def test_a_quarter_of_a_signal_is_wieners_gain():
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    assert torch.allclose(Tikhonov(0.25)(x, Identity()), x / 1.25, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["identity", "mri", "seismic"])
def test_the_duality_gap_closes(form, kind):
    x = phantom()
    if kind == "mri":
        operator, x = CartesianFourier(torch.arange(16) % 3 != 1), x.to(torch.complex128) * (1 + 0.5j)
    else:
        operator = Identity() if kind == "identity" else Convolution(ricker(5, 1.0), 16)
    y = operator.forward(x)
    solver = form(0.1, 0.0 if kind == "identity" else 0.1, 4000 if kind == "identity" else 2000)
    image, p = solver.solve(y, operator)
    gap = solver.gap(image, p, y, operator)
    assert (solver.squares(p).sqrt() <= 0.1 * (1 + 1e-12)).all()
    assert (gap > -1e-9).all()
    assert (gap <= 1e-6).all(), gap
    few = form(0.1, solver.ridge, 5)
    assert (few.gap(*few.solve(y, operator), y, operator) > gap).all()


def test_total_variation_is_scikit_images():
    from skimage.restoration import denoise_tv_chambolle

    x = phantom(24)
    ours = TotalVariation(0.15, 0.0, 1000)(x, Identity())
    for image, noisy in zip(ours, x, strict=True):
        theirs = denoise_tv_chambolle(noisy[0].numpy(), weight=0.15, eps=1e-12, max_num_iter=5000)
        assert np.abs(image[0].numpy() - theirs).max() < 1e-3
    assert float((ours - x).norm()) > 0.1 * float(x.norm())


def test_wavelets_of_an_orthogonal_map_are_shrunk():
    """With A = I the minimiser is known: soft thresholds, and the coarsest coefficients stay."""
    x, solver = phantom(), WaveletL1(0.2, 0.0, 300, levels=2)
    c = solver.transform(x)
    details = solver._details(c)
    soft = c - details + details.sign() * (details.abs() - 0.2).clamp_min(0)
    assert torch.allclose(solver(x, Identity()), solver.inverse(soft), atol=1e-6)


@pytest.mark.parametrize("reference", [Tikhonov(0.1), TotalVariation(0.1, 1e-3, 40), WaveletL1(0.1, 1e-3, 40)])
def test_gradients_lead_through_the_solver(reference):
    """Against finite differences, and as an attack that does more harm than noise of equal norm."""
    operator = CartesianFourier(torch.arange(16) % 3 != 1)
    x = phantom().to(torch.complex128)
    y = operator.forward(x)
    network = External(reference)
    given = y.clone().requires_grad_(True)
    loss = (network(given, operator) - x).abs().square().sum()
    (slope,) = torch.autograd.grad(loss, given)
    u = operator.restrict(torch.randn_like(y))
    with torch.no_grad():
        up, down = ((network(y + s * 1e-6 * u, operator) - x).abs().square().sum() for s in (1, -1))
    assert float((slope.conj() * u).real.sum()) == pytest.approx(float(up - down) / 2e-6, rel=1e-4)
    batch = Batch(x, y, operator, ("a", "b"), ("a", "b"))
    delta = PGD(rho=0.1, steps=10, step_size=0.3, restarts=1, random_start=False)(network, batch, Draws(0))
    noise = operator.restrict(torch.randn_like(y))
    noise = noise * (delta.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)
    with torch.no_grad():
        errors = [(network(y + d, operator) - x).abs().square().sum((1, 2, 3)) for d in (delta, noise)]
    assert (errors[0] > errors[1]).all()


def test_a_weight_is_chosen_on_validation_data(cli, tmp_path):
    """mode=tune scores a reference without training it, and a sweep names the best."""
    base = ("mode=tune", "task=denoising", "scale=smoke", "attack=gaussian", "shift=[]", "evaluation.curve=[]", *QUIET)
    name = "reconstructor=sgdj.references:TotalVariation"
    code, out, err = cli("-m", *base, name, "reconstructor_settings.weight=0.001,0.1")
    assert (code, "2 of 2 jobs done" in out) == (0, True), err
    assert "reconstructor_settings.weight=0.1 " in next(line for line in out.splitlines() if line.startswith("best"))
    assert not list(tmp_path.rglob("*.ckpt"))


def test_there_is_no_gap_without_a_bound():
    """Without a ridge the dual objective is minus infinity off the range of Aᴴ."""
    operator = CartesianFourier(torch.arange(16) % 3 != 1)
    y = operator.forward(phantom().to(torch.complex128))
    solver = TotalVariation(0.1, 0.0, 20)
    assert solver.gap(*solver.solve(y, operator), y, operator).isposinf().all()


def test_an_image_that_no_wavelet_halves_is_refused():
    with pytest.raises(InputError, match="no side of 15 x 17 images"):
        WaveletL1(0.1)(torch.ones(1, 1, 15, 17), Identity())
