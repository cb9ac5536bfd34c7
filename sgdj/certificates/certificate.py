"""Certify a network: collect its ingredients, check them as far as they can be, and bound every iterate."""

from dataclasses import dataclass
from math import inf, isfinite, sqrt

from torch import Tensor

from sgdj.certificates import bounds
from sgdj.certificates.bounds import Spectrum
from sgdj.certificates.ingredients import Ingredients, ingredients
from sgdj.certificates.operator import spectrum
from sgdj.errors import CheckFailed
from sgdj.networks.base import Reconstructor
from sgdj.networks.constants import Layer
from sgdj.operators.base import Operator

#: Rounding that a norm recomputed in float64 may have above its bound.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Step:
    """Bound of one iteration.

    Parameters
    ----------
    k
        Number of the iteration, from 1.
    eta
        Step size η.
    weight
        Weight c of the learned part in the gradient form; None in the proximal form.
    q
        Lipschitz constant of the learned part N.
    growth
        Increase of L² by this iteration.
    L
        Bound L_k of the iterate.
    """

    k: int
    eta: float
    weight: float | None
    q: float
    growth: float
    L: float


@dataclass(frozen=True)
class Certificate:
    """Lipschitz constant of a reconstruction, with all that it follows from.

    Parameters
    ----------
    L
        ‖x̂(y + δ) - x̂(y)‖ ≤ L ‖δ‖ for all y and δ.
    form
        "prox", "gd", or "declared" where the constant itself was declared.
    shape
        Size (H, W) of the images that it holds for, in pixels.
    norm
        Upper bound of ‖A‖.
    start
        L_0, the bound of the starting point.
    steps
        Bounds of the iterations.
    layers
        Recomputed norms of the learned part's layers.
    """

    L: float
    form: str
    shape: tuple[int, int]
    norm: float
    start: float
    steps: tuple[Step, ...]
    layers: tuple[Layer, ...]


def certificate(found: Ingredients, spectrum: Spectrum, shape: tuple[int, int]) -> Certificate:
    """Bound every iterate of a network.

    Parameters
    ----------
    found
        Ingredients of the network at this image size.
    spectrum
        Singular values of its operator at this image size.
    shape
        Size (H, W) of the images, in pixels.

    Returns
    -------
    Certificate
        Constants of all iterations.

    Raises
    ------
    CheckFailed
        If a layer is above its bound, or a step or weight out of the range that the theorem allows.
    """
    for layer in found.layers:
        if not layer.norm <= layer.bound * (1 + ROUNDING):
            raise CheckFailed(
                f"no theorem applies: layer {layer.name} has norm {layer.norm:.6f} at {shape[0]} x {shape[1]}, "
                f"above {layer.bound:g}: {layer.needed}"
            )
    norm = spectrum.largest
    if found.constant is not None:
        return Certificate(found.constant, "declared", shape, norm, found.constant, (), found.layers)
    begun = bounds.start(found.start, norm)
    steps, before = list[Step](), begun
    for k, (eta, q) in enumerate(zip(found.steps, found.lipschitz, strict=True), 1):
        weight = found.weights[k - 1] if found.form == "gd" else None
        after = _step(found, k, before, spectrum)
        if not isfinite(after):
            room = f"0 < η < {2 / norm**2:.4g}"
            if weight is not None:
                room = f"ηc < 1 and η/(1 - ηc) < {2 / norm**2:.4g}, with c = {weight:.4g}"
            raise CheckFailed(f"no theorem applies: the step η = {eta:.4g} of iteration {k} is out of range: {room}")
        steps.append(Step(k, eta, weight, q, after**2 - before**2, after))
        before = after
    return Certificate(before, found.form, shape, norm, begun, tuple(steps), found.layers)


def _step(found: Ingredients, k: int, before: float, spectrum: Spectrum) -> float:
    """Bound the iterate x_k from the bound of the one before."""
    eta, q = found.steps[k - 1], found.lipschitz[k - 1]
    weight = found.weights[k - 1] if found.form == "gd" else 0.0
    if not (eta * weight < 1 and 0 < eta / (1 - eta * weight) * spectrum.largest**2 < 2):
        return inf
    first = k == 1 and found.start == "adjoint"
    if found.form == "gd":
        return bounds.gradient_step(before, eta, weight, spectrum, q, found.takes_y, first)
    moved = bounds.first_data_step(eta, spectrum) if first else bounds.data_step(before, eta, spectrum)
    return bounds.proximal_step(moved, q, found.takes_y)


def certify_network(network: Reconstructor, operator: Operator, like: Tensor) -> Certificate:
    """Certify a network for one operator and image size, from its weights in float64.

    Parameters
    ----------
    network
        Network to certify; see `sgdj.certificates.ingredients.ingredients` for what it may declare.
    operator
        Operator that it is given.
    like
        Image of the size and dtype that it is certified for, shape (B, C, H, W).

    Returns
    -------
    Certificate
        Lipschitz constant, with all that it follows from.

    Raises
    ------
    CheckFailed
        If no theorem applies, with the layer, the step or the property of the operator that breaks it.
    """
    shape = like.shape[-2], like.shape[-1]
    return certificate(ingredients(network, operator, shape), spectrum(operator, like), shape)


def certified_error(clean: float, L: float, epsilon: float) -> float:
    """Return ‖x̂(y) - x‖ + L ε, which no perturbation of norm ε can exceed.

    Parameters
    ----------
    clean
        ℓ₂ error of the reconstruction without a perturbation.
    L
        Lipschitz constant of the reconstruction.
    epsilon
        Norm of the perturbation, in the unit of y.

    Returns
    -------
    float
        Certified ℓ₂ error.
    """
    return clean + L * epsilon


def volume_error(clean: list[float], L: float, epsilons: list[float]) -> float:
    """Return √Σ_s (‖e_s‖ + L ε_s)², the certified error of a volume of slices.

    Parameters
    ----------
    clean
        ℓ₂ error of every slice without a perturbation.
    L
        Lipschitz constant of the reconstruction.
    epsilons
        Norm of the perturbation of every slice.

    Returns
    -------
    float
        Certified ℓ₂ error of the volume.
    """
    return sqrt(sum(certified_error(e, L, epsilon) ** 2 for e, epsilon in zip(clean, epsilons, strict=True)))
