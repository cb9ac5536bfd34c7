"""Curves: their points from samples, and what a run leaves of them."""

import csv
import math

import numpy as np
import pytest
from scipy import stats

from sgdj.reporting.curves import points
from sgdj.study.collecting import older_samples_hashes, samples_hash
from tests.conftest import only_run

pytestmark = pytest.mark.figures


def sample(condition, volume, psnr, **facts):
    row = {"reconstructor": "network", "condition": condition, "volume": volume, "psnr": psnr, "ssim": math.nan}
    row |= {"nmse": 0.04, "delta_norm": 0.0, "y_norm": 2.0, "attack": "", "shift": "", "level": 0.0}
    return row | facts


def test_the_band_is_students_interval_over_volumes():
    rng = np.random.default_rng(0)
    clean, attacked = rng.normal(30, 2, 6), rng.normal(25, 2, 6)
    rows = [sample("clean", f"v{i}", value) for i, value in enumerate(clean)]
    rows += [sample("clean", "v0", clean[0])]  # a volume counts once, whatever its number of samples
    rows += [sample("pgd", f"v{i}", v, attack="pgd", delta_norm=0.1) for i, v in enumerate(attacked)]
    found = [p for p in points(rows) if p.metric == "psnr"]
    assert [p.x for p in found] == pytest.approx([0.0, 0.05])
    assert [p.n_volumes for p in found] == [6, 6]
    for point, values in zip(found, (clean, attacked), strict=True):
        low, high = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
        assert (point.mean, point.low, point.high) == pytest.approx((values.mean(), low, high))
    errors = [p.mean for p in points(rows) if p.metric == "relative_error"]
    assert errors == pytest.approx([0.2, 0.2])
    assert not [p for p in points(rows) if p.metric == "ssim"]


def test_a_shift_at_one_level_is_no_curve():
    rows = [sample("clean", "v0", 30.0), sample("line", "v0", 29.0, shift="line", level=0.7)]
    assert points(rows) == []
    rows += [sample("line@1", "v0", 28.0, shift="line", level=1.0)]
    assert [(p.curve, p.x, p.mean) for p in points(rows) if p.metric == "psnr"] == [
        ("line", 0.7, 29.0), ("line", 1.0, 28.0)
    ]  # fmt: skip


def test_a_run_draws_a_curve_over_the_levels_of_a_shift(cli, tmp_path):
    levels = "+evaluation.shift_levels={noise_level:[1,8],acceleration:[4,6]}"
    arguments = ("task=mri", "scale=smoke", "shift=[noise_level,acceleration]", levels, "evaluation.iterations=[1,3]")
    assert cli(*arguments, "logger=none", "attack=apgd")[0] == 0
    run = only_run(tmp_path)
    with (run / "evaluation" / "samples.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["reconstructor"] == "network"]
    by = {}
    for row in rows:
        by.setdefault(row["condition"], []).append(float(row["loss"]))
    assert by["noise_level@1"] == by["clean"]  # training's own level is no shift
    assert by["acceleration@4"] == by["clean"]
    assert np.mean(by["noise_level@8"]) > np.mean(by["noise_level"]) > np.mean(by["clean"])
    assert all(row["replaced"] in ("0.0", "1.0") for row in rows if row["attack"] == "apgd")
    assert all(row["replaced"] == "" for row in rows if row["condition"] == "clean")
    with (run / "evaluation" / "curves.csv").open() as file:
        kinds = {(row["kind"], row["curve"]) for row in csv.DictReader(file)}
    assert kinds == {
        ("attack", "apgd"), ("attack", "gaussian"), ("shift", "noise_level"), ("shift", "acceleration"),
        ("iterations", "iterations"),
    }  # fmt: skip
    for name in ("robustness", "iterations", "shift-noise_level", "shift-acceleration"):
        for suffix in ("png", "pdf"):
            assert (run / "figures" / f"{name}.{suffix}").stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("task=toy", "shift=[lesion]"), "lesion does not fit task toy"),
        (("task=seismic", "shift=[acceleration]"), "acceleration does not fit task seismic"),
        (("task=mri", "+evaluation.shift_levels={noise_level:[2]}"), "no shift noise_level is chosen"),
        (("task=mri", "shift=[acceleration]", "shift.acceleration.acceleration=40"), "cannot be reached"),
        (("task=mri", "shift=[acceleration]", "+evaluation.shift_levels.acceleration=[30]"), "cannot be reached"),
    ],
)
def test_an_impossible_shift_is_one_line_before_training(cli, tmp_path, arguments, words):
    code, _, err = cli(*arguments, "scale=smoke")
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not any(tmp_path.iterdir())


def test_the_hash_of_older_rows_is_that_of_the_file_without_younger_columns(tmp_path):
    first = b"reconstructor,psnr,replaced\r\nnetwork,20.0,\r\nzero_filled,21.0,\r\n"
    second = b"reconstructor,psnr,replaced,believable\r\nnetwork,20.0,,1\r\nzero_filled,21.0,,0\r\n"
    third = (
        b"reconstructor,psnr,replaced,believable,factor,shift_level,iterations\r\n"
        b"network,20.0,,1,2.0,,\r\nx0,21.0,,0,,,5\r\n"
    )
    for name, content in (("first", first), ("second", second), ("third", third)):
        (tmp_path / name).write_bytes(content)
    known = {name: samples_hash(tmp_path / name) for name in ("first", "second", "third")}
    assert len(set(known.values())) == 3
    assert older_samples_hashes(tmp_path / "third") == [known["second"], known["first"]]
    assert older_samples_hashes(tmp_path / "second")[-1] == known["first"]


def test_a_point_without_a_measurement_is_left_out():
    """‖δ‖ / ‖y‖ has no value where y is zero."""
    row = {"reconstructor": "network", "condition": "pgd", "attack": "pgd", "shift": "", "volume": "a", "level": 0.1}
    rows = [row | {"y_norm": 0.0, "delta_norm": 0.0, "psnr": 20.0, "ssim": 0.5, "nmse": 0.1}]
    assert points(rows) == []
