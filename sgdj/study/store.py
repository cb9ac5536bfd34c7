"""Store the evidence as CSV files: runs, their values volume by volume, budgets, starting points and audits.

``runs.csv`` has a line for every row and audit; ``<experiment>.csv`` the values of its networks, one volume to a line;
``x0.csv`` those of the starting points, each distinct set once; ``budgets.csv`` budgets and losses; ``audits.csv``
the checks. Lines are sorted, so that changes show line by line. A finished run leaves its lines in a file of its own
under ``new/``, until `fold` brings them into the others.
"""

import csv
import hashlib
import io
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sgdj.errors import InputError
from sgdj.evaluation.key import Key
from sgdj.runtime.text import cell, file_name, from_cell
from sgdj.runtime.writing import write_atomically
from sgdj.study.paper import STRATEGIES
from sgdj.study.rows import Audited, Measured, Row

METRICS = ("psnr", "ssim", "nmse", "local_psnr")
TIMES = ("wall_s", "training_s", "steps", "peak_memory_mib")

_RESTORE = "restore the file, for example with git"
_CONDITION = ("attack", "factor", "shift", "level", "iterations")
_STRUCTURED = ("level", "variant", "versions", "attack", "definitions", "unbelievable")
RUNS = (
    "run", "kind", *(field.name for field in fields(Measured) if field.name != "run"), "iterations", "samples_hash",
    "attack", "definitions", "unbelievable", "x0", *TIMES, "largest", "frobenius",
)  # fmt: skip
#: Columns of ``runs.csv`` from before rows carried their result version, which was 1.
_FORMER_RUNS = tuple(name for name in RUNS if name != "result_version")
BUDGETS = ("epsilon", "rho", "loss")
#: Columns of ``budgets.csv`` from before rows carried the loss.
_FORMER_BUDGETS = ("run", *_CONDITION, "epsilon", "rho")
VALUES = ("run", *_CONDITION, "volume", *METRICS)
#: Columns by name of the file.
COLUMNS = {
    "runs": RUNS,
    "budgets": ("run", *_CONDITION, *BUDGETS),
    "x0": ("x0", *_CONDITION, "volume", *METRICS),
    "audits": ("run", "number", "name", "status", "value", "rule", "self_test"),
}

Line = tuple[str, ...]
#: What one run contributes: its line of ``runs.csv``, and lines, without the run's name, of the other files.
Entry = dict[str, Any]


def _number(value: float | None) -> str:
    """Write a number as the shortest text that gives it back, without the .0 of a whole one; empty for None."""
    return "" if value is None else repr(float(value)).removesuffix(".0")


def _measured(value: float) -> str:
    """Write a measured number; single precision needs nine digits at most, anything finer gets seventeen."""
    single = np.float32(value)
    return str(single).removesuffix(".0") if float(single) == value else f"{value:.16e}"


def _from_measured(text: str) -> float:
    return float(text) if len(text) > 20 else float(np.float32(text))


def _condition(key: Key) -> Line:
    return cell(key.attack), _number(key.factor), cell(key.shift), _number(key.level), _number(key.iterations)


@lru_cache
def _key(texts: Line) -> Key:
    attack, factor, shift, level, iterations = texts
    return Key(
        from_cell(attack),
        float(factor) if factor else None,
        from_cell(shift),
        float(level) if level else None,
        int(iterations) if iterations else None,
    )


def _place(key: Key) -> tuple[object, ...]:
    return tuple(-math.inf if value is None else value for value in key)


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _value_lines(values: dict[Key, dict[str, dict[str, float]]]) -> list[Line]:
    lines = []
    for key in sorted(values, key=_place):
        metrics, condition = values[key], _condition(key)
        for volume in sorted({volume for by_volume in metrics.values() for volume in by_volume}):
            found = [metrics.get(metric, {}).get(volume) for metric in METRICS]
            texts = ("" if value is None else _measured(value) for value in found)
            lines.append((*condition, cell(volume), *texts))
    return lines


def _values(lines: Sequence[Line]) -> dict[Key, dict[str, dict[str, float]]]:
    values: dict[Key, dict[str, dict[str, float]]] = {}
    size = len(_CONDITION)
    for line in lines:
        metrics = values.setdefault(_key(tuple(line[:size])), {})
        volume = from_cell(line[size])
        for metric, text in zip(METRICS, line[size + 1 :], strict=True):
            if text:
                metrics.setdefault(metric, {})[volume] = _from_measured(text)
    return values


