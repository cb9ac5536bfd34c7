"""Tests over seeds, and the claims' verdicts."""

import itertools

import numpy as np
import pytest
from scipy import stats

from sgdj.metrics.volumes import crossed_bootstrap, holm, sign_flip_p, smallest_p
from sgdj.study.claims import FAMILY, verdict


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_sign_flips_are_enumerated(n):
    values = np.random.default_rng(n).normal(0.4, 1, n)
    means = [abs(np.dot(signs, values)) for signs in itertools.product((1, -1), repeat=n)]
    expected = np.mean([mean >= abs(values.sum()) - 1e-12 for mean in means])
    assert sign_flip_p(values) == pytest.approx(expected)


def test_sign_flips_agree_with_the_t_test_on_normal_data():
    rng = np.random.default_rng(0)
    for _ in range(10):
        values = rng.normal(0.5, 1, 12)
        assert sign_flip_p(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.03)


def test_holm():
    """The example of Holm's procedure in the handbooks, and a tie with the bound 1."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_one_seed_is_scipys_bootstrap_over_volumes():
    values = np.random.default_rng(1).normal(0.3, 1, (1, 40))
    found = crossed_bootstrap(values, draws=20_000)
    reference = stats.bootstrap((values[0],), np.mean, n_resamples=20_000, method="percentile", rng=0)
    assert found == pytest.approx(reference.confidence_interval, abs=0.02)


def test_the_interval_covers_the_truth_with_seeds_and_volumes_at_random():
    """Additive effects of seeds and volumes; a bootstrap over volumes alone would cover far less."""
    rng, hits, narrow = np.random.default_rng(2), 0, 0
    for _ in range(300):
        values = rng.normal(0, 1, (12, 1)) + rng.normal(0, 1, (1, 20)) + rng.normal(0, 0.5, (12, 20))
        low, high = crossed_bootstrap(values, draws=1000)
        hits += low < 0 < high
        low, high = crossed_bootstrap(values.mean(0, keepdims=True), draws=1000)
        narrow += low < 0 < high
    assert 0.88 < hits / 300 < 0.99
    assert narrow < hits - 30


def test_the_false_positive_rate_is_five_percent_with_correlated_slices():
    """Slices of a volume share its effect, seeds share the data: p must not count slices as evidence."""
    rng, count, rejected, naive = np.random.default_rng(3), 1000, 0, 0
    for _ in range(count):
        slices = rng.normal(0, 1, (8, 6, 1)) + 0.2 * rng.normal(0, 1, (8, 6, 10))
        slices = slices + rng.normal(0, 1, (8, 1, 1))  # training randomness
        rejected += sign_flip_p(slices.mean((1, 2))) < 0.05
        naive += stats.ttest_1samp(slices.ravel(), 0).pvalue < 0.05
    assert 0.03 < rejected / count < 0.07
    assert naive / count > 0.3


def test_three_seeds_are_underpowered_and_ten_are_not():
    assert verdict(1.0, (0.5, 1.5), 0.25, smallest_p(3, len(FAMILY))) == "underpowered"
    assert smallest_p(10, 12) < 0.05 <= smallest_p(8, 12)
    assert verdict(1.0, (0.5, 1.5), 0.02, smallest_p(10, 12)) == "supported"
    assert verdict(-1.0, (-1.5, -0.5), 0.02, smallest_p(10, 12)) == "reversed"
    assert verdict(1.0, (-0.5, 1.5), 0.02, smallest_p(10, 12)) == "not supported"
    assert verdict(1.0, (0.5, 1.5), 0.2, smallest_p(10, 12)) == "not supported"


def test_the_family_has_twelve_members_and_no_member_twice():
    assert len(FAMILY) == len({(c.better, c.worse, c.column, c.architecture) for c in FAMILY}) == 12
