"""Turn finished run directories into rows and audits."""

import csv
import hashlib
import json
import shlex
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sgdj.config.nodes import get
from sgdj.config.search_path import config_options
from sgdj.errors import InputError
from sgdj.evaluation.key import Key
from sgdj.jobs import measured
from sgdj.jobs.identity import RESULT_VERSION, without_defaults
from sgdj.jobs.measured import EXTERNAL
from sgdj.jobs.roles import is_variant
from sgdj.metrics.volumes import volume_averages
from sgdj.runs.catalogue import RunView, current_name, former_name, view
from sgdj.runtime.text import from_cell
from sgdj.study.paper import ANY_SEED, EXPERIMENTS, WITH_REFERENCES
from sgdj.study.rows import LEVELS, Audited, Measured, Row, Values
from sgdj.study.store import METRICS, read, read_audits, write

_COMPARED = ("psnr", "ssim", "nmse")  # metrics whose definitions must agree within a table


def level(config: dict[str, object]) -> dict[str, float]:
    """Noise level or budget of a configuration's strategy."""
    return {key: value for key in LEVELS if (value := get(config, key)) is not None}


def _variant(command: str) -> list[str]:
    """Return what a command line changes beyond its experiment's own choices."""
    given = [override.lstrip("+") for override in shlex.split(command)[2:]]
    keys = [override.partition("=")[0] for override in given]
    # another data set stays in the experiment: `_clash` holds a table to one; so do the settings of a reference, which
    # are part of its name; an audit's settings leave it
    free = [key == "dataset" or key.startswith("reconstructor_settings") for key in keys]
    changes = [not f and (is_variant(k) or k.startswith("audit.")) for f, k in zip(free, keys, strict=True)]
    return sorted(override for override, changed in zip(given, changes, strict=True) if changed)


#: Columns of `samples.csv` that are younger than other rows, the youngest last, by the version that added them.
_YOUNGER_COLUMNS = ((b"believable",), (b"factor", b"shift_level", b"iterations"))


def samples_hash(path: Path) -> str:
    """Compute SHA-256 of ``samples.csv``."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def older_samples_hashes(path: Path) -> list[str]:
    """Compute SHA-256 of ``samples.csv`` in its older forms: without younger columns, and with x0's former name."""
    lines, former = path.read_bytes().split(b"\r\n"), former_name("x0").encode()
    found = []
    for names in reversed(_YOUNGER_COLUMNS):
        if lines[0].endswith(b"," + b",".join(names)):
            lines = [line.rsplit(b",", len(names))[0] for line in lines]
        older = (former + line.removeprefix(b"x0") if line.startswith(b"x0,") else line for line in lines)
        found.append(hashlib.sha256(b"\r\n".join(older)).hexdigest())
    return found


def _key(line: dict[str, str]) -> Key:
    """Return the condition of a line of ``samples.csv``, from its columns or, in older files, its name."""
    name, attack, shift = (from_cell(line[column]) for column in ("condition", "attack", "shift"))
    if "factor" in line:
        factor, level, iterations = (line[column] for column in ("factor", "shift_level", "iterations"))
    else:
        factor = (name.removeprefix(attack).removeprefix("-x") or "1") if attack else ""
        level = name.removeprefix(shift).removeprefix("@") if shift else ""
        iterations = "" if attack or shift else name.removeprefix("clean").removeprefix("-K")
    return Key(
        attack,
        float(factor) if factor else None,
        shift,
        float(level) if level else None,
        int(iterations) if iterations else None,
    )