def _entry(one: Measured) -> Entry:
    """Turn a row or an audit into lines."""
    run: dict[str, Any] = {name: getattr(one, name) for name in RUNS if hasattr(one, name)}
    run |= {name: _compact(run[name]) for name in _STRUCTURED if name in run}
    entry: Entry = {}
    if isinstance(one, Row):
        start = _value_lines(one.values.get("x0", {}))
        run |= {"kind": "row"} | {name: _number(one.times.get(name)) for name in TIMES}
        run["x0"] = hashlib.sha256(_compact(start).encode()).hexdigest()[:12] if start else ""
        entry["values"], entry["x0"] = _value_lines(one.values["network"]), start
        entry["budgets"] = [
            (*_condition(key), *(_number(one.budgets[key].get(name)) for name in BUDGETS))
            for key in sorted(one.budgets, key=_place)
        ]
    elif isinstance(one, Audited):
        run |= {"kind": "audit", "largest": _number(one.largest), "frobenius": _number(one.frobenius)}
        names = COLUMNS["audits"][1:]
        entry["audits"] = [tuple(cell(str(check[name])) for name in names) for check in one.checks]
    entry["run"] = tuple(str(cell(run.get(name, ""))) for name in RUNS)
    return entry


def _from_entry(entry: Entry) -> Measured:
    """Turn lines into the row or audit that they describe."""
    run: dict[str, Any] = dict(zip(RUNS, map(from_cell, entry["run"]), strict=True))
    run |= {name: json.loads(run[name]) for name in _STRUCTURED if run[name]}
    common = {field.name: run[field.name] for field in fields(Measured)}
    common |= {name: int(run[name]) for name in ("seed", "threads", "result_version")}
    if run["kind"] == "audit":
        checks = [dict(zip(COLUMNS["audits"][1:], map(from_cell, line), strict=True)) for line in entry["audits"]]
        typed = [c | {"number": int(c["number"]), "self_test": c["self_test"] == "True"} for c in checks]
        largest, frobenius = (float(run[name]) if run[name] else None for name in ("largest", "frobenius"))
        return Audited(**common, checks=typed, largest=largest, frobenius=frobenius)
    values = {"network": _values(entry["values"])} | ({"x0": _values(entry["x0"])} if entry["x0"] else {})
    size = len(_CONDITION)
    budgets = {
        _key(tuple(line[:size])): {name: float(text) for name, text in zip(BUDGETS, line[size:], strict=False) if text}
        for line in entry["budgets"]
    }
    return Row(
        **common,
        iterations=int(run["iterations"]),
        samples_hash=run["samples_hash"],
        attack=run["attack"],
        definitions=run["definitions"],
        budgets=budgets,
        values=values,
        unbelievable=[Key(*key) for key in run["unbelievable"]],
        times={name: float(run[name]) for name in TIMES if run[name]},
    )


def _order(one: Measured) -> tuple[object, ...]:
    """Return the sort key: rows before audits, by experiment, architecture, strategy, level and seed."""
    known = STRATEGIES.index(one.strategy) if one.strategy in STRATEGIES else len(STRATEGIES)
    level = tuple(sorted(one.level.items()))
    what = (one.experiment, one.task, one.architecture, known, one.strategy, tuple(value for _, value in level))
    return (isinstance(one, Audited), *what, one.seed, one.scale, tuple(one.variant), level, one.result_version)


def _complete(run: Sequence[str]) -> Line:
    """Return a line of ``runs.csv`` with its result version, which older lines do not have."""
    at = RUNS.index("result_version")
    return (*run[:at], "1", *run[at:]) if len(run) == len(_FORMER_RUNS) else tuple(run)


def _lines(path: Path, columns: Sequence[str], former: Sequence[str] = ()) -> Iterator[Line]:
    """Yield the lines of a CSV file, none if it is absent; `former` are the columns that it may have in their place.

    Raises
    ------
    InputError
        If it has other columns.
    """
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        try:
            header = tuple(next(reader, ()))
            if header not in (tuple(columns), tuple(former)):
                raise ValueError("other columns than expected")
            for line in reader:
                if len(line) != len(header):
                    raise ValueError(f"line {reader.line_num} is not whole")
                yield tuple(line)
        except (ValueError, csv.Error) as error:
            raise InputError(f"no evidence ({error})", str(path), _RESTORE) from error


def _by_first(path: Path, columns: Sequence[str], former: Sequence[str] = ()) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = defaultdict(list)
    for line in _lines(path, columns, former):
        found[line[0]].append(line[1:])
    return found


