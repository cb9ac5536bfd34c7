"""The closed forms: printed values, bounds that are attained, and a test of all of them that can fail."""

import math
from functools import partial

import pytest
import torch

from sgdj.certificates import bounds
from sgdj.certificates.bounds import Spectrum
from sgdj.certificates.certificate import certificate
from sgdj.certificates.ingredients import Ingredients
from sgdj.operators import CartesianFourier, Convolution, Identity
from sgdj.operators.wavelets import ricker
from tests.helper import dense

SHAPE = (1, 1)


def general(eta, count, norm, start="adjoint", takes_y=False):
    """The bound without what is known of the spectrum or of the first step."""
    L = bounds.start(start, norm)
    for _ in range(count):
        L = bounds.proximal_step(bounds.data_step(L, eta, Spectrum(0.0, norm)), takes_y=takes_y)
    return L


SEISMIC = partial(general, 0.02689, norm=math.sqrt(54.3), start="measurement")


@pytest.mark.parametrize(
    ("found", "printed"),
    [
        (general(math.exp(-1), 5, 1.0), 1.4584),
        (general(math.exp(-1), 10, 1.0), 1.8039),
        (general(1.0, 5, 1.0), 2.4495),
        (SEISMIC(count=5), 1.1176),
        (SEISMIC(count=10), 1.2240),
        (SEISMIC(count=5, takes_y=True), 2.500),
        (SEISMIC(count=10, takes_y=True), 3.391),
    ],
)
def test_printed_values(found, printed):
    digits = len(str(printed).partition(".")[2])
    assert round(found, max(digits, 3)) == printed


LINES = Spectrum(0.0, 1.0, (0.0, 1.0))


def prox(eta, count, spectrum=LINES, **more):
    made = Ingredients(form="prox", steps=(eta,) * count, lipschitz=(1.0,) * count, **more)
    return certificate(made, spectrum, SHAPE).L


def turned(p, target):
    """The rotation of the plane that takes p to a vector of the same norm in the direction of `target`."""
    angle = math.atan2(target[1], target[0]) - math.atan2(p[1], p[0])
    return torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)


@pytest.mark.parametrize(("eta", "count", "printed"), [(math.exp(-1), 5, 1.3790), (1.0, 4, 2.0)])
def test_rotations_that_differ_by_step_attain_the_bound(eta, count, printed):
    """Line-sampled MRI in the plane: the first coordinate is measured."""
    measured, best = torch.tensor([1.0, 0.0], dtype=torch.float64), (1 - eta) / (2 - eta)
    p = measured
    for _ in range(count):
        z = p - eta * measured * (p - measured)
        target = (best, math.sqrt(float(z.square().sum()) - best**2))
        p = turned(z, target) @ z
    assert float(p.norm()) == pytest.approx(prox(eta, count), abs=1e-12)
    assert round(prox(eta, count), 4) == printed


@pytest.mark.parametrize(("eta", "count", "printed"), [(math.exp(-1), 5, 1.2838), (1.0, 4, 1.8656)])
def test_one_rotation_for_all_steps_reaches_less(eta, count, printed):
    angles = torch.linspace(0, 2 * math.pi, 20_001, dtype=torch.float64)
    turn = torch.stack([angles.cos(), -angles.sin(), angles.sin(), angles.cos()], -1).view(-1, 2, 2)
    p = torch.tensor([[1.0], [0.0]], dtype=torch.float64).expand(len(angles), 2, 1)
    measured = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    for _ in range(count):
        p = turn @ (p - eta * measured * (p - measured))
    assert float(p.flatten(1).norm(dim=1).max()) == pytest.approx(printed, abs=2e-4)


def test_denoising_is_nonexpansive_for_every_count():
    one = Spectrum(1.0, 1.0, (1.0,))
    for count in (1, 5, 50):
        assert prox(0.7, count, one, start="measurement") == pytest.approx(1, abs=1e-12)
        assert prox(0.7, count, one) == pytest.approx(1, abs=1e-12)
        made = Ingredients("gd", "measurement", (0.5,) * count, (1.0,) * count, (0.4,) * count)
        assert pytest.approx(1, abs=1e-12) == certificate(made, one, SHAPE).L


