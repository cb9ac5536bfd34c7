"""Verdicts on simulated differences, whose variances over seeds and volumes are those of the committed rows."""

import itertools
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sgdj.evaluation.key import CLEAN, Key
from sgdj.metrics.volumes import crossed_bootstrap, holm, sign_flip_p
from sgdj.study.protocol_file import Hypothesis, read
from sgdj.study.rows import matrix
from sgdj.study.store import read as rows
from sgdj.study.verdicts import components, judge

ROOT = Path(__file__).resolve().parents[2]
RULES = read(ROOT / "conf" / "study" / "mri.yaml").statistics
SEEDS, VOLUMES = 10, 64


def claims(count: int, at_least: bool = False) -> list[Hypothesis]:
    return [Hypothesis(better=f"a{i}", worse="b", column="clean", at_least=at_least) for i in range(count)]


@cache
def variances(task: str) -> tuple[float, float, float]:
    """The largest standard deviations of a paired difference with MSE among the committed rows, clean and in noise."""
    found = []
    for condition in (CLEAN, Key("gaussian", 1.0)):
        kept = [row for row in rows(ROOT / "results" / "small") if row.experiment == f"table_{task}"]
        by = {
            strategy: sorted(
                (row for row in kept if row.strategy == strategy and row.architecture == "gd"), key=lambda r: r.seed
            )
            for strategy in ("mse", "jitter")
        }
        differences = matrix(by["jitter"], condition) - matrix(by["mse"], condition)
        assert differences.shape[0] == 10
        found.append(components(differences))
    return max(found)


def drawn(task: str, mean: float, rng: np.random.Generator, seeds: int = SEEDS) -> np.ndarray:
    seed, volume, rest = np.sqrt(variances(task))
    return (
        mean
        + seed * rng.normal(size=(seeds, 1))
        + volume * rng.normal(size=(1, VOLUMES))
        + rest * rng.normal(size=(seeds, VOLUMES))
    )


def test_the_variances_of_additive_effects_are_found():
    rng = np.random.default_rng(0)
    found = [
        components(0.3 * rng.normal(size=(12, 1)) + 0.5 * rng.normal(size=(1, 40)) + 0.2 * rng.normal(size=(12, 40)))
        for _ in range(200)
    ]
    assert np.mean(found, axis=0) == pytest.approx([0.09, 0.25, 0.04], rel=0.1)


@pytest.mark.parametrize("n", [3, 7])
def test_one_sided_sign_flips_are_enumerated(n):
    values = np.random.default_rng(n).normal(0.3, 1, n)
    sums = [np.dot(signs, values) for signs in itertools.product((1, -1), repeat=n)]
    expected = np.mean([one >= values.sum() - 1e-12 for one in sums])
    assert sign_flip_p(values, "greater") == pytest.approx(expected)


def test_holm_as_in_statsmodels():
    """multipletests([0.001, 0.01, 0.02, 0.03, 0.8], method="holm") of statsmodels 0.14."""
    assert holm([0.02, 0.001, 0.8, 0.03, 0.01]) == pytest.approx([0.06, 0.005, 0.8, 0.06, 0.04])


@pytest.mark.parametrize("task", ["mri", "seismic"])
def test_intervals_cover_the_truth(task):
    rng = np.random.default_rng(1)
    hits, plain, count = 0, 0, 400
    for _ in range(count):
        values = drawn(task, 0.1, rng)
        low, high = crossed_bootstrap(values, draws=1000, expanded=True)
        hits += low < 0.1 < high
        low, high = crossed_bootstrap(values, draws=1000)
        plain += low < 0.1 < high
    assert 0.93 <= hits / count <= 0.99
    assert plain < hits


@pytest.mark.parametrize("task", ["mri", "seismic"])
def test_a_family_without_effects_errs_in_at_most_five_percent(task):
    """Error of the family: any claim supported or reversed. The exact test alone has this rate; the interval helps."""
    rng = np.random.default_rng(2)
    quick = replace(RULES, draws=200)
    wrong, count = 0, 100
    for _ in range(count):
        family = [(claim, tuple(range(SEEDS)), drawn(task, 0.0, rng)) for claim in claims(12)]
        wrong += any(one.verdict in ("supported", "reversed") for one in judge(family, quick))
    assert wrong / count <= 0.09  # 5 % and two standard errors


