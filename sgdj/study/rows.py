"""Rows: what a finished run contributes to the tables, as one JSON file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sgdj.errors import InputError
from sgdj.runs.directory import write_atomically

#: {reconstructor: {condition: {metric: {volume: mean over its samples}}}}
Values = dict[str, dict[str, dict[str, dict[str, float]]]]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured, with what, where: what rows and audits have in common.

    Parameters
    ----------
    experiment, task, scale, architecture, strategy, seed
        What was run.
    level
        Key and value of the strategy's noise level or budget, such as ``{"strategy.sigma": 0.1}``; empty for MSE.
    variant
        What the command line changes beyond its experiment's own choices, such as ``["operator.axis=rows"]``.
    command
        Reproduces the run.
    config_hash, data_hash
        Identity of the run, and of its data.
    data
        "synthetic" or "real".
    commit, machine, threads, versions
        Where the numbers come from.
    """

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
    commit: str
    machine: str
    threads: int
    versions: dict[str, str]

    @property
    def network(self) -> tuple[Any, ...]:
        """What was trained; the same for every evaluation of a network."""
        return (self.task, self.scale, self.architecture, self.strategy, *sorted(self.level.items()), self.seed)

    @property
    def name(self) -> str:
        """File name: unique within an experiment."""
        level = "".join(f"-{key.rsplit('.', 1)[-1]}{value:g}" for key, value in self.level.items())
        changed = "".join(f"-{change.replace('=', '-')}" for change in self.variant)
        if len(changed) > 150:
            changed = f"-{len(self.variant)}-changes"
        return f"{self.task}-{self.architecture}-{self.strategy}{level}-seed{self.seed}{changed}"


@dataclass(frozen=True, kw_only=True)
class Row(Measured):
    """One strategy on one architecture with one seed, as measured by a finished run.

    Parameters
    ----------
    iterations
        K in training.
    samples_hash
        SHA-256 of ``samples.csv``.
    attack
        Settings of the evaluation's attack.
    definitions
        What each metric means.
    budgets
        Mean over volumes, by condition, of ``epsilon`` (absolute) and ``rho`` (‖δ‖ / ‖y‖), as measured.
    values
        Volume means.
    unbelievable
        Conditions under which some sample of the network cannot be believed; see `sgdj.attacks.base.Found`.
    """

    iterations: int
    samples_hash: str
    attack: dict[str, Any]
    definitions: dict[str, str]
    budgets: dict[str, dict[str, float]]
    values: Values
    unbelievable: list[str] = field(default_factory=list)

    def mean(self, condition: str, metric: str = "psnr", reconstructor: str = "network") -> float:
        """Mean over volumes."""
        return float(np.mean(list(self.values[reconstructor][condition][metric].values())))


@dataclass(frozen=True, kw_only=True)
class Audited(Measured):
    """Outcome of an audit of one network.

    Parameters
    ----------
    checks
        Fields of `sgdj.audit.checks.Check`.
    largest, frobenius
        See `sgdj.audit.report.Report`.
    """

    checks: list[dict[str, Any]]
    largest: float | None
    frobenius: float | None

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [check["name"] for check in self.checks if check["status"] == "FAIL"]


def same_network(evaluated: Measured, trained: Measured) -> bool:
    """Whether an evaluation can be of the network that a table shows: their clean PSNR on a volume is the same.

    The same training on another kind of processor ends elsewhere, by up to decibels. Two that share no volume,
    audits, and rows measured in another way than the table's cannot be compared, and pass.
    """
    if evaluated.variant or not (isinstance(evaluated, Row) and isinstance(trained, Row)):
        return True
    one, other = (row.values["network"].get("clean", {}).get("psnr", {}) for row in (evaluated, trained))
    return all(abs(one[volume] - other[volume]) < 1e-3 for volume in one.keys() & other.keys())


def _write(content: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, indent=1, sort_keys=True).encode() + b"\n")


def write(row: Row, times: dict[str, Any], folder: Path) -> None:
    """Write a row under ``rows/`` and its times under ``times/``."""
    for kind, content in (("rows", vars(row)), ("times", times)):
        _write(content, folder / kind / row.experiment / f"{row.name}.json")


def write_audit(audit: Audited, folder: Path) -> None:
    """Write an audit under ``audits/``."""
    _write(vars(audit), folder / "audits" / audit.experiment / f"{audit.name}.json")


def read(folder: Path) -> list[Row]:
    """All rows under ``rows/``, ordered by experiment, architecture, strategy, level and seed.

    Raises
    ------
    InputError
        Naming a file that is no row.
    """
    return sorted((read_row(path) for path in sorted((folder / "rows").glob("*/*.json"))), key=_place)


def read_audits(folder: Path) -> list[Audited]:
    """All audits under ``audits/``, in the order of rows."""
    paths = sorted((folder / "audits").glob("*/*.json"))
    return sorted((Audited(**json.loads(path.read_text())) for path in paths), key=_place)


def _place(measured: Measured) -> tuple[Any, ...]:
    order = ["mse", "adversarial", "input_jitter", "jitter"]
    known = order.index(measured.strategy) if measured.strategy in order else len(order)
    levels = measured.level.values()
    return (measured.experiment, measured.task, measured.architecture, known, measured.strategy, *levels, measured.seed)


def matrix(rows: Sequence[Row], condition: str, metric: str = "psnr") -> np.ndarray:
    """Values of one cell, shape (seeds, volumes); rows must have been measured on the same volumes.

    Raises
    ------
    InputError
        If they were not.
    """
    volumes = list(rows[0].values["network"][condition][metric])
    for row in rows:
        if list(row.values["network"][condition][metric]) != volumes:
            raise InputError("rows measured on different volumes", row.name, "run them on the same data")
    return np.array([[row.values["network"][condition][metric][v] for v in volumes] for row in rows])


def read_row(path: Path) -> Row:
    """One row.

    Raises
    ------
    InputError
        If there is none at this path.
    """
    try:
        return Row(**json.loads(path.read_text()))
    except OSError as error:
        raise InputError("no such row", str(path), "see the names under results/*/rows") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"no row ({error})", str(path), "restore the file, or remove it") from error


def difference(one: Row, other: Row) -> float:
    """Largest difference of a volume's PSNR in dB between two rows of the same cell."""
    pairs = [
        (value, other.values[who][condition]["psnr"][volume])
        for who, conditions in one.values.items()
        for condition, metrics in conditions.items()
        for volume, value in metrics["psnr"].items()
    ]
    return max(abs(a - b) for a, b in pairs)
