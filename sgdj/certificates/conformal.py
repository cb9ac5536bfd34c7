"""Bound the error of unseen volumes by a calibration set, and keep the bound under attack.

Split conformal prediction: with scores of n volumes that are exchangeable with a new one, its score is at most the k-th
smallest with probability at least 1 - α, k = ⌈(n + 1)(1 - α)⌉. A volume is one score: its slices are not exchangeable.
Where a reconstruction has a Lipschitz constant L, an ℓ₂ score moves by at most L ε under any perturbation of norm ε, so
that the bound widened by L ε holds at every ε.
"""

import math
from collections.abc import Mapping, Sequence


def rank(count: int, alpha: float) -> int:
    """Return k = ⌈(n + 1)(1 - α)⌉, the rank of the score that bounds a new one.

    Parameters
    ----------
    count
        Number n of calibration volumes.
    alpha
        Miscoverage α, between 0 and 1.

    Returns
    -------
    int
        Rank, n + 1 where n volumes are too few for this α.
    """
    return math.ceil((count + 1) * (1 - alpha) - 1e-12)


def threshold(scores: Sequence[float], alpha: float) -> float:
    """Return the bound of a new volume's score.

    Parameters
    ----------
    scores
        Scores of the calibration volumes, which served neither training nor any choice.
    alpha
        Miscoverage α, between 0 and 1.

    Returns
    -------
    float
        The k-th smallest score; infinite where there are too few volumes.
    """
    k = rank(len(scores), alpha)
    return sorted(scores)[k - 1] if k <= len(scores) else math.inf


def widened(bound: float, L: float, epsilon: float) -> float:
    """Return the bound that holds for every perturbation of norm at most ε: wider by L ε.

    Parameters
    ----------
    bound
        Bound of an ℓ₂ error of the reconstruction, of a volume or of a region.
    L
        Lipschitz constant of the reconstruction.
    epsilon
        Norm of the perturbation of the volume's measurement, in the unit of y.

    Returns
    -------
    float
        Bound under attack.
    """
    return bound + L * epsilon


def widened_relative(bound: float, L: float, rho: float, y_norm: float) -> float:
    """Return the bound under a budget relative to the clean measurement, of which only the attacked one is seen.

    With ‖δ‖ ≤ ρ ‖y‖ and y' = y + δ, ‖y‖ ≤ ‖y'‖ / (1 - ρ).

    Parameters
    ----------
    bound
        Bound of an ℓ₂ error of the reconstruction.
    L
        Lipschitz constant of the reconstruction.
    rho
        Relative budget ρ, below 1.
    y_norm
        Norm ‖y'‖ of the measurement as it was seen.

    Returns
    -------
    float
        Bound under attack; infinite for ρ of 1 or more.
    """
    return widened(bound, L, rho * y_norm / (1 - rho)) if rho < 1 else math.inf


def volume_score(errors: Sequence[float]) -> float:
    """Return √Σ‖e_s‖², the ℓ₂ error of a volume, from the errors of its slices."""
    return math.sqrt(sum(error * error for error in errors))


def joint_score(errors: Mapping[str, float]) -> float:
    """Return the largest ℓ₂ error over regions: with it as score, the bound holds for all regions at once."""
    return max(errors.values())


def coverage_law(calibration: int, test: int, alpha: float) -> list[float]:
    """Return the probabilities of 0, 1, ..., m covered volumes, over random splits of one pool without ties.

    The count follows the beta-binomial law with k and n + 1 - k.

    Parameters
    ----------
    calibration
        Number n of calibration volumes.
    test
        Number m of test volumes.
    alpha
        Miscoverage α, between 0 and 1.

    Returns
    -------
    list of float
        Probability of every count, length m + 1.
    """
    from scipy.stats import betabinom

    k = rank(calibration, alpha)
    if k > calibration:
        return [0.0] * test + [1.0]
    return [float(p) for p in betabinom.pmf(range(test + 1), test, k, calibration + 1 - k)]
