"""Define rows and audits: what finished runs contribute to the tables."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sgdj.errors import InputError
from sgdj.evaluation.key import CLEAN, Key
from sgdj.jobs.measured import EXTERNAL

#: Keys of a strategy's noise level or budget, with their symbols.
LEVELS = {"strategy.sigma": "σ", "strategy.attack.rho": "ρ", "strategy.attack.epsilon": "ε"}
#: {reconstructor: {condition: {metric: {volume: mean over its samples}}}}; reconstructors are "network" and "x0".
Values = dict[str, dict[Key, dict[str, dict[str, float]]]]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Origin of measured values, which rows and audits have in common.

    Parameters
    ----------
    run
        Name of the run in the files of `sgdj.study.store`: its configuration hash at the time of measuring.
    experiment, task, scale, architecture, strategy, seed
        Options of the configuration that was run. A reference that was not trained here has the architecture
        `sgdj.jobs.measured.EXTERNAL`, and its own name as its strategy.
    level
        Key and value of the strategy's noise level or budget, such as ``{"strategy.sigma": 0.1}``; empty for MSE.
    variant
        Overrides of the command line beyond its experiment's own choices, such as ``["operator.axis=rows"]``.
    command
        Command line that reproduces the run.
    config_hash, data_hash
        Identity of the run, and of its data.
    data
        Kind of the data, "synthetic" or "real".
    result_version
        Version of this program's numbers, `sgdj.jobs.identity.RESULT_VERSION` at the time of measuring.
    commit, machine, threads, versions
        Commit, processor, number of threads and packages that the numbers come from.
    """

    run: str
    experiment: str
    task: str
    scale: str
    architecture: str
    strategy: str
    seed: int
    level: dict[str, float]
    variant: list[str]
    command: str
    config_hash: str
    data_hash: str
    data: str
    result_version: int
    commit: str
    machine: str
    threads: int
    versions: dict[str, str]

    @property
    def external(self) -> bool:
        """Whether it is a reference: a reconstructor that was not trained here."""
        return self.architecture == EXTERNAL

    @property
    def network(self) -> tuple[object, ...]:
        """Identity of the trained network; the same for every evaluation of it."""
        return (self.task, self.scale, self.architecture, self.strategy, *sorted(self.level.items()), self.seed)

    @property
    def place(self) -> tuple[object, ...]:
        """Cell of the study that it fills, in one version; of two of the same place, the newer replaces the older."""
        return (type(self).__name__, self.result_version, self.experiment, *self.network, *self.variant)

    @property
    def name(self) -> str:
        """Name that no other has within an experiment and a scale."""
        level = "".join(f"-{key.rsplit('.', 1)[-1]}{value:g}" for key, value in self.level.items())
        changed = "".join(f"-{change.replace('=', '-')}" for change in self.variant)
        if len(changed) > 150:
            changed = f"-{len(self.variant)}-changes-{hashlib.sha256(changed.encode()).hexdigest()[:6]}"
        return f"{self.task}-{self.architecture}-{self.strategy}{level}-seed{self.seed}{changed}"


@dataclass(frozen=True, kw_only=True)
class Row(Measured):
    """One strategy on one architecture with one seed, as measured by a finished run.

    Parameters
    ----------
    iterations
        Number of iterations K in training.
    samples_hash
        SHA-256 of ``samples.csv``.
    attack
        Settings of the evaluation's attack.
    definitions
        Definition of each metric, in words.
    budgets
        Mean over volumes, by condition, of ``loss`` (squared error of all entries of a sample) and, where it is
        attacked, of ``epsilon`` (absolute) and ``rho`` (‖δ‖ / ‖y‖), as measured.
    values
        Means over the samples of each volume, by reconstructor, condition and metric.
    unbelievable
        Conditions under which some sample of the network cannot be believed; see `sgdj.attacks.base.Found`.
    times
        Values that differ from one repetition to the next: ``wall_s``, ``training_s``, ``steps``, ``peak_memory_mib``.
    """

    iterations: int
    samples_hash: str
    attack: dict[str, object]
    definitions: dict[str, str]
    budgets: dict[Key, dict[str, float]]
    values: Values
    unbelievable: list[Key] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)

    def mean(self, condition: Key, metric: str = "psnr", reconstructor: str = "network") -> float:
        """Return the mean over volumes of a metric under a condition."""
        return float(np.mean(list(self.values[reconstructor][condition][metric].values())))


@dataclass(frozen=True, kw_only=True)
class Audited(Measured):
    """Outcome of an audit of one network.

    Parameters
    ----------
    checks
        Fields of `sgdj.audit.checks.Check`, one mapping per check.
    largest, frobenius
        Sensitivities of the network, see `sgdj.audit.report.Report`.
    """

    checks: list[dict[str, str | int]]
    largest: float | None
    frobenius: float | None

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [str(check["name"]) for check in self.checks if check["status"] == "FAIL"]


def same_network(evaluated: Measured, trained: Measured) -> bool:
    """Check whether an evaluation can be of the network that a table shows: their clean PSNR on a volume is the same.

    The same training on another kind of processor ends elsewhere, by up to decibels. Two that share no volume, audits,
    and rows measured in another way than the table's cannot be compared, and pass.
    """
    if evaluated.variant or not (isinstance(evaluated, Row) and isinstance(trained, Row)):
        return True
    one, other = (row.values["network"].get(CLEAN, {}).get("psnr", {}) for row in (evaluated, trained))
    return all(abs(one[volume] - other[volume]) < 1e-3 for volume in one.keys() & other.keys())


def matrix(rows: Sequence[Row], condition: Key, metric: str = "psnr") -> npt.NDArray[np.float64]:
    """Collect the values of one cell as a matrix; rows must have been measured on the same volumes.

    Parameters
    ----------
    rows
        Rows of one cell, one per seed.
    condition
        Condition of the values.
    metric
        Metric of the values.

    Returns
    -------
    np.ndarray
        Values, shape (seeds, volumes).

    Raises
    ------
    InputError
        If the volumes differ.
    """
    volumes = list(rows[0].values["network"][condition][metric])
    for row in rows:
        if list(row.values["network"][condition][metric]) != volumes:
            raise InputError("rows measured on different volumes", row.name, "run them on the same data")
    return np.array([[row.values["network"][condition][metric][v] for v in volumes] for row in rows])


def difference(one: Row, other: Row) -> float:
    """Return the largest difference of a volume's PSNR in dB between two rows of the same cell."""
    pairs = [
        (value, other.values[who][condition]["psnr"][volume])
        for who, conditions in one.values.items()
        for condition, metrics in conditions.items()
        for volume, value in metrics["psnr"].items()
    ]
    return max(abs(a - b) for a, b in pairs)
