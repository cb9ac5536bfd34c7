r"""Bound how far a change of the measurement can move the iterate of an unrolled network: the closed forms.

:math:`L_k` bounds ‖x_k(y + δ) - x_k(y)‖ / ‖δ‖ for an operator with its true adjoint, and a step η below 2/‖A‖². Per
eigenvalue λ of AᴴA the data step maps a difference a of iterates and a difference e of measurements to
:math:`c\,a + d` with :math:`c = 1 - \eta\lambda` and :math:`d = \eta\sqrt\lambda\, e`, and

.. math:: |c\,a + d|^2 - |a|^2 \le \frac{|d|^2}{1 - c^2} = \frac{\eta\,|e|^2}{2 - \eta\lambda}.

The gradient form follows by convexity of the squared norm. docs/certificates.md has statements and proofs.
"""

from math import inf, sqrt
from typing import NamedTuple


class Spectrum(NamedTuple):
    """Singular values of the operator A.

    Parameters
    ----------
    smallest
        Lower bound of the smallest singular value; 0 where A has a null space, or where none is known.
    largest
        Upper bound of ‖A‖.
    values
        All different singular values; empty where they are not known.
    """

    smallest: float
    largest: float
    values: tuple[float, ...] = ()


def growth(eta: float, norm: float) -> float:
    """Return η / (2 - η‖A‖²), what a data step adds to L²; infinite where the step is too long.

    Parameters
    ----------
    eta
        Step size η, positive.
    norm
        Upper bound of ‖A‖.

    Returns
    -------
    float
        Increase of the squared bound.
    """
    left = 2 - eta * norm**2
    return eta / left if left > 0 else inf


def contraction(eta: float, spectrum: Spectrum) -> float:
    """Return max |1 - ηλ| over the eigenvalues λ of AᴴA, a bound of ‖I - ηAᴴA‖."""
    return max(abs(1 - eta * spectrum.smallest**2), abs(1 - eta * spectrum.largest**2))


def start(kind: str, norm: float) -> float:
    """Return L_0: ‖A‖ for x_0 = Aᴴy ("adjoint"), 1 for x_0 = y ("measurement")."""
    return norm if kind == "adjoint" else 1.0


def first_data_step(eta: float, spectrum: Spectrum) -> float:
    """Return max s·|1 + η - ηs²| over singular values s, how far the first data step from x_0 = Aᴴy is moved.

    Parameters
    ----------
    eta
        Step size η of that step.
    spectrum
        Singular values of A. Where only an interval is known, the maximum over the interval is taken.

    Returns
    -------
    float
        Bound of the first data step, per unit of ‖δ‖.
    """

    def moved(s: float) -> float:
        return s * abs(1 + eta - eta * s * s)

    if spectrum.values:
        return max(map(moved, spectrum.values))
    turning = sqrt((1 + eta) / (3 * eta))
    inside = [turning] if spectrum.smallest < turning < spectrum.largest else []
    return max(map(moved, [spectrum.smallest, spectrum.largest, *inside]))


def data_step(before: float, eta: float, spectrum: Spectrum) -> float:
    """Bound how far x - η(AᴴAx - Aᴴy) is moved, where x is moved by at most `before` per unit of ‖δ‖.

    Parameters
    ----------
    before
        Bound L_k of the iterate.
    eta
        Step size η.
    spectrum
        Singular values of A; without a null space the contraction may be the better bound.

    Returns
    -------
    float
        Bound of the data step, per unit of ‖δ‖.
    """
    norm = spectrum.largest
    return min(sqrt(before**2 + growth(eta, norm)), contraction(eta, spectrum) * before + eta * norm)


def proximal_step(moved: float, q: float = 1.0, takes_y: bool = False, q_y: float | None = None) -> float:
    """Bound x_{k+1} = N(z) or N(z, y).

    Parameters
    ----------
    moved
        Bound of the data step z.
    q
        Lipschitz constant of N, in z alone if `q_y` is given, in (z, y) jointly if not.
    takes_y
        Whether N takes the measurement as a second input.
    q_y
        Lipschitz constant of N in y, where the two are known apart.

    Returns
    -------
    float
        Bound of the next iterate, per unit of ‖δ‖.
    """
    if not takes_y:
        return q * moved
    return q * sqrt(moved**2 + 1) if q_y is None else q * moved + q_y


def gradient_step(
    before: float,
    eta: float,
    c: float,
    spectrum: Spectrum,
    q: float = 1.0,
    takes_y: bool = False,
    first: bool = False,
) -> float:
    """Bound x_{k+1} = x - η(Aᴴ(Ax - y) + c(x - N(x))).

    Parameters
    ----------
    before
        Bound L_k of the iterate.
    eta
        Step size η.
    c
        Weight c ≥ 0 of the learned part; ηc < 1 is taken for granted.
    spectrum
        Singular values of A.
    q
        Lipschitz constant of N.
    takes_y
        Whether N takes the measurement as a second input; it is then jointly q-Lipschitz.
    first
        Whether it is the first step from x_0 = Aᴴy.

    Returns
    -------
    float
        Bound of the next iterate; infinite where the step is too long.
    """
    t = eta * c
    learned = q * sqrt(before**2 + 1) if takes_y else q * before
    shorter = eta / (1 - t)  # x_{k+1} = (1 - t) (x - η/(1 - t) Aᴴ(Ax - y)) + t N(x)
    if first:
        moved = first_data_step(shorter, spectrum)
        return sqrt((1 - t) * moved**2 + t * learned**2)
    general = before**2 + growth(shorter, spectrum.largest)
    near = contraction(shorter, spectrum) * before + shorter * spectrum.largest
    return min(sqrt((1 - t) * general + t * learned**2), (1 - t) * near + t * learned)