# A fair test: random networks, half of them rotations, and networks that are made as bad as they can be.

COUNT = 4


def complex_normal(*shape):
    return torch.randn(*shape, dtype=torch.complex128)


def operators():
    """Matrices of A, and their singular values where a certificate may know them."""
    torch.manual_seed(0)
    mask = torch.tensor([True, False, True, False, True, True, False, False])
    fourier = dense(CartesianFourier(mask), (1, 1, 8), torch.complex128)
    wavelet = dense(Convolution(ricker(5, 1.0).double(), 10), (1, 10, 1), torch.float64)
    drawn = complex_normal(5, 6)
    return {
        "fourier": (fourier, LINES),
        "convolution": (wavelet, spectrum_of(wavelet)),
        "random": (drawn, Spectrum(0.0, float(torch.linalg.matrix_norm(drawn, ord=2)))),
        "identity": (dense(Identity(), (1, 1, 6), torch.float64), Spectrum(1.0, 1.0, (1.0,))),
    }


def spectrum_of(A):
    values = torch.linalg.svdvals(A).tolist()
    return Spectrum(min(values), max(values), tuple(values))


def contractions(count, rows, columns, dtype, rotations):
    """Matrices of norm 1: rows of a unitary one, or Jacobians of an averaged ReLU network of such layers."""

    def unitary(n):
        return torch.linalg.qr(torch.randn(count, n, n, dtype=dtype))[0]

    if rotations:
        return unitary(max(rows, columns))[:, :rows, :columns]
    gates = (torch.rand(count, columns, 1) < 0.7).to(dtype)
    inner = unitary(columns).mH @ (gates * unitary(columns))
    share = torch.rand(count, 1, 1, dtype=torch.float64).to(dtype)
    return (share * torch.eye(columns, dtype=dtype) + (1 - share) * inner)[:, :rows]


def reached(A, eta, learned, start, form="prox", c=0.0, q=1.0):
    """The largest singular value of y -> x_K for linear N_k of shape (B, n, n), or (B, n, 2n) with y behind x."""
    n = A.shape[1]
    gram, back = A.mH @ A, A.mH.contiguous()
    eye, M = torch.eye(n, dtype=A.dtype), back if start == "adjoint" else torch.eye(n, dtype=A.dtype)
    M = M.expand(len(learned[0]), *M.shape)
    for N in learned:
        z = M - eta * (gram @ M - back)
        inside = z if form == "prox" else M
        if N.shape[-1] > n:
            inside = torch.cat([inside, torch.eye(M.shape[-1], dtype=A.dtype).expand(len(M), -1, -1)], dim=1)
        mapped = q * (N @ inside)
        M = mapped if form == "prox" else z - eta * c * (eye @ M - mapped)
    return torch.linalg.matrix_norm(M, ord=2)


def drawn_networks(A, takes_y=False, count=40):
    n = A.shape[1]
    columns = 2 * n if takes_y else n
    for rotations in (True, False):
        yield [contractions(count, n, columns, A.dtype, rotations) for _ in range(COUNT)]


@pytest.mark.parametrize("kind", list(operators()))
@pytest.mark.parametrize("form", ["prox", "gd"])
@pytest.mark.parametrize("start", ["adjoint", "measurement"])
def test_no_network_exceeds_its_bound(kind, form, start):
    A, spectrum = operators()[kind]
    square = A.shape[0] == A.shape[1]
    if start == "measurement" and not square:
        pytest.skip("x_0 = y needs measurements of the image's size")
    torch.manual_seed(1)
    for q in (1.0, 0.8, 1.1):
        for share in (0.2, 0.5, 0.9):
            t = 0.4 if form == "gd" else 0.0
            eta = share * 2 * (1 - t) / spectrum.largest**2
            for takes_y in (False, True) if square else (False,):
                made = Ingredients(
                    form, start, (eta,) * COUNT, (q,) * COUNT, (t / eta,) * COUNT if form == "gd" else (), takes_y
                )
                L = certificate(made, spectrum, SHAPE).L
                for learned in drawn_networks(A, takes_y):
                    found = reached(A, eta, learned, start, form, t / eta, q)
                    assert float(found.max()) <= L * (1 + 1e-10), (q, share, takes_y)


