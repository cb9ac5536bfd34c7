"""Closed forms against published check values, Monte Carlo, and what the project's own strategies learn."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from scripts.theory.laboratory import Shrinkage, TwoGains, fit, orthonormal
from sgdj.attacks import PGD
from sgdj.networks import GradientDescent, StepSize
from sgdj.strategies import MSE, Adversarial, InputJitter, Jitter
from sgdj.theory.iteration import Iteration, simulate, whole_space_threshold
from sgdj.theory.rate import mean_squared_gradient
from sgdj.theory.regulariser import balance, walk
from sgdj.theory.shrinkage import Subspace

ON, OFF = Iteration(0.3, 10, 1.0, 0.04), Iteration(0.3, 10, 0.0, 0.04)


@pytest.mark.parametrize(
    ("share", "alpha", "risk", "exact"), [(0.05, 0.918321, 0.165121, 0.165115), (0.3, 0.839093, 0.478983, 0.478969)]
)
def test_worst_case_check_values(share, alpha, risk, exact):
    problem = Subspace(4000, 4000.0, 0.2)
    epsilon = float(np.sqrt(share * 4000))
    found, limit = problem.limit(epsilon)
    assert found == pytest.approx(alpha, abs=5e-7)
    assert limit / 4000 == pytest.approx(risk, abs=5e-7)
    assert problem.risk(problem.best(epsilon), epsilon) / 4000 == pytest.approx(exact, abs=5e-7)


@pytest.mark.parametrize(("dimension", "noise", "epsilon", "alpha"), [(7, 0.5, 1.3, 0.6), (50, 0.1, 3.0, 0.9)])
def test_the_finite_risk_is_the_simulated_worst_case(dimension, noise, epsilon, alpha):
    """The worst e points along the residual, so that the worst error is ‖r‖ + αε."""
    problem, rng = Subspace(dimension, 2.0 * dimension, noise), np.random.default_rng(0)
    c = np.sqrt(2.0) * rng.standard_normal((200_000, dimension))
    r = alpha * (c + noise * rng.standard_normal(c.shape)) - c
    worst = (np.linalg.norm(r, axis=1) + alpha * epsilon) ** 2
    error = worst.std() / np.sqrt(len(worst))
    assert problem.risk(alpha, epsilon) == pytest.approx(worst.mean(), abs=4 * error)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.7])
def test_input_jitter_of_the_right_level_is_the_worst_case_optimum(share):
    problem = Subspace(300, 150.0, 0.4)
    epsilon = float(np.sqrt(share * 150))
    assert problem.input_jitter(problem.level_for(epsilon)) == pytest.approx(problem.limit(epsilon)[0], rel=1e-10)


def test_nothing_is_left_of_a_signal_that_the_attack_can_cancel():
    problem = Subspace(300, 150.0, 0.4)
    assert problem.limit(float(np.sqrt(150.0)))[0] == 0
    assert problem.level_for(float(np.sqrt(150.0))) == np.inf


def test_iteration_check_values():
    assert ON.best(0.0) == pytest.approx(0.04101, abs=5e-6)
    assert ON.risk(0.04101) == pytest.approx(ON.risk(5.65126), rel=1e-6)  # two global minimisers
    assert ON.risk(ON.best(0.0)) == pytest.approx(0.03846, abs=5e-6)
    assert OFF.risk(OFF.best(0.0)) == pytest.approx(0.00147, abs=5e-6)
    assert ON.best(0.1) == pytest.approx(0.04884, abs=5e-6)
    assert ON.gain(ON.best(0.1)) == pytest.approx(0.95450, abs=5e-6)
    assert ON.risk(ON.best(0.1), 0.1) == pytest.approx(0.05548, abs=5e-6)
    assert OFF.best(0.1) == pytest.approx(3.02607, abs=5e-6)
    assert OFF.gain(OFF.best(0.1)) == pytest.approx(0.24838, abs=5e-6)
    assert OFF.risk(OFF.best(0.1), 0.1) == pytest.approx(0.01187, abs=5e-6)


@pytest.mark.parametrize(
    ("model", "theta", "v", "extra"),
    [(ON, 0.05, 0.1, 0.0), (OFF, 3.0, 0.1, 0.0), (Iteration(0.5, 3, 2.0, 0.1), 0.4, 0.3, 0.2)],
)
def test_risk_is_simulated_risk(model, theta, v, extra):
    errors = simulate(model, theta, v, np.random.default_rng(1), 400_000, extra=extra)
    assert model.risk(theta, v, extra) == pytest.approx(errors.mean(), abs=4 * errors.std() / np.sqrt(len(errors)))


def test_threshold_check_values():
    assert ON.robustness_threshold(0.1) == pytest.approx(0.00382, abs=5e-6)
    assert ON.robustness_threshold(0.01) == pytest.approx(0.00038, abs=5e-6)
    assert OFF.generalisation_threshold(0.1) == pytest.approx(0.0113, abs=5e-5)
    assert whole_space_threshold(ON, OFF, 0.1, 4000, 6400) == pytest.approx(0.0124, abs=5e-5)


@pytest.mark.parametrize("v", [0.01, 0.1, 0.4])
def test_jitter_wins_beyond_the_thresholds_and_only_there(v):
    sgd, mse = ON.best(v), ON.best(0.0)
    star = ON.robustness_threshold(v)
    assert star > 0
    assert ON.risk(sgd, extra=1.01 * star) < ON.risk(mse, extra=1.01 * star)
    assert ON.risk(sgd, extra=0.99 * star) > ON.risk(mse, extra=0.99 * star)
    assert ON.risk(sgd) > ON.risk(mse)
    g = OFF.generalisation_threshold(v)
    jittered, plain = (Iteration(0.3, 10, level * g, 0.04) for level in (1.01, 0.99))
    assert jittered.risk(OFF.best(v)) < jittered.risk(OFF.best(0.0))
    assert plain.risk(OFF.best(v)) > plain.risk(OFF.best(0.0))


def test_negative_controls():
    """One iteration learns the same with and without jitter; a step of 1 makes jitter raise the gain."""
    single = Iteration(0.3, 1, 1.0, 0.04)
    assert single.best(0.1) == pytest.approx(single.best(0.0), abs=1e-6)
    full = Iteration(1.0, 10, 1.0, 0.04)
    assert full.gain(full.best(0.1)) > full.gain(full.best(0.0))
    assert full.robustness_threshold(0.1) == np.inf


def _network(rng, n):
    first, second = rng.normal(size=(n, n)) / 3, rng.normal(size=(n, n)) / 3
    return lambda x: np.tanh(x @ first) @ second


def test_the_pathwise_identity_holds_for_any_learned_part_and_operator():
    rng, n = np.random.default_rng(0), 9
    a = rng.normal(size=(6, n)) / 3
    start, noise = rng.normal(size=(20, n)), rng.normal(size=(8, 20, n))
    paths = walk(_network(rng, n), a.T @ a, start @ (a.T @ a), start, 0.4, noise)
    assert np.abs(paths.jittered - paths.clean).max() > 0.1
    np.testing.assert_allclose(paths.clean - paths.jittered, paths.noise - paths.difference, atol=1e-13)


def test_four_terms_balance_the_losses_and_the_regulariser_alone_does_not():
    rng, n = np.random.default_rng(1), 9
    x = rng.normal(size=n)
    found = balance(_network(rng, n), x, x + 0.2 * rng.normal(size=n), 0.3, 10, 0.1, 20_000, rng)
    assert found.excess == pytest.approx(found.terms, abs=3 * found.error)
    assert abs(found.excess - found.regulariser) > 30 * found.error


def test_for_a_linear_part_the_pull_vanishes():
    rng, n = np.random.default_rng(2), 9
    x, weight = rng.normal(size=n), rng.normal(size=(n, n)) / 5
    found = balance(lambda u: u @ weight, x, x + 0.2, 0.3, 10, 0.1, 500, rng)
    assert abs(found.pull) < 1e-14
    w = rng.normal(size=(10, 50, n))
    start = np.broadcast_to(x + 0.2, (50, n))
    up, down = (walk(lambda u: u @ weight, np.eye(n), start, start, 0.3, s * w) for s in (1, -1))
    average = sum(np.sum((p.jittered - x) ** 2, -1) for p in (up, down)) / 2 - np.sum((up.clean - x) ** 2, -1)
    np.testing.assert_allclose(average, np.sum((up.clean - up.jittered) ** 2, -1), rtol=1e-10)


def test_the_rate_needs_a_shrinking_step():
    def gradient(x):
        return (x - 1) + 0.5 * np.sin(2 * x)

    def measured(count, eta):
        return mean_squared_gradient(gradient, np.zeros((64, 8)), eta, count, 1.0, np.random.default_rng(0))

    shrinking = [measured(count, 1 / np.sqrt(count)) for count in (400, 1600, 6400)]
    assert [a / b for a, b in pairwise(shrinking)] == pytest.approx([2, 2], rel=0.1)
    assert measured(6400, 0.3) == pytest.approx(measured(400, 0.3), rel=0.05)


def _learned(network, strategy, basis, count):
    """Return mean and standard error over seeds of the learned parameters."""
    values = torch.stack([fit(network(), strategy, basis, 0.2, steps=150, count=16, seed=s)[0] for s in range(count)])
    return values.mean(0).numpy(), values.std(0).numpy() / np.sqrt(count)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.15])
def test_training_learns_the_worst_case_optimum(share):
    basis, problem = orthonormal(60, 40, 0), Subspace(40, 40.0, 0.2)
    epsilon = float(np.sqrt(share * 40))
    attack = PGD(epsilon=epsilon, steps=1, step_size=2.0, restarts=1, random_start=False)
    mean, error = _learned(lambda: Shrinkage(basis), Adversarial(attack) if share else MSE(), basis, 5)
    assert mean == pytest.approx(problem.best(epsilon), abs=5 * error + 1e-4)


@pytest.mark.parametrize("level", [0.1, 0.3])
def test_training_learns_the_input_jitter_optimum(level):
    basis, problem = orthonormal(60, 40, 0), Subspace(40, 40.0, 0.2)
    mean, error = _learned(lambda: Shrinkage(basis), InputJitter(level), basis, 5)
    assert mean == pytest.approx(problem.input_jitter(level), abs=5 * error + 1e-4)


@pytest.mark.parametrize("v", [0.0, 0.1])
def test_sgd_jittering_learns_its_optimum(v):
    size = 60
    basis = orthonormal(size, 40, 0)
    strategy = Jitter(float(np.sqrt(v * size)), "absolute", True) if v else MSE()

    def network():
        return GradientDescent(TwoGains(basis), StepSize("exp", 0.3, 0.0, False).double(), 10, "adjoint")

    mean, error = _learned(network, strategy, basis, 4)
    assert mean[0] == pytest.approx(ON.best(v), abs=5 * error[0] + 2e-4)
    assert mean[1] == pytest.approx(OFF.best(v), abs=5 * error[1] + 0.02)
