"""Time several functions in turn, in CPU seconds and on the wall, and compare them with an interval."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

#: Seconds per call of one round, by clock.
Round = dict[str, float]
_CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}


def _clocks() -> Round:
    return {name: clock() for name, clock in _CLOCKS.items()}


def _seconds(function: Callable[[], Any]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def alternate(functions: dict[str, Callable[[], Any]], rounds: int, least: float = 0.2) -> dict[str, list[Round]]:
    """Measure seconds per call of every function in every round; a round calls all of them, one after the other.

    Parameters
    ----------
    functions
        Functions to measure, by name.
    rounds
        Number of measurements of each.
    least
        Shortest measurement, in seconds: shorter functions are called several times in it.

    Returns
    -------
    dict
        Seconds per call by clock, one mapping per round, by name of the function.
    """
    counts = {}
    for name, function in functions.items():
        took = _seconds(function)  # warms up
        if took < least:
            took = _seconds(function)
        counts[name] = max(1, round(least / max(took, 1e-9)))
    spent: dict[str, list[Round]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            began_all = _clocks()
            for _ in range(counts[name]):
                function()
            spent[name].append({clock: (now - began_all[clock]) / counts[name] for clock, now in _clocks().items()})
    return spent


def compare(ours: list[Round], other: list[Round]) -> dict[str, dict[str, float | None]]:
    """Compute the median over rounds of our seconds over the other's, with its 95 % interval, by clock.

    The interval is that of order statistics, free of assumptions on the distribution; it needs six rounds.
    """
    from scipy.stats import quantile_test  # imported where it is used: it is slow to load

    found = {}
    for clock in _CLOCKS:
        ratios = np.array([a[clock] / b[clock] for a, b in zip(ours, other, strict=True)])
        interval = quantile_test(ratios, q=1.0, p=0.5).confidence_interval(0.95)
        low, high = (None if np.isnan(end) else float(end) for end in interval)
        found[clock] = {"ratio": float(np.median(ratios)), "low": low, "high": high}
    return found


def medians(rounds: list[Round]) -> Round:
    """Compute the median seconds per call, by clock."""
    return {clock: median(r[clock] for r in rounds) for clock in _CLOCKS}
