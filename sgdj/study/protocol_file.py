"""What the YAML file of a protocol may say: a study that decides regime, levels, tables and claims stage by stage."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sgdj.config.messages import told
from sgdj.config.nodes import leaves, nearest
from sgdj.config.types import STRICT, Count, Name, NonEmpty, NonNegative, Positive, Seed
from sgdj.errors import InputError, InputErrors
from sgdj.jobs.plain_yaml import parse_mapping
from sgdj.study.own_file import in_file

#: Columns of claims in the order of the tables, with what a claim says of them.
COLUMNS = {
    "clean": "",
    "shifted": " out of distribution",
    "noisy": " under more noise",
    "random": " under random perturbations of the attack's norm",
    "attacked": " under attack",
}
LARGEST_FAMILY = 25  # ten seeds carry no more: 2 / 2¹⁰ · 25 < 0.05
PILOT = (0, 1)  # seeds that were seen before

Interval = tuple[float, float]
Lines = list[NonEmpty]


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Draw:
    """Seed of the data that nobody picked: the first eight hexadecimal digits of SHA-256 of a text."""

    text: NonEmpty
    seed: Seed


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Seeds:
    """Seeds of the trainings of each stage; none serves two stages."""

    regime: Annotated[list[Seed], Field(min_length=1)]
    levels: Annotated[list[Seed], Field(min_length=1)]
    tables: Annotated[list[Seed], Field(min_length=1)]


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Candidate:
    """Regime that may be chosen, by what it changes in a training."""

    name: NonEmpty
    overrides: Lines


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Targets:
    """What a regime should cost the baseline, in dB of PSNR.

    Parameters
    ----------
    attack
        Least and largest cost of the attack.
    aim
        Cost that the budget is chosen for.
    shift
        Least cost of a shift.
    generalisation
        Least loss of gain from training images to validation data.
    noise
        Least and largest cost of the noise.
    """

    attack: Interval
    aim: Positive
    shift: NonNegative
    generalisation: NonNegative
    noise: Interval


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Regime:
    """Candidates for the regime, in order of cost, and what is measured of each.

    Parameters
    ----------
    overrides
        Overrides of all candidates: the baseline's strategy and architecture, and attack.rho, the unit of budgets.
    candidates
        Regimes in order of cost.
    budgets
        Multiples of attack.rho.
    shifts
        Shifts in the order in which they are preferred.
    noise
        Multiples of the noise in training.
    targets
        What a regime should cost.
    """

    overrides: Lines
    candidates: Annotated[list[Candidate], Field(min_length=1)]
    budgets: Annotated[list[Positive], Field(min_length=1)]
    shifts: Annotated[list[Name], Field(min_length=1)]
    noise: Annotated[list[Positive], Field(min_length=1)]
    targets: Targets


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Attack:
    """Number of steps of the attack: the fewest whose doubling adds less than a share of the loss.

    Parameters
    ----------
    steps
        Numbers of steps, each twice the one before.
    gain
        Share of the loss.
    check
        Number of test volumes on which it is checked for every strategy.
    tolerance
        Loss of PSNR in dB that twice the steps may add there; above it the attack has not converged.
    """

    steps: Annotated[list[Count], Field(min_length=2)]
    gain: Positive
    check: Count
    tolerance: Positive


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Levels:
    """How levels are chosen.

    Parameters
    ----------
    steps
        Steps of the attack on validation data.
    best
        Number of candidates that are trained with all seeds.
    extensions
        Number of levels beyond the given ones that may be tried.
    """

    steps: Count
    best: Count
    extensions: int


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Tables:
    """What is measured beside the tables, and kept.

    Parameters
    ----------
    curve
        Multiples of the attack's budget.
    curve_seeds, curve_volumes
        Number of seeds and of volumes of the curves.
    weights
        Number of seeds whose trained weights are kept.
    """

    curve: list[Positive]
    curve_seeds: Annotated[int, Field(ge=0)]
    curve_volumes: Count
    weights: Annotated[int, Field(ge=0)]


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Statistics:
    """Constants of the verdicts; see `sgdj.study.verdicts`.

    Parameters
    ----------
    alpha
        Level of the tests.
    seeds
        Fewest seeds of a verdict.
    margin, fine
        Margin in dB, and that of comparisons whose interval is narrow.
    fine_from
        Half-width of an interval in dB from which on it is narrow.
    stake
        Least cost of a column in dB at which the absence of a difference there falsifies a claim.
    draws
        Resamples of the bootstrap.
    """

    alpha: Positive
    seeds: Count
    margin: Positive
    fine: Positive
    fine_from: Positive
    stake: Positive
    draws: Count


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Level:
    """Levels that are tried of a strategy, rising by one factor.

    Parameters
    ----------
    key
        Key of the level, such as ``sigma``.
    values
        Values that are tried, rising.
    """

    key: NonEmpty
    values: Annotated[list[Positive], Field(min_length=2)]

    @property
    def factor(self) -> float:
        """Ratio of neighbours, mean over all."""
        return float((self.values[-1] / self.values[0]) ** (1 / (len(self.values) - 1)))


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Network:
    """Strategy of a part, with its candidates.

    Parameters
    ----------
    label
        Name in tables and claims.
    overrides
        Overrides of the strategy.
    level
        Levels that are tried.
    choices
        Sets of overrides that are tried, where there is no single level.
    """

    label: NonEmpty
    overrides: Lines
    level: Level | None = None
    choices: list[Lines] = Field(default_factory=list)


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Hypothesis:
    """Claim that one network has the higher PSNR in a column.

    Parameters
    ----------
    better, worse
        Labels of the two networks.
    column
        Column in which they are compared, of `COLUMNS`.
    at_least
        Whether it is claimed that the first is not relevantly worse, in place of better.
    """

    better: NonEmpty
    worse: NonEmpty
    column: NonEmpty
    at_least: bool = False

    @property
    def text(self) -> str:
        """The claim as a sentence."""
        compared = f"at least as accurate as {self.worse}" if self.at_least else f"more accurate than {self.worse}"
        return f"{self.better} is {compared}{COLUMNS.get(self.column, '')}"


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Part:
    """Networks that share a table, and the one family of claims about them.

    Parameters
    ----------
    name
        Name of the part.
    overrides
        Overrides of all its networks.
    networks
        Rows of its table.
    claims
        Family of claims, tested together.
    """

    name: Name
    overrides: Lines
    networks: Annotated[list[Network], Field(min_length=1)]
    claims: Annotated[list[Hypothesis], Field(max_length=LARGEST_FAMILY)]


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Protocol:
    """Content of the file.

    Parameters
    ----------
    title
        Title of the documents.
    sha256
        Digest of the file's bytes, comments included.
    scale
        Scale of all runs.
    disclosure, exclusions, cuts
        What was seen before, what leaves a row out, and what is left out first; for readers.
    draw
        Seed of the data.
    overrides
        Overrides of all runs.
    seeds
        Seeds of the trainings, by stage.
    regime, attack, levels, tables, statistics
        Rules of the stages.
    parts
        Tables with their families of claims, in the order in which they are done.
    """

    title: NonEmpty
    sha256: NonEmpty
    scale: Name
    disclosure: Lines
    exclusions: Lines
    cuts: Lines
    draw: Draw
    overrides: Lines
    seeds: Seeds
    regime: Regime
    attack: Attack
    levels: Levels
    tables: Tables
    statistics: Statistics
    parts: Annotated[list[Part], Field(min_length=1)]


def _load(path: Path) -> dict[str, object]:
    if not path.is_file():
        raise InputError("no such file", str(path), "name the YAML file of a study")
    return parse_mapping(path.read_bytes(), str(path), "see docs/results.md, A study of your own")


def is_protocol(path: Path) -> bool:
    """Check whether the file of a study is a protocol, whose stages decide one after another."""
    return path.is_file() and "regime" in _load(path)


def read(path: Path) -> Protocol:
    """Read and check the file of a protocol.

    Parameters
    ----------
    path
        YAML file of the protocol.

    Returns
    -------
    Protocol
        What the file says, of the right types.

    Raises
    ------
    InputError
        If it cannot be read.
    InputErrors
        If it has mistakes, with every one.
    """
    loaded = _load(path) | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    try:
        protocol: Protocol = TypeAdapter(Protocol).validate_json(json.dumps(loaded))
    except ValidationError as error:
        known = [*Protocol.__dataclass_fields__, *(key for key, _ in leaves(loaded))]
        raise InputErrors([in_file(path, mistake) for mistake in told(error, "", known)]) from error
    mistakes = [in_file(path, mistake) for mistake in _mistakes(protocol)]
    if mistakes:
        raise InputErrors(mistakes)
    return protocol


def _mistakes(protocol: Protocol) -> list[InputError]:
    """List what single values do not show."""
    found = []
    drawn = int(hashlib.sha256(protocol.draw.text.encode()).hexdigest()[:8], 16)
    if drawn != protocol.draw.seed:
        found.append(InputError(f"{protocol.draw.seed} is not drawn from the text", "draw.seed", f"it gives {drawn}"))
    if f"dataset.seed={protocol.draw.seed}" not in protocol.overrides:
        found.append(InputError("the data are not drawn from it", "draw.seed", "add dataset.seed=… to overrides"))
    stages = {name: getattr(protocol.seeds, name) for name in ("regime", "levels", "tables")}
    every = [seed for seeds in stages.values() for seed in seeds]
    for name, seeds in stages.items():
        if any(every.count(seed) > 1 for seed in seeds):
            found.append(InputError("a seed serves twice", f"seeds.{name}", "give every stage seeds of its own"))
        if set(seeds) & set(PILOT):
            found.append(InputError("a seed of the pilot", f"seeds.{name}", "choose others than 0 and 1"))
    if any(b != 2 * a for a, b in zip(protocol.attack.steps, protocol.attack.steps[1:], strict=False)):
        found.append(InputError("a number is not twice the one before", "attack.steps", "double it each time"))
    for number, part in enumerate(protocol.parts):
        labels = [network.label for network in part.networks]
        for at, network in enumerate(part.networks):
            where = f"parts.{number}.networks.{at}"
            if (network.level is None) == (not network.choices):
                found.append(InputError("one of level and choices is needed", where, "give one of them"))
            if labels.count(network.label) > 1:
                found.append(InputError(f"two are called {network.label}", where, "give each a label of its own"))
            if network.level is not None and network.level.values != sorted(set(network.level.values)):
                found.append(InputError("levels must rise", f"{where}.level.values", "sort them"))
        for at, claim in enumerate(part.claims):
            where = f"parts.{number}.claims.{at}"
            for side in ("better", "worse"):
                name = getattr(claim, side)
                if name not in labels:
                    found.append(InputError(f"no network is called {name}", f"{where}.{side}", nearest(name, labels)))
            if claim.column not in COLUMNS:
                mend = nearest(claim.column, list(COLUMNS))
                found.append(InputError(f"no column is called {claim.column}", f"{where}.column", mend))
        members = [(claim.better, claim.worse, claim.column) for claim in part.claims]
        if len(set(members)) < len(members):
            found.append(InputError("a claim stands twice", f"parts.{number}.claims", "leave one out"))
    return found
