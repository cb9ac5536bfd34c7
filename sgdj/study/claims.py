"""Test the paper's claims: one family of twelve paired comparisons for each task, declared before the runs.

Every test is two-sided and exact over seeds (sign flips); Holm adjusts within the family. A claim is *supported* if the
adjusted p is below 0.05, the mean difference has the claimed sign, and the bootstrap interval, which also resamples the
volumes, excludes zero; *reversed* if the same holds with the other sign; *underpowered* if no outcome with this many
seeds could reach 0.05; else *not supported*.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sgdj.evaluation.conditions import Key
from sgdj.metrics.volumes import crossed_bootstrap, holm, sign_flip_p, smallest_p
from sgdj.runtime.text import bold, markdown_table
from sgdj.study.columns import columns
from sgdj.study.paper import BASELINE, FAMILY, NAMES, Claim
from sgdj.study.rows import Row, matrix
from sgdj.study.tables import Line

ALPHA = 0.05
_BY_VOLUME = (
    "In {n} of the comparisons that are not supported the seeds agree (adjusted p below 0.05), but the {volumes} test "
    "volumes do not: with other volumes the difference could vanish, so the interval contains zero. More volumes would "
    "decide that, not more seeds."
)

_EXPLORATORY = (
    "What the paper does not have, against its baseline: paired by seed and volume; measured, but not tested, and in "
    "none of the claims. A reconstructor that was not trained here is the same for every seed."
)


@dataclass(frozen=True)
class Finding:
    """Outcome of a claim on a task."""

    claim: Claim
    seeds: tuple[int, ...]
    volumes: int
    difference: float
    """Mean paired difference of PSNR in dB, better minus worse."""
    interval: tuple[float, float]
    p: float
    adjusted: float
    ssim: float
    """Mean paired difference of SSIM; not tested, and not a number where images are too small for it."""
    verdict: str


def verdict(difference: float, interval: tuple[float, float], adjusted: float, attainable: float) -> str:
    """Return supported, reversed, underpowered or not supported; see the module."""
    if attainable >= ALPHA:
        return "underpowered"
    if adjusted < ALPHA and min(interval) > 0:
        return "supported"
    if adjusted < ALPHA and max(interval) < 0:
        return "reversed"
    return "not supported"


#: A claim, the rows of both sides by seed, and the condition under which they are compared.
Comparison = tuple[Claim, Mapping[int, Row], Mapping[int, Row], Key]


def _paired(
    better: Mapping[int, Row], worse: Mapping[int, Row], condition: Key
) -> tuple[list[int], npt.NDArray[np.float64], float] | None:
    """Return common seeds, PSNR differences (seeds, volumes) and the mean SSIM difference; None if none is common."""
    seeds = sorted(better.keys() & worse.keys())
    if not seeds:
        return None
    pairs = [[rows[seed] for seed in seeds] for rows in (better, worse)]
    measured = all("ssim" in row.values["network"][condition] for rows in pairs for row in rows)
    psnr = matrix(pairs[0], condition) - matrix(pairs[1], condition)
    ssim = matrix(pairs[0], condition, "ssim") - matrix(pairs[1], condition, "ssim") if measured else None
    return seeds, psnr, math.nan if ssim is None else float(ssim.mean())


def by_seed(rows: Sequence[Row], seeds: Iterable[int]) -> dict[int, Row]:
    """Return rows by seed; nothing of a reference is drawn, so that its one row stands for every seed asked for."""
    own = {row.seed: row for row in rows}
    return {seed: own.get(seed, rows[0]) for seed in seeds} if rows and rows[0].external else own


def exploratory(found: Sequence[Line]) -> str:
    """Compare what the paper does not have with its baseline: measured, not tested, and in no family of claims.

    Parameters
    ----------
    found
        Lines of a table.

    Returns
    -------
    str
        Table in Markdown; empty if there is nothing to compare.
    """
    base = next((line for line in found if (line.first.architecture, line.first.strategy) == BASELINE), None)
    others = [line for line in found if (line.first.architecture, line.first.strategy) not in NAMES]
    if base is None or not others:
        return ""
    rows = []
    for line in others:
        own = by_seed(line.rows, [row.seed for row in base.rows])
        for column, condition in columns(base.first).items():
            if not (line.measures(condition) and base.measures(condition)):
                continue
            paired = _paired(own, by_seed(base.rows, ()), condition)
            if paired is not None:
                low, high = crossed_bootstrap(paired[1])
                drawn = f"{len(paired[0])} × {paired[1].shape[1]}"
                rows.append((line.name, column, f"{paired[1].mean():+.3f}", f"{low:+.3f} to {high:+.3f}", drawn))
    header = ("exploratory", "column", f"difference to {base.name} (dB)", "95 % interval", "seeds × volumes")
    return f"{_EXPLORATORY}\n\n{markdown_table(header, rows)}" if rows else ""


def findings(rows: Sequence[Row]) -> list[Finding]:
    """Test the family on a task's table; claims whose rows are missing are left out, the family keeps its size."""
    compared = []
    there = columns(rows[0])
    for claim in FAMILY:
        if claim.column not in there:  # of a task that the paper does not have
            continue
        better, worse = (
            {r.seed: r for r in rows if r.strategy == name and r.architecture == claim.architecture}
            for name in (claim.better, claim.worse)
        )
        compared.append((claim, better, worse, there[claim.column]))
    return judge(compared, len(FAMILY))


