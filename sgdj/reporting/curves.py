"""Draw up the curves of an evaluation: a metric against the norm of a perturbation, the level of a shift, or K."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

from sgdj.metrics.volumes import volume_interval, volume_mean
from sgdj.runtime.contents import SampleRow

METRICS = {"psnr": "PSNR (dB)", "ssim": "SSIM", "relative_error": r"relative error $\|\hat{x} - x\| / \|x\|$"}
ITERATIONS = "iterations"


@dataclass(frozen=True)
class Point:
    """One point of a curve.

    Parameters
    ----------
    reconstructor
        Name of the reconstructor that was measured, such as `network` or `x0`; in a study the name of the strategy.
    kind
        Kind of the horizontal axis: "attack", "shift" or "iterations".
    curve
        Name of the attack or shift, or "iterations".
    x
        Place on the axis: ρ = ‖δ‖ / ‖y‖ as measured, mean over volumes; or the shift's level; or K.
    metric
        Name of the metric, a key of `METRICS`.
    mean, low, high
        Mean over volumes, and the limits of its 95 % interval.
    n_volumes
        Number of volumes.
    believable
        1 if all of its samples are believable, else 0; see `sgdj.attacks.base.Found`.
    """

    reconstructor: str
    kind: str
    curve: str
    x: float
    metric: str
    mean: float
    low: float
    high: float
    n_volumes: int
    believable: int = 1


COLUMNS = tuple(field.name for field in fields(Point))


def _value(row: SampleRow, metric: str) -> float:
    value = math.sqrt(row["nmse"]) if metric == "relative_error" else row[metric]
    return value if math.isfinite(value) else math.nan  # an empty reference has no relative error


def _ratio(row: SampleRow) -> float:
    """Compute ‖δ‖ / ‖y‖; NaN for a measurement of zeros."""
    return row["delta_norm"] / row["y_norm"] if row["y_norm"] else math.nan


def _places(row: SampleRow, attacks: Iterable[str]) -> list[tuple[str, str]]:
    """List kind and name of the curves that a condition, given by one of its rows, lies on."""
    if row["attack"]:
        return [("attack", row["attack"])]
    if row["shift"]:
        return [("shift", row["shift"])]
    return [(ITERATIONS, ITERATIONS)] if row["level"] else [("attack", name) for name in attacks]


def points(rows: Sequence[SampleRow]) -> list[Point]:
    """Compute every point from the rows of `samples.csv`; curves of one level only are left out.

    The clean condition belongs to every attack's curve, at ρ = 0.
    """
    groups: dict[tuple[str, str], list[SampleRow]] = defaultdict(list)
    for row in rows:
        groups[row["reconstructor"], row["condition"]].append(row)
    curves: dict[tuple[str, str, str], dict[float, Point]] = defaultdict(dict)
    attacks = dict.fromkeys(row["attack"] for row in rows if row["attack"])
    for (who, _), group in groups.items():
        for kind, name in _places(group[0], attacks):
            x = group[0]["level"] if kind != "attack" else volume_mean((row["volume"], _ratio(row)) for row in group)
            believable = min(row.get("believable", 1) for row in group)
            for metric in METRICS:
                mean, low, high, n = volume_interval((row["volume"], _value(row, metric)) for row in group)
                if n and not math.isnan(x):
                    curves[who, name, metric][x] = Point(who, kind, name, x, metric, mean, low, high, n, believable)
    return [curve[x] for curve in curves.values() if len(curve) > 1 for x in sorted(curve)]


def table(found: Sequence[Point]) -> list[dict[str, str | float]]:
    """Turn the points into rows with `COLUMNS`."""
    return [dict(zip(COLUMNS, astuple(point), strict=True)) for point in found]