def _folded(folder: Path) -> list[Measured]:
    """Read what the CSV files hold."""
    runs = list(map(_complete, _lines(folder / "runs.csv", RUNS, _FORMER_RUNS)))
    budgets = _by_first(folder / "budgets.csv", COLUMNS["budgets"], _FORMER_BUDGETS)
    start, checks = (_by_first(folder / f"{n}.csv", COLUMNS[n]) for n in ("x0", "audits"))
    at = {name: RUNS.index(name) for name in ("experiment", "kind", "x0")}
    experiments = {from_cell(run[at["experiment"]]) for run in runs if run[at["kind"]] == "row"}
    values: dict[str, dict[str, list[Line]]] = {name: _by_first(folder / f"{name}.csv", VALUES) for name in experiments}
    found = []
    for run in runs:
        mine = values.get(from_cell(run[at["experiment"]]), {})
        entry = {"run": run, "values": mine.get(run[0], []), "budgets": budgets[run[0]]}
        entry |= {"x0": start.get(run[at["x0"]], []), "audits": checks[run[0]]}
        try:
            found.append(_from_entry(entry))
        except (KeyError, TypeError, ValueError) as error:
            where = f"{folder / 'runs.csv'}, run {run[0]}"
            raise InputError(f"no run ({error})", where, _RESTORE) from error
    return found


def _new(folder: Path) -> dict[Path, tuple[bytes, Measured]]:
    """Read the files under ``new/``, with their content."""
    found = {}
    for path in sorted((folder / "new").glob("*.json")):
        content = path.read_bytes()
        try:
            entry = json.loads(content)
            found[path] = content, _from_entry(entry | {"run": _complete(entry["run"])})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"no run ({error})", str(path), _RESTORE) from error
    return found


def _all(folder: Path) -> tuple[list[Measured], dict[Path, tuple[bytes, Measured]]]:
    """Read everything, the newest of what was measured twice, each under a name of its own; and the new files."""
    new, found = _new(folder), _folded(folder)
    newest, taken = {one.place: one for one in found}, {one.run: one.place for one in found}
    for _, one in new.values():
        name = one.run
        if taken.setdefault(name, one.place) != one.place:  # two experiments may measure the very same configuration
            name = hashlib.sha256(_compact([name, *map(str, one.place)]).encode()).hexdigest()[:12]
        newest[one.place] = replace(one, run=name)
    return sorted(newest.values(), key=_order), new


def read(folder: Path) -> list[Row]:
    """Read all rows of a folder, ordered by experiment, architecture, strategy, level and seed.

    Parameters
    ----------
    folder
        Folder with the CSV files.

    Returns
    -------
    list of Row
        Rows in that order.

    Raises
    ------
    InputError
        If a file is damaged, naming it.
    """
    return [one for one in _all(folder)[0] if isinstance(one, Row)]


def read_audits(folder: Path) -> list[Audited]:
    """Read all audits of a folder, in the order of rows."""
    return [one for one in _all(folder)[0] if isinstance(one, Audited)]


def write(one: Measured, folder: Path) -> Path:
    """Write what a finished run contributes to a file of its own under ``new/``."""
    path = folder / "new" / file_name(f"{one.experiment}-{one.name}", ".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = _entry(one)
    parts = [
        f"{json.dumps(name)}:{_rows(lines) if name != 'run' else _compact(lines)}" for name, lines in entry.items()
    ]
    write_atomically(path, ("{" + ",\n".join(parts) + "}\n").encode())
    return path


def _rows(lines: Sequence[Line]) -> str:
    return "[" + ",\n".join(map(_compact, lines)) + "]"


def fold(folder: Path, rewrite: bool = False) -> list[Path]:
    """Bring the files under ``new/`` into the CSV files, and remove them.

    Values are written before the line in ``runs.csv`` that names them, and the new files go last: whenever it is
    interrupted, `read` finds everything, and the next call completes it.

    Parameters
    ----------
    folder
        Folder with the CSV files.
    rewrite
        Whether the CSV files are written although nothing is new, to give older ones today's columns.

    Returns
    -------
    list of Path
        CSV files that changed.
    """
    found, new = _all(folder)
    if not (new or (rewrite and found)):
        return []
    tables: dict[str, list[Line]] = {name: [] for name in ("budgets", "audits")}
    runs, start = [], dict[str, list[Line]]()
    for one, entry in zip(found, map(_entry, found), strict=True):
        run = entry["run"]
        runs.append(run)
        for name, lines in entry.items():
            if name in ("values", "budgets", "audits"):
                table = one.experiment if name == "values" else name
                tables.setdefault(table, []).extend((run[0], *line) for line in lines)
        if entry.get("x0"):
            start[run[RUNS.index("x0")]] = entry["x0"]
    tables["x0"] = [(name, *line) for name in sorted(start) for line in start[name]]
    tables["runs"] = runs  # last, because its lines name the values in the other files
    changed = []
    for name, lines in tables.items():
        path, text = folder / f"{name}.csv", io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS.get(name, VALUES))
        writer.writerows(lines)
        content = text.getvalue().encode()
        if not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)
            changed.append(path)
    for path, (content, _) in new.items():
        if path.read_bytes() == content:  # else a run has written it anew
            path.unlink()
    with suppress(OSError):
        (folder / "new").rmdir()
    return changed
