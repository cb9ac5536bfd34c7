"""Conformal bounds: ranks, coverage by the law of random splits, and widening under attack."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from sgdj.certificates import conformal
from sgdj.operators import Identity


def test_ranks_and_thresholds():
    assert [conformal.rank(n, 0.1) for n in (8, 9, 19, 20)] == [9, 9, 18, 19]
    assert conformal.threshold([3.0, 1.0, 2.0], 0.25) == 3.0
    assert conformal.threshold([3.0, 1.0, 2.0], 0.5) == 2.0
    assert conformal.threshold([1.0] * 8, 0.1) == math.inf
    assert conformal.volume_score([3.0, 4.0]) == 5.0
    assert conformal.joint_score({"left": 1.0, "right": 2.0}) == 2.0
    assert conformal.widened(1.0, 2.0, 0.5) == 2.0
    assert conformal.widened_relative(1.0, 2.0, 0.2, 8.0) == pytest.approx(5.0)
    assert conformal.widened_relative(1.0, 2.0, 1.0, 8.0) == math.inf


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_coverage_counts_follow_the_beta_binomial_law(seed):
    n, m, alpha, splits = 19, 12, 0.2, 2000
    rng = np.random.default_rng(seed)
    pool, counts = rng.exponential(size=n + m), np.zeros(m + 1)
    for _ in range(splits):
        order = rng.permutation(pool)
        counts[int((order[n:] <= conformal.threshold(list(order[:n]), alpha)).sum())] += 1
    law = np.array(conformal.coverage_law(n, m, alpha)) * splits
    assert law.sum() == pytest.approx(splits)
    first = int(np.argmax(np.cumsum(law) >= 5))  # cells of few expected counts are taken together
    merged = [np.concatenate([[c[: first + 1].sum()], c[first + 1 :]]) for c in (counts, law)]
    assert chisquare(*merged).pvalue > 0.01
    other = np.array(conformal.coverage_law(n, m, 0.25)) * splits
    wrong = [np.concatenate([[c[: first + 1].sum()], c[first + 1 :]]) for c in (counts, other)]
    assert chisquare(*wrong).pvalue < 1e-6  # another rank is noticed


def test_widened_bounds_hold_under_the_worst_perturbation():
    """A reconstruction that attains its constant: every volume within its bound stays within the widened one."""
    L, epsilon = 1.7, 0.3
    operator = Identity()
    x = torch.randn(40, 1, 5, 1, dtype=torch.float64, generator=torch.manual_seed(0))
    y = operator.forward(x) + 0.1 * torch.randn_like(x)
    errors = (L * y - x).flatten(1)
    clean = errors.norm(dim=1)
    worst = (errors + L * epsilon * errors / clean[:, None]).norm(dim=1)
    bound = conformal.threshold(clean[:19].tolist(), 0.1)
    covered, attacked = clean[19:] <= bound, worst[19:] <= conformal.widened(bound, L, epsilon) * (1 + 1e-12)
    assert bool((attacked == covered).all())
    assert not bool((worst[19:][covered] <= bound).all())  # without widening some are lost