@pytest.mark.parametrize("task", ["mri", "seismic"])
def test_a_relevant_difference_is_seen_and_a_worse_network_is_not_called_equal(task):
    """Power at the margin, and the rate at which a loss of the whole margin is called not relevantly worse."""
    rng = np.random.default_rng(3)
    quick = replace(RULES, draws=200)
    seen, equal, count = 0, 0, 150
    for _ in range(count):
        (one,) = judge([(claims(1)[0], tuple(range(SEEDS)), drawn(task, RULES.margin, rng))], quick)
        seen += one.verdict == "supported"
        values = drawn(task, -RULES.margin, rng)
        (one,) = judge([(claims(1, at_least=True)[0], tuple(range(SEEDS)), values)], quick)
        equal += one.decided(RULES, 1.0) == "verified" and one.margin == RULES.margin
    assert seen / count > 0.9
    assert equal / count <= 0.09


def outcome(mean: float, spread: float, seeds: int = SEEDS, at_least: bool = False):
    """Outcome of one comparison whose seeds lie symmetrically about a mean, on volumes that agree."""
    at = mean + spread * np.linspace(-1, 1, seeds)[:, None] + 1e-3 * np.linspace(-1, 1, VOLUMES)
    (found,) = judge([(claims(1, at_least)[0], tuple(range(seeds)), at)], RULES)
    return found


def test_the_first_verdict_that_holds_is_given():
    assert outcome(1.0, 0.1, seeds=5).verdict == "underpowered"
    assert outcome(-0.05, 0.01).verdict == "reversed"  # although it lies inside the margin
    assert outcome(0.05, 0.01).verdict == "supported"
    assert outcome(0.01, 0.1).verdict == "no relevant difference"
    assert outcome(0.3, 1.0).verdict == "inconclusive"
    assert outcome(0.3, 1.0).needed.endswith("seeds")
    assert int(outcome(0.3, 1.0).needed.split()[0]) > SEEDS
    assert outcome(0.01, 0.02).margin == RULES.fine
    assert outcome(0.3, 1.0).margin == RULES.margin


def test_what_becomes_of_a_claim():
    assert outcome(0.3, 0.1).decided(RULES, 0.0) == "verified"
    assert outcome(-0.3, 0.1).decided(RULES, 0.0) == "falsified"
    assert outcome(0.01, 0.1).decided(RULES, RULES.stake) == "falsified"  # it was claimed to be better
    assert outcome(0.01, 0.1).decided(RULES, RULES.stake - 0.01) == "inconclusive: nothing at stake"
    assert outcome(0.01, 0.1).decided(RULES, np.nan) == "inconclusive: nothing at stake"
    assert outcome(0.01, 0.1, at_least=True).decided(RULES, 0.0) == "verified"
    assert outcome(-0.5, 0.1, at_least=True).decided(RULES, 0.0) == "falsified"
    assert outcome(1.0, 0.1, seeds=5).decided(RULES, 1.0) == "inconclusive"
    assert outcome(0.3, 0.1).decided(RULES, 1.0, converged=False) == "inconclusive: attack not converged"


def test_seeds_that_agree_do_not_make_up_for_volumes_that_do_not():
    at = 0.01 * np.linspace(-1, 1, SEEDS)[:, None] + 2 * np.linspace(-1, 1, VOLUMES)
    (found,) = judge([(claims(1, at_least=True)[0], tuple(range(SEEDS)), at)], RULES)
    assert found.adjusted_at_least < RULES.alpha
    assert found.interval[0] < -found.margin
    assert found.decided(RULES, 0.0) == "inconclusive"


def test_claims_of_non_inferiority_are_a_family_of_their_own():
    at = 0.3 + 0.1 * np.linspace(-1, 1, SEEDS)[:, None] + 1e-3 * np.linspace(-1, 1, VOLUMES)
    members = [*claims(3), *(replace(claim, column="noisy") for claim in claims(2, at_least=True))]
    found = judge([(claim, tuple(range(SEEDS)), at) for claim in members], RULES)
    assert [one.adjusted for one in found] == pytest.approx([5 * one.p for one in found])
    assert [one.adjusted_at_least for one in found[3:]] == pytest.approx([2 * one.p_at_least for one in found[3:]])
    assert np.isnan([one.adjusted_at_least for one in found[:3]]).all()


def test_what_has_no_rows_keeps_its_place_in_the_family():
    at = np.full((SEEDS, VOLUMES), 0.5) + 0.1 * np.linspace(-1, 1, SEEDS)[:, None]
    one, two = claims(2)
    found = judge([(one, tuple(range(SEEDS)), at), (two, (), None)], RULES)
    assert [f.verdict for f in found] == ["supported", "missing"]
    assert found[0].adjusted == pytest.approx(2 * found[0].p)