def judge(family: Sequence[Comparison], size: int) -> list[Finding]:
    """Test a family of comparisons; those without a common seed are left out, the family keeps its size.

    Parameters
    ----------
    family
        Comparisons that were declared.
    size
        How many were declared, with those that have no rows.

    Returns
    -------
    list of Finding
        Outcome of each comparison that has rows.

    Raises
    ------
    InputError
        If two rows were measured on different volumes.
    """
    tested = []
    for claim, better, worse, condition in family:
        paired = _paired(better, worse, condition)
        if paired is not None:
            tested.append((claim, *paired))
    p = [sign_flip_p(psnr.mean(axis=1)) for _, _, psnr, _ in tested]
    adjusted = holm([*p, *[1.0] * (size - len(p))])
    out = []
    for (claim, seeds, psnr, ssim), raw, corrected in zip(tested, p, adjusted, strict=False):
        interval, mean = crossed_bootstrap(psnr), float(psnr.mean())
        said = verdict(mean, interval, corrected, smallest_p(len(seeds), size))
        out.append(Finding(claim, tuple(seeds), psnr.shape[1], mean, interval, raw, corrected, ssim, said))
    return out


def markdown(found: Sequence[Finding]) -> str:
    """Write one line of Markdown per claim."""
    header = (
        "claim", "statement", "on", "difference (dB)", "95 % interval", "difference in SSIM", "p", "p, Holm",
        "seeds × volumes", "verdict",
    )  # fmt: skip
    rows = []
    for f in found:
        low, high = f.interval
        place, interval = f.claim.place, f"{low:+.3f} to {high:+.3f}"
        ssim = "—" if math.isnan(f.ssim) else f"{f.ssim:+.4f}"
        numbers = (f"{f.difference:+.3f}", interval, ssim, f"{f.p:.4f}", f"{f.adjusted:.4f}")
        drawn = f"{len(f.seeds)} × {f.volumes}"
        rows.append((f.claim.number, f.claim.text, place, *numbers, drawn, bold(f.verdict)))
    text = [markdown_table(header, rows)]
    undecided = sum(f.verdict == "not supported" and f.adjusted < ALPHA for f in found)
    if undecided:
        text += ["", _BY_VOLUME.format(n=undecided, volumes=found[0].volumes)]
    return "\n".join(text)


def summary(found: Sequence[Finding]) -> str:
    """Say how many comparisons came out how, with a line for each that is supported or reversed."""
    counts = Counter(f.verdict for f in found)
    text = [f"Of {len(found)} comparisons for the claims, {', '.join(f'{n} {name}' for name, n in counts.items())}."]
    for f in found:
        if f.verdict in ("supported", "reversed"):
            where = f"{f.claim.place}, {f.difference:+.2f} dB"
            text.append(f"- {f.verdict}: {f.claim.text} ({where})")
    return "\n".join(text)