def _read_samples(path: Path) -> tuple[Values, dict[Key, dict[str, float]], list[Key]]:
    cells: dict[tuple[str, Key, str], list[tuple[str, float]]] = defaultdict(list)
    budgets: dict[Key, dict[str, list[tuple[str, float]]]] = defaultdict(lambda: defaultdict(list))
    unbelievable: dict[Key, None] = {}
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            who, key, volume = current_name(from_cell(line["reconstructor"])), _key(line), from_cell(line["volume"])
            for metric in METRICS:
                if line.get(metric):
                    cells[who, key, metric].append((volume, float(line[metric])))
            if who == "network":
                if line.get("believable") == "0":
                    unbelievable[key] = None
                budgets[key]["loss"].append((volume, float(line["loss"])))
                if key.attack:
                    budgets[key]["epsilon"].append((volume, float(line["epsilon"])))
                    if line["delta_norm"] and float(line["y_norm"]):  # a measurement of zeros has no ρ
                        budgets[key]["rho"].append((volume, float(line["delta_norm"]) / float(line["y_norm"])))
    values: Values = defaultdict(lambda: defaultdict(dict))
    for (who, key, metric), pairs in cells.items():
        values[who][key][metric] = volume_averages(pairs)
    means = {
        key: {name: float(np.mean(list(volume_averages(pairs).values()))) for name, pairs in entry.items()}
        for key, entry in budgets.items()
    }
    return {who: dict(found) for who, found in values.items()}, means, list(unbelievable)


def _finished(folder: Path, file: str) -> tuple[RunView, Path]:
    run, path = view(folder), folder / "evaluation" / file
    if run.record.get("status") != "finished" or not path.is_file():
        raise InputError(f"the run is {run.record.get('status')}", str(folder), "run it to its end first")
    return run, path


def result_version(run: RunView) -> int:
    """Return the result version of the program that did a run; records from before there were others have none."""
    found = run.record.get("result_version", 1)
    return found if isinstance(found, int) else 1


def _needed(run: RunView, key: str) -> Any:
    """The value under a dotted key of a run's configuration.

    Raises
    ------
    KeyError
        If there is none.
    """
    if (value := run.setting(key)) is None:
        raise KeyError(key)
    return value


def _common(run: RunView, experiment: str) -> dict[str, Any]:
    """Return the fields of `Measured`."""
    record = run.record
    architecture, strategy = measured.names(run.config)
    return {
        "run": record["config_hash"],
        "experiment": experiment,
        "task": _needed(run, "task"),
        "scale": _needed(run, "scale"),
        "architecture": architecture,
        "strategy": strategy,
        "seed": _needed(run, "seed"),
        "level": {} if architecture == EXTERNAL else level(run.config),
        "variant": _variant(record["command"]),
        "command": record["command"],
        "config_hash": record["config_hash"],
        "data_hash": record["data_hash"],
        "data": record["data"],
        "result_version": result_version(run),
        "commit": record["commit"] or "unknown",
        "machine": f"{record['device']}, {record['machine']}",
        "threads": record["threads"],
        "versions": record["versions"],
    }


def _iterations(run: RunView) -> int:
    """K of an unrolled network; 0 of others."""
    found = None if _is_reference(run) else run.setting("architecture.iterations")
    return found if isinstance(found, int) else 0


def _is_reference(run: RunView) -> bool:
    """Whether a run measured a reconstructor that was not trained here."""
    return run.setting("reconstructor") is not None


def collect(folder: Path, experiment: str) -> Row:
    """Read a finished run directory.

    Parameters
    ----------
    folder
        Folder of the run.
    experiment
        Experiment that it belongs to.

    Returns
    -------
    Row
        Volume means and their origin.

    Raises
    ------
    InputError
        If the run is not finished.
    """
    run, path = _finished(folder, "samples.csv")
    values, budgets, unbelievable = _read_samples(path)
    log = folder / "metrics.jsonl"  # an evaluation has none
    metrics = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    return Row(
        **_common(run, experiment),
        iterations=_iterations(run),
        samples_hash=samples_hash(path),
        attack=without_defaults("attack", _needed(run, "attack")),
        definitions={name: run.summary["definitions"][name] for name in _COMPARED},
        budgets=budgets,
        values=values,
        unbelievable=unbelievable,
        times={
            "wall_s": run.record["wall_s"],
            "training_s": _training_time([line["seconds"] for line in metrics]),
            "steps": metrics[-1]["global_step"] if metrics else 0,
            "peak_memory_mib": run.record["peak_memory_mib"],
        },
    )


def _training_time(seconds: Sequence[float | None]) -> float:
    """Sum the seconds of all epochs; an epoch whose time is lost counts as much as the others' mean."""
    known = [value for value in seconds if value is not None]
    return round(sum(known) * len(seconds) / len(known), 3) if known else 0.0


