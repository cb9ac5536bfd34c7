"""Models, physics and operators of other libraries compute here what they compute there, and the other way round."""

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import aslinearoperator

from scripts.benchmarks import deepinverse
from sgdj.errors import InputError
from sgdj.networks import DnCNN, GradientDescent, SeismicCNN, StepSize
from sgdj.networks.bridges import (
    DeepInverseModel,
    DeepInverseReconstructor,
    LinearOperator,
    OperatorPhysics,
    PhysicsOperator,
    is_deepinverse,
)
from sgdj.networks.external import external
from sgdj.operators import CartesianFourier, Convolution
from sgdj.operators.wavelets import ricker

needs_deepinverse = pytest.mark.skipif(
    not deepinverse.is_installed(), reason=f"DeepInverse is not in {deepinverse.FOLDER} (make bench puts it there)"
)
LINES = torch.arange(14) % 3 == 0
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def drawn(*shape, dtype):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


def network(kind):
    torch.manual_seed(0)
    learned = DnCNN(2, 3, 8, 4, residual=False) if kind == "mri" else SeismicCNN(8, 4, residual=False)
    start = "adjoint" if kind == "mri" else "measurement"
    return GradientDescent(learned, StepSize("exp", 1.0, -1.0, True), 3, start).double()


OURS = {
    "mri": (CartesianFourier(LINES), torch.complex128),
    "seismic": (Convolution(ricker(5, 1.0), 12), torch.float64),
}


def theirs(kind):
    if kind == "mri":
        return deepinverse.fourier(LINES, 12, torch.float64)
    return deepinverse.convolution(ricker(5, 1.0), torch.float64)


@needs_deepinverse
@pytest.mark.parametrize("kind", OURS)
def test_an_operator_serves_as_its_physics(kind):
    operator, dtype = OURS[kind]
    ours, physics = OperatorPhysics(operator, dtype.is_complex), theirs(kind)
    x = drawn(2, 2 if dtype.is_complex else 1, 12, 14, dtype=torch.float64)
    y = physics.A(x)
    torch.testing.assert_close(ours(x), y, **EXACT)
    torch.testing.assert_close(ours.A_adjoint(y), physics.A_adjoint(y), **EXACT)
    torch.testing.assert_close(ours.A_adjoint_A(x), physics.A_adjoint(physics.A(x)), **EXACT)
    linear = deepinverse.load().physics.LinearPhysics(A=ours.A, A_adjoint=ours.A_adjoint)
    assert abs(float(linear.adjointness_test(x))) < 1e-12


@needs_deepinverse
@pytest.mark.parametrize("kind", OURS)
def test_a_network_serves_as_its_reconstructor_with_its_physics(kind):
    operator, dtype = OURS[kind]
    made = DeepInverseReconstructor(network(kind), dtype.is_complex)
    x = drawn(2, 1, 12, 14, dtype=dtype)
    expected = network(kind)(operator.forward(x), operator)
    channels = torch.view_as_real(x)[:, 0].movedim(-1, 1).contiguous() if dtype.is_complex else x
    physics = theirs(kind)
    found = made(physics.A(channels), physics)
    found = torch.complex(found[:, :1], found[:, 1:]) if dtype.is_complex else found
    torch.testing.assert_close(found, expected, **EXACT)


class Landweber(torch.nn.Module):
    """Ten steps of gradient descent, as models of the library are written."""

    def forward(self, y, physics):
        x = physics.A_adjoint(y)
        for _ in range(10):
            x = x - 0.5 * physics.A_adjoint(physics.A(x) - y)
        return x


@pytest.mark.parametrize("kind", OURS)
def test_a_model_of_its_form_is_a_reconstructor_here(kind):
    operator, dtype = OURS[kind]
    y = operator.forward(drawn(2, 1, 12, 14, dtype=dtype)).requires_grad_(True)
    x = operator.adjoint(y)
    for _ in range(10):
        x = x - 0.5 * (operator.gram(x) - operator.adjoint(y))
    found = DeepInverseModel(Landweber())(y, operator)
    torch.testing.assert_close(found, x, **EXACT)
    gradients = [torch.autograd.grad(one.abs().square().sum(), y, retain_graph=True)[0] for one in (found, x)]
    torch.testing.assert_close(*gradients, **EXACT)


@needs_deepinverse
def test_a_model_of_the_library_is_known_by_its_class(tmp_path, monkeypatch):
    library = deepinverse.load()
    assert is_deepinverse(library.models.ArtifactRemoval(Landweber()))
    assert not is_deepinverse(Landweber())
    (tmp_path / "their_model.py").write_text(
        "from scripts.benchmarks import deepinverse\n"
        "library = deepinverse.load()\n"
        "def model():\n"
        "    return library.optim.optim_builder(iteration='PGD', prior=library.optim.prior.ZeroPrior(), "
        "data_fidelity=library.optim.L2(), max_iter=20, params_algo={'stepsize': 0.5})\n"
    )
    monkeypatch.chdir(tmp_path)
    operator, _ = OURS["mri"]
    x = drawn(1, 1, 12, 14, dtype=torch.complex64)
    made = external("their_model:model", None)(operator.forward(x), operator)
    torch.testing.assert_close(made, operator.adjoint(operator.forward(x)), rtol=1e-4, atol=1e-5)


def test_several_complex_channels_are_refused():
    with pytest.raises(InputError, match="complex data of 3 channels"):
        DeepInverseModel(Landweber())(drawn(1, 3, 4, 4, dtype=torch.complex64), CartesianFourier(LINES[:4]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_a_linear_operator_of_scipy_s_kind_measures_and_is_differentiated(dtype):
    matrix = drawn(6, 20, dtype=dtype)
    operator = LinearOperator(aslinearoperator(matrix.numpy()), (1, 4, 5), (1, 2, 3), norm=7.0)
    x = drawn(2, 1, 4, 5, dtype=dtype).requires_grad_(True)
    y = operator.forward(x)
    torch.testing.assert_close(y.flatten(1), x.flatten(1) @ matrix.T, **EXACT)
    torch.testing.assert_close(operator.adjoint(y).flatten(1), y.flatten(1) @ matrix.conj(), **EXACT)
    assert torch.autograd.gradcheck(operator.gram, x)
    assert torch.autograd.gradgradcheck(lambda z: operator.forward(z).abs().square().sum(), x)
    assert operator.norm() == 7.0


def test_shapes_that_do_not_fit_and_norms_that_are_unknown_are_refused():
    linear = aslinearoperator(np.eye(6))
    with pytest.raises(ValueError, match="does not map"):
        LinearOperator(linear, (1, 4, 5), (1, 2, 3))
    with pytest.raises(ValueError, match="not known"):
        LinearOperator(linear, (1, 2, 3), (1, 2, 3)).norm()
    with pytest.raises(ValueError, match="not known"):
        PhysicsOperator(OperatorPhysics(CartesianFourier(LINES), True), True).norm()


def test_a_complex_operator_measures_no_real_images():
    matrix = drawn(6, 20, dtype=torch.complex128)
    operator = LinearOperator(aslinearoperator(matrix.numpy()), (1, 4, 5), (1, 2, 3))
    with pytest.raises(InputError, match="complex measurements of real images"):
        operator.forward(drawn(1, 1, 4, 5, dtype=torch.float64))
    y = drawn(1, 1, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(operator.adjoint(y).flatten(1), y.flatten(1) @ matrix.conj().real, **EXACT)