def ascended(A, eta, start, form="prox", c=0.0, q=1.0, steps=100, count=200):
    """Networks of rotations, made as bad as gradient ascent can make them."""
    torch.manual_seed(2)
    n = A.shape[1]
    raw = [torch.randn(count, n, n, dtype=A.dtype).requires_grad_(True) for _ in range(COUNT)]
    optimizer = torch.optim.Adam(raw, lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        value = reached(A, eta, [torch.linalg.qr(r)[0] for r in raw], start, form, c, q)
        (-value.sum()).backward()
        optimizer.step()
    return value.detach()


def plane():
    """A that measures one of two coordinates, as line-sampled MRI does: the bound is attained there."""
    return torch.diag(torch.tensor([1.0, 0.0], dtype=torch.float64)), LINES


@pytest.mark.parametrize("q", [1.0, 0.9])
def test_broken_bounds_of_the_proximal_form_are_noticed(q):
    A, spectrum = plane()
    eta = 0.9
    worst = float(ascended(A, eta, "adjoint", q=q).max())
    made = Ingredients("prox", "adjoint", (eta,) * COUNT, (q,) * COUNT)
    growth, L = eta / (2 - eta), certificate(made, spectrum, SHAPE).L

    def broken(count, grown, power=2):
        squared = q**power
        for _ in range(count - 1):
            squared = q**power * (squared + grown)
        return math.sqrt(squared)

    assert broken(COUNT, growth) == pytest.approx(L)
    assert 0.9 * L < worst <= L * (1 + 1e-10)
    assert worst > broken(COUNT - 1, growth) or q < 1  # K - 2 data steps that count, in place of K - 1
    assert worst > broken(COUNT, growth / 2)
    assert worst > broken(COUNT, eta / 2)
    assert q == 1 or worst > broken(COUNT, growth, power=4)


def test_broken_bounds_of_the_gradient_form_are_noticed():
    """The bound is loose: a tenth of the growth is noticed, and so is a twentieth."""
    A, spectrum = plane()
    eta, c = 0.5, 0.5
    worst = float(ascended(A, eta, "measurement", "gd", c).max())
    made = Ingredients("gd", "measurement", (eta,) * COUNT, (1.0,) * COUNT, (c,) * COUNT)
    L = certificate(made, spectrum, SHAPE).L
    grown = L**2 - 1
    assert worst <= L * (1 + 1e-10)
    assert worst > math.sqrt(1 + grown / 10)
    assert worst > math.sqrt(1 + grown / 20)


def test_sharper_bounds_are_not_below_what_is_reached():
    """Without a null space, and in the first step, less is certified: still no rotation exceeds it."""
    torch.manual_seed(3)
    A = torch.diag(torch.tensor([1.0, 0.9, 0.8], dtype=torch.float64))
    spectrum = spectrum_of(A)
    for start in ("adjoint", "measurement"):
        made = Ingredients("prox", start, (0.9,) * COUNT, (1.0,) * COUNT)
        L = certificate(made, spectrum, SHAPE).L
        worst = float(ascended(A, 0.9, start).max())
        assert 0.7 * L < worst <= L * (1 + 1e-10)
        assert general(0.9, COUNT, 1.0, start) > L
    interval = Spectrum(0.0, 1.0)
    assert bounds.first_data_step(0.9, LINES) == pytest.approx(1)
    assert bounds.first_data_step(0.9, interval) > 1
