"""Averages whose unit is the volume."""

import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np


def volume_averages(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Mean of each volume's samples; samples without a value (NaN) are left out."""
    groups: dict[str, list[float]] = defaultdict(list)
    for volume, value in values:
        if not math.isnan(value):
            groups[volume].append(value)
    return {volume: float(np.mean(group)) for volume, group in groups.items()}


def volume_mean(values: Iterable[tuple[str, float]]) -> float:
    """Mean over volumes of the means over their samples; NaN if there is none."""
    averages = list(volume_averages(values).values())
    return float(np.mean(averages)) if averages else math.nan


def volume_std(values: Iterable[tuple[str, float]]) -> float:
    """Standard deviation (n - 1) over volumes of the means over their samples; NaN below two volumes."""
    averages = list(volume_averages(values).values())
    return float(np.std(averages, ddof=1)) if len(averages) > 1 else math.nan
