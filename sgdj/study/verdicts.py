"""Test one family of paired comparisons for superiority and non-inferiority, and say what follows.

Superiority: exact two-sided sign flips over seeds, Holm over the whole family. Non-inferiority, of the claims that say
``at_least`` alone: one-sided sign flips on the difference plus the margin, Holm over these claims. The verdict is the
first that holds: *underpowered*, fewer seeds than a verdict needs; *reversed* and *supported*, adjusted p below the
level and an interval without zero, with this sign; *no relevant difference*, the interval lies inside the margin; else
*inconclusive*.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sgdj.metrics.volumes import crossed_bootstrap, holm, sign_flip_p
from sgdj.study.protocol_file import Hypothesis, Statistics

VERIFIED, FALSIFIED = "verified", "falsified"
UNCONVERGED, NOTHING_AT_STAKE = "inconclusive: attack not converged", "inconclusive: nothing at stake"
UNDERPOWERED, REVERSED, SUPPORTED = "underpowered", "reversed", "supported"
_QUANTILE = 2.2  # standard errors in half an interval of about ten seeds
EQUAL, INCONCLUSIVE, MISSING = "no relevant difference", "inconclusive", "missing"


@dataclass(frozen=True)
class Outcome:
    """Outcome of a hypothesis.

    Parameters
    ----------
    claim
        Hypothesis that was tested.
    seeds
        Seeds that both sides have.
    volumes
        Number of volumes.
    difference
        Mean paired difference of PSNR in dB, better minus worse as claimed.
    interval
        Limits of its 95 % interval.
    margin
        Margin in dB.
    p, adjusted
        p of superiority, and that adjusted within the family.
    p_at_least, adjusted_at_least
        The same of non-inferiority, adjusted within the claims of it; not a number for the others.
    spread
        Variances of seeds, of volumes and of the rest; see `components`.
    verdict
        What follows for superiority; see the module.
    """

    claim: Hypothesis
    seeds: tuple[int, ...]
    volumes: int
    difference: float
    interval: tuple[float, float]
    margin: float
    p: float
    adjusted: float
    p_at_least: float
    adjusted_at_least: float
    spread: tuple[float, float, float]
    verdict: str

    @property
    def half_width(self) -> float:
        """Half of the interval's length in dB."""
        return (self.interval[1] - self.interval[0]) / 2

    def decided(self, rules: Statistics, cost: float, converged: bool = True) -> str:
        """Say whether the claim itself is verified, falsified or inconclusive, and why it is inconclusive.

        Parameters
        ----------
        rules
            Level of the tests, and the least cost at which an absent difference says something.
        cost
            What the column costs the side that is claimed to be worse, in dB of PSNR against clean test data.
        converged
            Whether more steps of the attack would change neither side much; true of other columns.

        Returns
        -------
        str
            Verified, falsified, or inconclusive.
        """
        if self.verdict in (UNDERPOWERED, MISSING):
            return INCONCLUSIVE
        if not converged:
            return UNCONVERGED
        low, high = self.interval
        if self.claim.at_least:
            if self.adjusted_at_least < rules.alpha and low > -self.margin:
                return VERIFIED
            return FALSIFIED if self.verdict == REVERSED and high < -self.margin else INCONCLUSIVE
        if self.verdict == EQUAL:
            return FALSIFIED if cost >= rules.stake else NOTHING_AT_STAKE
        return {SUPPORTED: VERIFIED, REVERSED: FALSIFIED}.get(self.verdict, INCONCLUSIVE)

    @property
    def needed(self) -> str:
        """Say how many seeds, or else volumes, would decide an inconclusive comparison, if its variances stay."""
        if self.verdict != INCONCLUSIVE:
            return ""
        seeds, volumes, rest = self.spread
        room = (max(abs(self.difference), self.margin - abs(self.difference)) / _QUANTILE) ** 2
        for_seeds, for_volumes = room - volumes / self.volumes, room - seeds / len(self.seeds)
        if for_seeds > 0:
            return f"{max(math.ceil((seeds + rest / self.volumes) / for_seeds), len(self.seeds) + 1)} seeds"
        if for_volumes > 0:
            return f"{math.ceil((volumes + rest / len(self.seeds)) / for_volumes)} volumes"
        return f"{math.ceil(2 * seeds / room)} seeds with {math.ceil(2 * volumes / room)} volumes"


