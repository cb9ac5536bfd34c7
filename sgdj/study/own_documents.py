"""Write the documents of a study of one's own: its tables, its claims and a figure."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sgdj.errors import InputError
from sgdj.evaluation.key import CLEAN, Key
from sgdj.jobs.identity import RESULT_VERSION
from sgdj.runtime.text import cell, markdown_table
from sgdj.runtime.text import markdown as plain
from sgdj.runtime.writing import write_atomically
from sgdj.study import claims, figures
from sgdj.study.columns import task_title
from sgdj.study.own import OwnStudy
from sgdj.study.rows import Row, matrix
from sgdj.study.tables import UNBELIEVABLE, Line, attack_text, latex_table, level_text, shown, start
from sgdj.study.versions import left_out

_HEADER = (
    "task", "row", "column", "psnr", "psnr_std", "ssim", "ssim_std", "n_volumes", "n_seeds", "data", "command",
)  # fmt: skip
_CLAIMS_HEAD = """# {title}: claims

Size of the family: {size}. Differences are of PSNR, better minus worse as claimed, paired by seed and
volume. p: exact two-sided sign-flip test over seeds; Holm adjusts within the family. Interval: 95 % bootstrap, seeds
crossed with volumes. *Supported*: adjusted p below 0.05, claimed sign, interval without zero; *reversed*: the same with
the other sign; *underpowered*: no outcome with this many seeds could reach 0.05; else *not supported*.
"""


def _together(row: Row) -> str:
    """Return what rows must have in common to stand in one table."""
    return json.dumps([row.task, row.scale, row.data_hash, row.attack, row.definitions], sort_keys=True)


def _groups(found: Sequence[Line]) -> list[list[Line]]:
    """Group the lines that can be compared: same task, data, attack and metrics."""
    groups: dict[str, list[Line]] = {}
    for line in found:
        kinds = {_together(row) for row in line.rows}
        if len(kinds) > 1:
            raise InputError("seeds with different data or attacks in one row", line.name, "run all of them again")
        groups.setdefault(kinds.pop(), []).append(line)
    return list(groups.values())


def _columns(study: OwnStudy, found: Sequence[Line]) -> dict[str, Key]:
    """Return the columns that some line of a table measures."""
    return {name: key for name, key in study.columns.items() if any(line.measures(key) for line in found)}


def table_text(name: str, columns: Mapping[str, Key], found: Sequence[Line]) -> str:
    """Write a table with mean and standard deviation over seeds, under its own heading."""
    first = found[0].first
    data = "synthetic data" if first.data == "synthetic" else "real data"
    volumes = len(first.values["network"][CLEAN]["psnr"])
    rows = [("starting point x₀ (no training)", "—", "—", *(start(found, key) for key in columns.values()))]
    for line in found:
        cells = [shown(line, found, key) for key in columns.values()]
        rows.append((line.name, level_text(line.first), str(len(line.rows)), *cells))
    text = [
        f"## {plain(name)} ({data}, scale {plain(first.scale)})",
        "",
        f"PSNR (dB) / SSIM, mean ± standard deviation over seeds of the mean over {volumes} volumes. Attack: "
        f"{attack_text(first)}.",
        "",
        markdown_table(("row", "level", "seeds", *columns), rows),
    ]
    if any(line.doubts(key) for line in found for key in columns.values()):
        text += ["", UNBELIEVABLE]
    return "\n".join(text)


def table_csv(columns: Mapping[str, Key], found: Sequence[Line]) -> str:
    """Write the columns that each line measures as CSV, with the command that repeats it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADER)
    for line in found:
        for name, key in columns.items():
            if not line.measures(key):
                continue
            numbers = []
            for metric in ("psnr", "ssim"):
                mean, spread = line.cell(key, metric) if line.measures(key, metric) else (None, None)
                numbers += ["" if value is None else f"{value:.4f}" for value in (mean, spread)]
            counts = (matrix(line.rows, key).shape[1], len(line.rows))
            values = (line.first.task, line.name, name, *numbers, *counts, line.first.data, line.command)
            writer.writerow([cell(value) for value in values])
    return out.getvalue()


def _findings(study: OwnStudy, found: Sequence[Line]) -> list[claims.Finding]:
    by = {line.name: line for line in found}
    compared = []
    for claim in study.claims:
        sides = [by[name] for name in (claim.better, claim.worse) if name in by]
        if len(sides) == 2 and len({_together(line.first) for line in sides}) > 1:
            what = "rows with different data, attacks or metrics in one claim"
            raise InputError(what, f"{study.path}: claims.{int(claim.number) - 1}", "compare rows of one table")
        better, worse = (by[n].rows if n in by else [] for n in (claim.better, claim.worse))
        one, other = (claims.by_seed(a, [row.seed for row in b]) for a, b in ((better, worse), (worse, better)))
        compared.append((claim, one, other, study.columns[claim.column]))
    return claims.judge(compared, len(compared))


def build(study: OwnStudy) -> list[Path]:
    """Write table.md, table.csv, table.tex, claims.md and a figure for each table into the study's folder.

    Parameters
    ----------
    study
        Study whose rows are in its folder.

    Returns
    -------
    list of Path
        Documents that were written.

    Raises
    ------
    InputError
        If there are no rows, or a claim compares rows that were measured differently.
    """
    found, absent = study.lines()
    older = left_out(study.older())
    if not found:
        mend = f"run the study first: python scripts/tables.py run --study {study.path}"
        raise InputError(f"no rows of result version {RESULT_VERSION}" if older else "no rows", str(study.folder), mend)
    outcome = _findings(study, found)
    text, latex_parts = [f"# {plain(study.title)}", ""], []
    for number, group in enumerate(_groups(found), 1):
        name, columns = task_title(group[0].first), _columns(study, group)
        picture = f"psnr-{number}"
        figures.points(f"{study.title}: {name}", columns, group, study.folder / "figures", picture)
        text += [table_text(name, columns, group), "", f"![{picture}](figures/{picture}.png)", ""]
        latex_parts.append(latex_table(name, columns, group))
    text += ["Missing: " + ("; ".join(map(plain, absent)) if absent else "nothing") + "."]
    text += ["", older] if older else []
    written = {
        "table.md": "\n".join(text),
        "table.csv": table_csv(study.columns, found),
        "table.tex": "\n".join(latex_parts),
    }
    if study.claims:
        untested = len(study.claims) - len(outcome)
        head = _CLAIMS_HEAD.format(title=plain(study.title), size=len(study.claims))
        note = f"\n\n{untested} of them have no rows with a common seed yet." if untested else ""
        written["claims.md"] = f"{head}\n{claims.markdown(outcome) if outcome else ''}{note}"
    for file, content in written.items():
        write_atomically(study.folder / file, (content.rstrip() + "\n").encode())
    return [study.folder / file for file in written]