def collect_audit(folder: Path, experiment: str) -> Audited:
    """Read the run directory of an audit.

    Parameters
    ----------
    folder
        Folder of the run.
    experiment
        Experiment that it belongs to.

    Returns
    -------
    Audited
        Outcome of the audit and its origin.

    Raises
    ------
    InputError
        If the audit is not finished.
    """
    run, path = _finished(folder, "audit.json")
    report = json.loads(path.read_text())
    return Audited(
        **_common(run, experiment),
        checks=report["checks"],
        largest=report["largest"],
        frobenius=report["frobenius"],
    )


def _plugins(run: RunView) -> list[str]:
    named = run.setting("plugins")
    return [str(name) for name in named] if isinstance(named, list) else []


def _unfit(run: RunView, scale: str, seeds: Sequence[int]) -> str | None:
    """Say why a run belongs to no table of a scale and some seeds; None if it does."""
    experiment = str(run.record.get("experiment"))
    if not run.config or "config_hash" not in run.record:
        return "run.json or config.yaml is damaged"
    if not experiment.startswith(EXPERIMENTS):
        return f"its experiment, {experiment}, has no table"
    if _is_reference(run) and not experiment.startswith(WITH_REFERENCES):
        return f"{experiment} shows trained networks alone, and this is a reconstructor from outside"
    table = f"table_{run.config.get('task')}"
    if experiment.startswith("table_") and experiment != table:
        return f"its task, {run.config.get('task')}, is not that of {experiment}"
    if table not in config_options("experiment", _plugins(run)):
        return f"its task, {run.config.get('task')}, has no table: there is no experiment {table}"
    if run.facts["scale"] != scale:
        return f"its scale is {run.facts['scale']}, not {scale}"
    if run.status != "finished":
        return f"it is {run.status}"
    if experiment not in ANY_SEED and run.setting("seed") not in seeds:
        return f"its seed, {run.setting('seed')}, is none of {', '.join(map(str, seeds))}"
    if (version := result_version(run)) != RESULT_VERSION:
        return f"it was measured with result version {version}, this program's is {RESULT_VERSION}"
    changed = [] if experiment == "deviations" else _variant(str(run.record.get("command", "")))
    return f"its command changes more than {experiment} leaves open: {' '.join(changed)}" if changed else None


def _clash(one: Measured, known: Sequence[Measured]) -> str | None:
    """Say why a run cannot stand beside the known ones; None if it can."""
    if any(other.place == one.place for other in known):
        return "there is another run of its configuration, on other data or with other settings"
    beside = [other for other in known if (other.experiment, other.task) == (one.experiment, one.task)]
    if one.experiment.startswith("table_") and any(other.data_hash != one.data_hash for other in beside):
        return f"its data are not those of the other rows of {one.experiment}"
    return None


def collect_new(outputs: Path, folder: Path, scale: str, seeds: Sequence[int]) -> tuple[list[str], list[str]]:
    """Write a row, or an audit, for every finished run of the study that has none yet.

    Parameters
    ----------
    outputs
        Folder with run directories.
    folder
        Folder of the study's rows.
    scale
        Scale of the study, such as "small".
    seeds
        Seeds of the study.

    Returns
    -------
    tuple
        Names of what was added; and lines that name what was passed over, with the reason. Runs of no experiment are
        only counted.
    """
    known: list[Measured] = [*read(folder), *read_audits(folder)]
    shown = {one.config_hash for one in known}
    added, passed, other = [], [], 0
    for path in sorted(outputs.rglob("run.json")):
        run = view(path.parent)
        if str(run.record.get("config_hash")) in shown:
            continue
        if run.record.get("experiment") is None and run.config:
            other += 1
            continue
        why = _unfit(run, scale, seeds)
        if why is None:
            experiment = str(run.record["experiment"])
            try:
                collected = collect_audit if experiment.startswith("audit_") else collect
                one: Measured = collected(path.parent, experiment)
            except (InputError, KeyError, TypeError, ValueError) as error:
                why = f"it cannot be read ({error})"
            else:
                why = _clash(one, known)
        if why is None:
            write(one, folder)
            known.append(one)
            shown.add(one.config_hash)
            added.append(f"{one.experiment}/{one.name}")
        else:
            passed.append(f"{path.parent}: {why}")
    return added, passed + ([f"{other} runs of no experiment"] if other else [])