#: A hypothesis, the seeds that both sides have, and PSNR differences in dB, shape (seeds, volumes); None without rows.
Comparison = tuple[Hypothesis, tuple[int, ...], npt.NDArray[np.float64] | None]


def _verdict(rules: Statistics, count: int, adjusted: float, interval: tuple[float, float], margin: float) -> str:
    if count < rules.seeds:
        return UNDERPOWERED
    low, high = interval
    if adjusted < rules.alpha and high < 0:
        return REVERSED
    if adjusted < rules.alpha and low > 0:
        return SUPPORTED
    return EQUAL if -margin < low and high < margin else INCONCLUSIVE


class _Tested(NamedTuple):
    difference: float
    interval: tuple[float, float]
    margin: float
    p: float
    p_at_least: float


def _tested(found: npt.NDArray[np.float64] | None, rules: Statistics) -> _Tested:
    """Test one comparison by itself; without rows nothing is known, and p is 1."""
    if found is None:
        return _Tested(math.nan, (math.nan, math.nan), rules.margin, 1.0, 1.0)
    interval = crossed_bootstrap(found, rules.draws, expanded=True)
    narrow = (interval[1] - interval[0]) / 2 <= rules.fine_from
    margin, by_seed = rules.fine if narrow else rules.margin, found.mean(axis=1)
    p = sign_flip_p(by_seed), sign_flip_p(by_seed + margin, "greater")
    return _Tested(float(found.mean()), interval, margin, *p)


def judge(family: Sequence[Comparison], rules: Statistics) -> list[Outcome]:
    """Test a family; what has no rows counts as a p of 1, so that the family keeps its size.

    Parameters
    ----------
    family
        Comparisons, every hypothesis that was declared.
    rules
        Level, margins and number of seeds.

    Returns
    -------
    list of Outcome
        Outcome of each, in the same order.
    """
    measured = [_tested(found, rules) for _, _, found in family]
    adjusted = holm([one.p for one in measured])
    claimed = [at for at, (claim, _, _) in enumerate(family) if claim.at_least]
    at_least = dict(zip(claimed, holm([measured[at].p_at_least for at in claimed]), strict=True))
    out = []
    for at, ((claim, seeds, found), one, p) in enumerate(zip(family, measured, adjusted, strict=True)):
        said = MISSING if found is None else _verdict(rules, len(seeds), p, one.interval, one.margin)
        outcome = Outcome(
            claim=claim,
            seeds=seeds,
            volumes=0 if found is None else found.shape[1],
            difference=one.difference,
            interval=one.interval,
            margin=one.margin,
            p=one.p,
            adjusted=p,
            p_at_least=one.p_at_least,
            adjusted_at_least=at_least.get(at, math.nan),
            spread=(math.nan, math.nan, math.nan) if found is None else components(found),
            verdict=said,
        )
        out.append(outcome)
    return out


def components(found: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Estimate the variances of seeds, of volumes and of the rest from paired differences, shape (seeds, volumes)."""
    rows, columns = found.shape
    grand, by_seed, by_volume = found.mean(), found.mean(axis=1), found.mean(axis=0)
    rest = found - by_seed[:, None] - by_volume + grand
    error = float((rest**2).sum() / max((rows - 1) * (columns - 1), 1))
    seeds = max(float(by_seed.var(ddof=1)) - error / columns, 0.0) if rows > 1 else 0.0
    volumes = max(float(by_volume.var(ddof=1)) - error / rows, 0.0) if columns > 1 else 0.0
    return seeds, volumes, error
