"""Rows: what a finished run contributes to the tables, as one JSON file."""

import csv
import hashlib
import json
import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sgdj.config import YOUNGER
from sgdj.errors import InputError
from sgdj.nodes import get
from sgdj.reporting.runs import RunView, view
from sgdj.run_directory import write_atomically
from sgdj.statistics import volume_averages

METRICS = ("psnr", "ssim", "nmse", "local_psnr")
_COMPARED = ("psnr", "ssim", "nmse")  # whose definitions must agree within a table

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
    """

    iterations: int
    samples_hash: str
    attack: dict[str, Any]
    definitions: dict[str, str]
    budgets: dict[str, dict[str, float]]
    values: Values

    def mean(self, condition: str, metric: str = "psnr", reconstructor: str = "network") -> float:
        """Mean over volumes."""
        return float(np.mean(list(self.values[reconstructor][condition][metric].values())))


@dataclass(frozen=True, kw_only=True)
class Audited(Measured):
    """Outcome of an audit of one network.

    Parameters
    ----------
    checks
        Fields of `sgdj.attacks.audit.Check`.
    largest, frobenius
        See `sgdj.auditing.Report`.
    """

    checks: list[dict[str, Any]]
    largest: float | None
    frobenius: float | None

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [check["name"] for check in self.checks if check["status"] == "FAIL"]


def level(config: dict[str, Any]) -> dict[str, float]:
    """Noise level or budget of a configuration's strategy."""
    keys = ("strategy.sigma", "strategy.attack.rho", "strategy.attack.epsilon")
    return {key: value for key in keys if (value := get(config, key)) is not None}


#: What a command line may set without leaving its experiment.
_FREE = {"experiment", "scale", "seed", "architecture", "strategy", "sigma", "strategy.attack.rho", "task"}
_ASIDE = {"output_dir", "logger", "device", "force", "resume", "mode", "checkpoint"}


def _variant(command: str) -> list[str]:
    given = shlex.split(command)[2:]
    return sorted(o.lstrip("+") for o in given if o.lstrip("+").split("=")[0] not in _FREE | _ASIDE)


def _without_younger(node: dict[str, Any], key: str) -> dict[str, Any]:
    """A node without settings that are younger than other rows and stand at the value that those had."""
    unset = object()
    return {name: value for name, value in node.items() if YOUNGER.get(f"{key}.{name}", unset) != value}


def _read_samples(path: Path) -> tuple[Values, dict[str, dict[str, float]]]:
    cells: dict[tuple[str, str, str], list[tuple[str, float]]] = defaultdict(list)
    budgets: dict[str, dict[str, list[tuple[str, float]]]] = defaultdict(lambda: defaultdict(list))
    with path.open() as file:
        for line in csv.DictReader(file):
            who, condition, volume = line["reconstructor"], line["condition"], line["volume"]
            for metric in METRICS:
                if line.get(metric):
                    cells[who, condition, metric].append((volume, float(line[metric])))
            if who == "network":
                budgets[condition]["epsilon"].append((volume, float(line["epsilon"])))
                budgets[condition]["rho"].append((volume, float(line["delta_norm"]) / float(line["y_norm"])))
    values: Values = defaultdict(lambda: defaultdict(dict))
    for (who, condition, metric), pairs in cells.items():
        values[who][condition][metric] = volume_averages(pairs)
    means = {
        condition: {name: float(np.mean(list(volume_averages(pairs).values()))) for name, pairs in entry.items()}
        for condition, entry in budgets.items()
    }
    return values, means


def _finished(folder: Path, file: str) -> tuple[RunView, Path]:
    run, path = view(folder), folder / "evaluation" / file
    if run.record.get("status") != "finished" or not path.is_file():
        raise InputError(f"the run is {run.record.get('status')}", str(folder), "run it to its end first")
    return run, path


def _common(run: RunView, experiment: str) -> dict[str, Any]:
    """Fields of `Measured`."""
    record, config = run.record, run.config
    return {
        "experiment": experiment,
        "task": config["task"],
        "scale": config["scale"],
        "architecture": config["architecture"]["name"],
        "strategy": config["strategy"]["name"],
        "seed": config["seed"],
        "level": level(config),
        "variant": _variant(record["command"]),
        "command": record["command"],
        "config_hash": record["config_hash"],
        "data_hash": record["data_hash"],
        "data": record["data"],
        "commit": record["commit"] or "unknown",
        "machine": f"{record['device']}, {record['machine']}",
        "threads": record["threads"],
        "versions": record["versions"],
    }


def collect(folder: Path, experiment: str) -> tuple[Row, dict[str, Any]]:
    """Read a finished run directory.

    Returns
    -------
    tuple
        The row, and what differs from one repetition to the next: its times.

    Raises
    ------
    InputError
        If the run is not finished.
    """
    run, path = _finished(folder, "samples.csv")
    values, budgets = _read_samples(path)
    row = Row(
        **_common(run, experiment),
        iterations=run.config["architecture"].get("iterations", 0),
        samples_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
        attack=_without_younger(run.config["attack"], "attack"),
        definitions={name: run.summary["definitions"][name] for name in _COMPARED},
        budgets=budgets,
        values=values,
    )
    log = folder / "metrics.jsonl"  # an evaluation has none
    metrics = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    times = {
        "wall_s": run.record["wall_s"],
        "training_s": round(sum(line["seconds"] for line in metrics), 3),
        "steps": metrics[-1]["global_step"] if metrics else 0,
        "peak_memory_mib": run.record["peak_memory_mib"],
    }
    return row, times


def collect_audit(folder: Path, experiment: str) -> Audited:
    """Read the run directory of an audit.

    Raises
    ------
    InputError
        If it is not finished.
    """
    run, path = _finished(folder, "audit.json")
    report = json.loads(path.read_text())
    return Audited(
        **_common(run, experiment),
        checks=report["checks"],
        largest=report["largest"],
        frobenius=report["frobenius"],
    )


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


def collect_new(outputs: Path, folder: Path, scale: str, seeds: Sequence[int]) -> list[str]:
    """Write a row for every finished run of an experiment that has none yet.

    Runs whose command line changes more than the experiment leaves open are no rows of it, and are passed over.
    """
    have = {row.config_hash for row in read(folder)}
    added = []
    for path in sorted(outputs.rglob("run.json")):
        run = view(path.parent)
        record = run.record
        experiment = str(record.get("experiment"))
        plain = experiment == "deviations" or not _variant(str(record.get("command", "")))
        fits = run.facts["scale"] == scale and plain and record.get("status") == "finished"
        known = experiment.startswith(("table_", "figure_", "selection", "deviations"))
        if not fits or not known or record["config_hash"] in have:
            continue
        if experiment not in ("figure_sigma", "selection", "deviations") and run.config["seed"] not in seeds:
            continue
        row, times = collect(path.parent, experiment)
        if not (folder / "rows" / experiment / f"{row.name}.json").exists():
            write(row, times, folder)
            added.append(f"{experiment}/{row.name}")
    return added
