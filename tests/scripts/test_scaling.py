"""The cost model against costs of a known form, and the measuring script at small sizes."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from scripts.benchmarks import scaling
from scripts.benchmarks.cost_model import CostModel, Point, duration
from tests.program import run

SIZES = [(64, 2, 5), (96, 1, 3), (96, 2, 2), (96, 4, 4), (128, 2, 5), (160, 1, 2), (224, 2, 2)]


def points(seconds, held_out=(320, 2, 10)):
    return [
        Point("mri", n, b, k, (n, b, k) == held_out, seconds(n, b, k), 1.0 + b * n) for n, b, k in [*SIZES, held_out]
    ]


def test_a_cost_of_the_model_s_form_is_found_and_predicted():
    found = points(lambda n, b, k: 0.01 + 0.002 * k + (0.03 + 0.4 * k) * b * n**2 / 1e6)
    model = CostModel.fit(found, "seconds")
    assert model.terms == pytest.approx((0.01, 0.002, 0.03, 0.4), rel=1e-6)
    assert model(found[-1]) == pytest.approx(found[-1].seconds, rel=1e-6)


def test_held_out_points_do_not_count():
    cost = lambda n, b, k: k * b * n**2 / 1e6  # noqa: E731
    found = points(cost)
    spoiled = [*found[:-1], Point("mri", 320, 2, 10, True, 1e9, 1e9)]
    assert CostModel.fit(found, "seconds") == CostModel.fit(spoiled, "seconds")


def test_the_fit_is_the_constrained_least_squares_solution():
    """Against another solver, on noisy costs that would ask for a negative term."""
    rng = np.random.default_rng(0)
    found = points(lambda n, b, k: (k * b * n**2 / 1e6) * rng.uniform(0.9, 1.1))
    rows = [[1, p.iterations, p.pixels, p.iterations * p.pixels] for p in found[:-1]]
    scaled = np.array(rows) / np.array([[p.seconds] for p in found[:-1]])
    other = lsq_linear(scaled, np.ones(len(scaled)), (0, np.inf), tol=1e-14).x
    assert CostModel.fit(found, "seconds").terms == pytest.approx(other, abs=1e-6)


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "3.0 s"), (150, "2.5 minutes"), (9000, "2.5 hours"), (2 * 86400, "2.0 days")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def _forked(command, cwd, **_):
    """Run the program as `subprocess.run` does, from a process that has imported everything."""
    done = run(Path(command[1]), *command[2:], cwd=Path(cwd), jobs=True)
    assert done.returncode == 0, done.stderr
    return done


def test_the_script_measures_and_says_what_follows(tmp_path, monkeypatch, capsys):
    """Steps are measured in this process, where their memory cannot be told apart."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scaling, "_apart", lambda *given: scaling.one_step(*given) | {"mib": 1.0 + given[1] ** 2})
    monkeypatch.setattr(scaling, "subprocess", SimpleNamespace(run=_forked))
    assert scaling.main(["--quick", "--repeats", "1"]) == 0
    told = capsys.readouterr().out
    assert told.count("held out") == 4  # a point and a column for each
    for heading in ("# How cost grows", "## The model", "## What follows, by the model"):
        assert heading in told
    assert not list(tmp_path.iterdir())


def test_a_step_is_measured_in_a_process_of_its_own():
    measured = scaling._apart("seismic", 24, 2, 1, 1)
    assert measured["seconds"] > 0
    assert measured["mib"] > 0
