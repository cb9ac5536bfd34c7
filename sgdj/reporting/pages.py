"""Write the page of one run, of several runs, or of a sweep, from what lies in their folders."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sgdj.config.nodes import leaves
from sgdj.jobs import measured
from sgdj.reporting.comparison import compared
from sgdj.reporting.html import Part, code, listed, page, paragraph, picture, table
from sgdj.reporting.terminal import result_cells
from sgdj.runs.catalogue import COLUMNS, RunView, lines
from sgdj.runtime.contents import Record

_ABOUT = (
    "status", "mode", "data", "seed", "result_version", "commit", "machine", "device", "threads", "processes",
    "deterministic", "started", "ended", "wall_s", "peak_memory_mib", "parameters", "acceleration", "experiment",
    "score",
)  # fmt: skip
_HASHES = ("config_hash", "data_hash", "content_hash")
#: Figures in the order in which they are read.
_ORDER = ("robustness", "panel-clean", "panel-", "iterations", "shift-", "certificate", "fragile", "training")
_MOST_FIGURES = 12  # of several runs


def _read(path: Path) -> Record:
    """Read a JSON object; empty if it is missing or damaged."""
    with suppress(OSError, ValueError, RecursionError):
        found: object = json.loads(path.read_text())
        return found if isinstance(found, dict) else {}
    return {}


def _cell(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_cell(one)}" for key, one in value.items())
    return ", ".join(map(_cell, value)) if isinstance(value, list) else str(value)


def _title(run: RunView) -> str:
    with suppress(KeyError, TypeError):
        return f"{run.facts['mode']}: {run.facts['task']}, {measured.text(run.config)}"
    return run.path.name


def _results(run: RunView) -> Iterator[Part]:
    """Yield tables of what was measured."""
    with suppress(AttributeError, KeyError, TypeError, ValueError):  # a summary that was edited
        header, rows, caption = result_cells(run.summary)
        body = [table(header, rows, caption)]
        notes = run.summary.get("notes")
        yield Part("Results", [*body, listed(notes)] if isinstance(notes, list) and notes else body)
    audit = _read(run.path / "evaluation" / "audit.json")
    checks = audit.get("checks")
    if isinstance(checks, list) and all(isinstance(check, dict) for check in checks):
        keys = ("number", "name", "status", "value", "rule")
        outcomes = [[_cell(check.get(key)) for key in keys] for check in checks]
        failed = sum(check.get("status") == "FAIL" for check in checks)
        caption = f"{failed} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks passed"
        yield Part("Audit", [table(("", "check", "outcome", "measured", "rule"), outcomes, caption)])
    certificate = _read(run.path / "evaluation" / "certificate.json")
    if certificate:
        shown = {key: value for key, value in certificate.items() if key not in ("certificates", "definitions")}
        defined = certificate.get("definitions")
        meaning = defined if isinstance(defined, dict) else {}
        values = [(key, _cell(value), meaning.get(key, "")) for key, value in shown.items()]
        yield Part("Certificate", [table(("quantity", "value", "meaning"), values)])


def _figures(run: RunView) -> list[Path]:
    def place(path: Path) -> tuple[int, str]:
        order = (i for i, start in enumerate(_ORDER) if path.name.startswith(start))
        return next(order, len(_ORDER)), path.name

    return sorted((run.path / "figures").glob("*.png"), key=place)


def _settings(run: RunView) -> Iterator[Part]:
    """Yield what the numbers rest on: command, settings, hashes and versions."""
    yield Part("Command", [code(run.record.get("command", ""))])
    facts = [(key, _cell(run.record[key])) for key in _ABOUT if key in run.record]
    yield Part("Circumstances", [table(("", "value"), facts, kind="settings")], folded=True)
    chosen = [(key, _cell(value)) for key, value in leaves(run.config)]
    yield Part("Settings", [table(("setting", "value"), chosen, kind="settings")], folded=True)
    hashes = [(key, _cell(run.record[key])) for key in _HASHES if key in run.record]
    files = run.record.get("files")
    hashes += sorted(files.items()) if isinstance(files, dict) else []
    yield Part("Hashes", [table(("of", "SHA-256"), hashes, kind="settings")], folded=True)
    versions = run.record.get("versions")
    if isinstance(versions, dict):
        yield Part("Versions", [table(("package", "version"), versions.items(), kind="settings")], folded=True)


def run_page(run: RunView) -> bytes:
    """Write the page of a run: figures, tables, settings, command and hashes.

    Parameters
    ----------
    run
        Run, as its files say it.

    Returns
    -------
    bytes
        Content of one HTML file.
    """
    lead = [paragraph(str(run.path), soft=True)]
    if run.record.get("data") == "synthetic":
        lead.append(paragraph("Synthetic data."))
    if run.reason:
        lead.append(paragraph(f"{run.status}: {run.reason}"))
    drawn = [picture(path, path.stem) for path in _figures(run)]
    figures = [Part("Figures", drawn)] if drawn else []
    return page(_title(run), lead, [*_results(run), *figures, *_settings(run)])


def runs_page(title: str, found: Sequence[RunView], command: str) -> bytes:
    """Write the page of several runs: means over seeds, a line for each run, and their robustness curves.

    Parameters
    ----------
    title
        Title of the page.
    found
        Runs to show.
    command
        Command that made the page, or the sweep.

    Returns
    -------
    bytes
        Content of one HTML file.
    """
    parts = [Part(one.title, [table(one.header, one.rows)]) for one in compared(found)]
    rows = [[_cell(round(value, 2) if isinstance(value, float) else value) for value in row] for row in lines(found)]
    parts.append(Part("Runs", [table(COLUMNS, rows)]))
    curves = [(run, path) for run in found for path in _figures(run) if path.name == "robustness.png"]
    drawn = [picture(path, f"{_title(run)}, seed {run.facts['seed']}") for run, path in curves[:_MOST_FIGURES]]
    if len(curves) > _MOST_FIGURES:
        drawn.append(paragraph(f"The first {_MOST_FIGURES} of {len(curves)} curves are shown.", soft=True))
    if drawn:
        parts.append(Part("PSNR against the norm of the perturbation", drawn))
    for run in found:
        body = [code(run.record.get("command", "")), paragraph(_cell({key: run.record.get(key) for key in _HASHES}))]
        parts.append(Part(f"{_title(run)}, seed {run.facts['seed']}: command and hashes", body, folded=True))
    lead = [code(command), paragraph(f"{len(found)} runs.", soft=True)]
    return page(title, lead, parts)
