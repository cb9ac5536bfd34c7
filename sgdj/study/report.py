"""Build everything under results/ that follows from rows: tables, claims, levels, times and figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sgdj.errors import InputError
from sgdj.runtime.text import markdown_table
from sgdj.runtime.writing import write_atomically
from sgdj.study import claims, deviations, levels, margins, robustness, steadiness, tables
from sgdj.study import figures as study_figures
from sgdj.study.columns import task_title, tasks_with_tables
from sgdj.study.paper import BASELINE, CLAIMS_HEAD, FAMILY, NAMES, TITLES
from sgdj.study.rows import Row
from sgdj.study.tables import Line
from sgdj.study.versions import left_out, note, one_version

_TIMES_HEAD = """# Measured times

Medians over runs. Jobs ran side by side, one thread each, some of them beside other work: read the ratios roughly.

"""


def _by_experiment(rows: Sequence[Row], name: str, task: str) -> list[Row]:
    return [row for row in rows if row.experiment == name and row.task == task]


def _times(found: Sequence[Line]) -> str:
    """Report seconds per optimiser step of every line, and its ratio to MSE on the same architecture."""
    rows = []
    step: dict[str, float] = {}
    for line in found:
        kept = [row.times for row in line.rows if row.times]
        if not kept or line.first.external:  # it took no step
            continue
        step[line.name] = float(np.median([t["training_s"] / t["steps"] for t in kept]))
        base = step.get(tables.title(line.first.architecture, BASELINE[1]))
        ratio = "—" if base is None else f"{step[line.name] / base:.2f}"
        wall = float(np.median([t["wall_s"] for t in kept])) / 60
        rows.append((line.name, f"{1000 * step[line.name]:.1f}", ratio, f"{wall:.1f}"))
    table = markdown_table(("training", "ms per step", "ratio to MSE", "minutes per run"), rows)
    said = f"{version}\n\n" if (version := note(found[0].rows)) else ""
    return f"### {task_title(found[0].first)}\n\n{said}{table}\n"


def _figures(task: str, rows: Sequence[Row], found: Sequence[Line], folder: Path) -> list[str]:
    candidates = _by_experiment(rows, "figure_sigma", task)
    study_figures.tradeoff(task, found, candidates, folder)
    made = [f"tradeoff-{task}"]
    curves = _by_experiment(rows, "figure_epsilon", task)
    if curves:
        study_figures.epsilon(task, curves, folder)
        made.append(f"epsilon-{task}")
    walked = _by_experiment(rows, "figure_iterations", task)
    if walked:
        study_figures.iterations(task, walked, walked[0].iterations, folder)
        made.append(f"iterations-{task}")
    if any(row.architecture == BASELINE[0] and row.level for row in candidates):
        baseline = [row for line in found if line.name == NAMES[BASELINE] for row in line.rows]
        study_figures.sigma(task, candidates, baseline, folder)
        made.append(f"sigma-{task}")
    return made


def put_excerpts(pages: Sequence[Path], folder: Path) -> None:
    """Write tables and outcomes between their markers in some pages.

    Parameters
    ----------
    pages
        Pages with the marker ``results`` (tables and outcomes) or ``finding`` (outcomes alone), or neither.
    folder
        Folder with the rows.
    """
    rows = one_version(folder).rows
    results, finding = [], []
    for task in TITLES:
        if measured := _by_experiment(rows, f"table_{task}", task):
            outcome = claims.summary(claims.findings(measured)).replace("\n- ", "\n\n- ", 1)
            results += [tables.excerpt(task, tables.lines(measured)), outcome]
            finding.append(f"*{tables.task_title(measured[0])}.* {outcome}")
    for page in pages:
        text = new = page.read_text()
        for name, shown in (("results", results), ("finding", finding)):
            start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
            before, marked, rest = new.partition(start)
            if marked:
                new = before + start + "\n\n".join(shown) + "\n" + end + rest.partition(end)[2]
        if new != text:
            write_atomically(page, new.encode())


def build(folder: Path, seeds: Sequence[int], top: Path, title: str) -> list[Path]:
    """Write all that follows from the rows in a folder.

    Parameters
    ----------
    folder
        Folder with the rows (see `sgdj.study.store`); receives tables and figures.
    seeds
        Seeds that a complete table would have; missing ones are named.
    top
        Folder that receives README.md and claims.md.
    title
        First line of README.md.

    Returns
    -------
    list of Path
        Documents that were written.

    Raises
    ------
    InputError
        If rows do not fit together, or there are none.
    """
    rows, audited, others = one_version(folder)
    if not rows:
        raise InputError("no rows", str(folder), "run the study first: make reproduce-tables with this SCALE and SEEDS")
    tasks = tasks_with_tables(rows)
    text, tested, timed = [title], [], []
    place = folder.relative_to(top) if folder != top else Path()
    tested.append(CLAIMS_HEAD.format(size=len(FAMILY), times=place / "times.md"))
    for task in tasks:
        found = tables.lines(_by_experiment(rows, f"table_{task}", task))
        out = folder / "tables"
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / f"{task}.csv", tables.as_csv(task, found).encode())
        write_atomically(out / f"{task}.tex", tables.as_latex(task, found).encode())
        marked = [(one.architecture, one.strategy) for one in audited if one.task == task and one.failed]
        text += [tables.markdown(task, found, seeds, marked), "", robustness.light(audited, task), ""]
        text += ["Beside the paper's figures:", ""]
        text += [tables.against_paper(task, found), ""]
        for name in _figures(task, rows, found, folder / "figures"):
            text.append(f"![{name}]({place / 'figures' / name}.png)")
        text.append("")
        chosen = levels.candidates(rows, task)
        if chosen:
            said = levels.rule(next(iter(chosen.values()))[0].row)
            text += [f"Levels. {said}", "", levels.markdown(rows, task), ""]
        outcome = claims.markdown(claims.findings([row for line in found for row in line.rows]))
        said = f"{version}\n\n" if (version := note(found[0].rows)) else ""
        tested.append(f"## {task_title(found[0].first)}\n\n{said}{outcome}\n")
        trained = _by_experiment(rows, "generalisation", task)
        if trained:
            tested.append(f"### What there was to win\n\n{margins.markdown(task, found, trained)}\n")
        walked = _by_experiment(rows, "figure_iterations", task)
        if walked:
            tested.append(f"### One iteration further\n\n{steadiness.markdown(walked)}\n")
        if beyond := claims.exploratory(found):
            tested.append(f"### Beyond the paper\n\n{beyond}\n")
        timed.append(_times(found))
    if left := left_out(others):
        text += [left, ""]
        tested.append(f"{left}\n")
    departures = [row for row in rows if row.experiment == "deviations"]
    if departures:
        write_atomically(top / "upstream.md", deviations.document(departures).encode())
    wider = [row for row in rows if row.experiment.startswith("robustness_")]
    if wider:
        (top / "robustness").mkdir(exist_ok=True)
        robustness.document(wider, audited, top / "robustness")
    written = {top / "README.md": "\n".join(text), top / "claims.md": "\n".join(tested)}
    written[folder / "times.md"] = _TIMES_HEAD + "\n".join(timed)
    for path, content in written.items():
        write_atomically(path, (content.rstrip() + "\n").encode())
    return list(written)
