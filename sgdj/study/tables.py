"""Make tables from rows: ours beside the paper's, as Markdown, CSV and LaTeX."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from sgdj.errors import InputError
from sgdj.evaluation.key import CLEAN, Key
from sgdj.jobs.measured import EXTERNAL
from sgdj.runtime.text import Markup, bold, cell, latex, markdown_table, plus_minus, printable
from sgdj.runtime.text import markdown as plain
from sgdj.study.columns import columns, task_title
from sgdj.study.paper import NAMES, PUBLISHED, TITLES, reported
from sgdj.study.rows import LEVELS, Row, matrix
from sgdj.study.versions import note


def title(architecture: str, strategy: str) -> str:
    """Return the title of a strategy on an architecture; one that the paper does not have keeps its own name."""
    if architecture == EXTERNAL:
        return strategy
    return NAMES.get((architecture, strategy), f"{strategy} ({architecture})")


_DIGITS = {"psnr": 2, "ssim": 3}


@dataclass(frozen=True)
class Line:
    """One line of a table: a strategy on an architecture, over its seeds.

    Parameters
    ----------
    name
        Title of the line.
    rows
        Rows of the line, one per seed.
    """

    name: str
    rows: list[Row]

    @property
    def first(self) -> Row:
        """Row of the first seed, for what all seeds have in common."""
        return self.rows[0]

    def doubts(self, condition: Key) -> bool:
        """Check whether some seed's value under a condition cannot be believed."""
        return any(condition in row.unbelievable for row in self.rows)

    def cell(self, condition: Key, metric: str, reconstructor: str = "network") -> tuple[float, float | None]:
        """Return the mean over seeds of the volume means, and the standard deviation (n - 1) over seeds."""
        means = [row.mean(condition, metric, reconstructor) for row in self.rows]
        return float(np.mean(means)), float(np.std(means, ddof=1)) if len(means) > 1 else None

    def measures(self, condition: Key, metric: str = "psnr", reconstructor: str = "network") -> bool:
        """Check whether every row has values of a metric under a condition; small images have no SSIM."""
        found = [row.values.get(reconstructor, {}).get(condition, {}).get(metric, {}) for row in self.rows]
        return all(values and all(map(math.isfinite, values.values())) for values in found)

    @property
    def command(self) -> str:
        """Command of the first row, with all seeds in one sweep."""
        seeds = ",".join(str(row.seed) for row in self.rows)
        command = self.first.command.replace(f"seed={self.first.seed}", f"seed={seeds}")
        return command.replace("run.py", "run.py -m") if len(self.rows) > 1 else command


def check(rows: Sequence[Row]) -> None:
    """Refuse rows that do not belong in one table.

    Parameters
    ----------
    rows
        Rows of one table.

    Raises
    ------
    InputError
        If attack, metrics, data, task or result version differ, or a row occurs twice.
    """
    first = rows[0]
    for row in rows:
        for what in ("task", "scale", "attack", "definitions", "data_hash", "result_version"):
            if getattr(row, what) != getattr(first, what):
                raise InputError(
                    f"rows with different {what.replace('_', ' ')} in one table",
                    f"{row.experiment}/{row.name} and {first.name}",
                    "run all of them with the same settings",
                )
        same = [r.name for r in rows if r.seed == row.seed and r.architecture == row.architecture]
        if same.count(row.name) > 1:
            raise InputError("a row occurs twice", row.name, "remove one of the files")


def lines(rows: Sequence[Row]) -> list[Line]:
    """Group the rows of one experiment by architecture and strategy."""
    check(rows)
    grouped = groupby(rows, key=lambda row: (row.architecture, row.strategy))
    found = [Line(title(*key), list(group)) for key, group in grouped]
    for line in found:
        if any(row.level != line.first.level for row in line.rows):
            raise InputError("rows with different levels in one line", line.first.name, "run them with the same one")
    order = list(NAMES.values())
    place = {name: number for number, name in enumerate(order)}
    return sorted(found, key=lambda line: (line.first.external, place.get(line.name, len(order))))


def _best(found: Sequence[Line], condition: Key, metric: str) -> Line:
    compared = [line for line in found if line.measures(condition, metric)]
    return max(compared, key=lambda line: line.cell(condition, metric)[0])


def missing(found: Sequence[Line], seeds: Sequence[int]) -> list[str]:
    """Name the cells that a complete table would have."""
    have = {(line.name, row.seed) for line in found for row in line.rows}
    return [
        f"{name}, seeds {', '.join(map(str, absent))}"
        for name in NAMES.values()
        if (absent := [seed for seed in seeds if (name, seed) not in have])
    ]


def level_text(row: Row) -> str:
    """Write σ or the budget of a row's strategy."""
    return ", ".join(f"{LEVELS[key]} = {value:g}" for key, value in row.level.items()) or "—"


def start(found: Sequence[Line], condition: Key) -> str:
    """Write PSNR and SSIM of the networks' starting point, as the first row of a line has it."""
    line = next((line for line in found if not line.first.external), found[0])  # a reference may begin elsewhere
    known = [(m, digits) for m, digits in _DIGITS.items() if line.measures(condition, m, "x0")]
    return " / ".join(f"{line.first.mean(condition, m, 'x0'):.{digits}f}" for m, digits in known) or "—"


def shown(line: Line, found: Sequence[Line], condition: Key) -> Markup:
    """Write a cell of the table: PSNR and SSIM, as far as they are measured; the best of a column is bold."""
    texts = []
    for metric, digits in _DIGITS.items():
        if line.measures(condition, metric):
            text = plus_minus(*line.cell(condition, metric), digits)
            texts.append(bold(text) if _best(found, condition, metric) is line else text)
    return Markup((" / ".join(texts) or "—") + (" ‡" if line.doubts(condition) else ""))


def attack_text(row: Row) -> str:
    """Write the attack that a row was evaluated with, its budget and its number of steps."""
    sizes = {"ρ": row.attack.get("rho"), "ε": row.attack.get("epsilon")}
    steps = "" if row.attack.get("steps") is None else f", {row.attack['steps']} steps"
    budget = "".join(f", {name} = {size:g}" for name, size in sizes.items() if size is not None)
    return f"{plain(str(row.attack['name']).upper())}{budget}{steps}"


UNBELIEVABLE = "‡ Not believable: of some samples, no search attacked the network (`believable` in samples.csv)."


def markdown(task: str, found: Sequence[Line], seeds: Sequence[int], marked: Sequence[tuple[str, str]] = ()) -> str:
    """Write the table with all columns; the best of each column is bold.

    Parameters
    ----------
    task
        Task of the table.
    found
        Lines of the table.
    seeds
        Seeds that the table should have.
    marked
        Architecture and strategy of lines to mark with †.

    Returns
    -------
    str
        Table in Markdown.
    """
    first = found[0].first
    shown_columns, of_paper = columns(first), first.task in TITLES
    volumes = len(first.values["network"][CLEAN]["psnr"])
    data = "synthetic data" if first.data == "synthetic" else "real data"
    text = [
        f"### {plain(task_title(first))} ({data}, scale {plain(first.scale)})",
        "",
        f"PSNR (dB) / SSIM, mean ± standard deviation over seeds of the mean over {volumes} volumes. Adversarial: "
        f"{attack_text(first)}; random noise of the same norm."
        + (" Published PGD: the paper's attack, of the same norm." if PUBLISHED in shown_columns else ""),
        "",
        *([version, ""] if (version := note(found[0].rows)) else []),
    ]
    rows = [("starting point x₀ (no training)", "—", "—", data, *(start(found, c) for c in shown_columns.values()))]
    for line in found:
        cells = [shown(line, found, condition) for condition in shown_columns.values()]
        mark = " †" if (line.first.architecture, line.first.strategy) in marked else ""
        rows.append((f"{line.name}{mark}", level_text(line.first), str(len(line.rows)), data, *cells))
    text.append(markdown_table(("training", "level", "seeds", "data", *shown_columns), rows))
    if any(line.doubts(condition) for line in found for condition in shown_columns.values()):
        text += ["", UNBELIEVABLE]
    exploratory = [plain(line.name) for line in found if line.name not in NAMES.values()]
    if exploratory and of_paper:
        text += ["", f"Exploratory, not of the paper, and in none of its claims: {', '.join(exploratory)}."]
    if not of_paper:
        return "\n".join(text)
    absent = missing(found, seeds)
    text += ["", "Missing: " + ("; ".join(absent) if absent else "nothing") + "."]
    return "\n".join(text)


def excerpt(task: str, found: Sequence[Line]) -> str:
    """Write PSNR in the three columns that the paper has, for a page with little room."""
    there = columns(found[0].first)
    kept = {name: there[name] for name in ("in-distribution", "adversarial", "out-of-distribution")}
    data = "synthetic data" if found[0].first.data == "synthetic" else "real data"
    rows = [
        (line.name, len(line.rows), *(plus_minus(*line.cell(condition, "psnr"), 2) for condition in kept.values()))
        for line in found
    ]
    head = (
        f"{task_title(found[0].first)}, {data}, scale {plain(found[0].first.scale)}, PSNR (dB), mean ± std over seeds:"
    )
    text = [head, "", markdown_table(("training", "seeds", *kept), rows)]
    return "\n".join([*text, *(["", version] if (version := note(found[0].rows)) else [])])


_HEADER = (
    "task", "training", "column", "paper_psnr", "paper_ssim", "psnr", "psnr_std", "ssim", "ssim_std",
    "psnr_minus_paper", "n_volumes", "n_seeds", "data", "command",
)  # fmt: skip


def records(task: str, found: Sequence[Line]) -> list[dict[str, str]]:
    """Return one record per cell: the paper's figure, ours, their difference, and where ours comes from."""
    out = []
    for line in found:
        paper = reported(task, line.first.architecture, line.first.strategy)
        if PUBLISHED in columns(line.first) and "adversarial" in paper:
            paper[PUBLISHED] = paper.pop("adversarial")  # the attack that the paper used
        for column, condition in columns(line.first).items():
            theirs = paper.get(column)
            small = not line.measures(condition, "ssim")
            psnr, ssim = line.cell(condition, "psnr"), (math.nan, None) if small else line.cell(condition, "ssim")
            values = (
                task, line.name, column,
                f"{theirs[0]:.2f}" if theirs else "", f"{theirs[1]:.3f}" if theirs else "",
                f"{psnr[0]:.4f}", "" if psnr[1] is None else f"{psnr[1]:.4f}",
                f"{ssim[0]:.4f}" if math.isfinite(ssim[0]) else "", "" if ssim[1] is None else f"{ssim[1]:.4f}",
                f"{psnr[0] - theirs[0]:+.2f}" if theirs else "",
                str(matrix(line.rows, condition).shape[1]), str(len(line.rows)), line.first.data, line.command,
            )  # fmt: skip
            out.append(dict(zip(_HEADER, values, strict=True)))
    return out


def against_paper(task: str, found: Sequence[Line]) -> str:
    """Write the records as Markdown, ours beside the paper's."""
    header = (
        "training", "column", "paper PSNR / SSIM", "ours PSNR / SSIM", "difference (dB)", "volumes", "seeds", "data",
    )  # fmt: skip
    rows = []
    for r in records(task, found):
        paper = f"{r['paper_psnr']} / {r['paper_ssim']}" if r["paper_psnr"] else "—"
        spread = float(r["psnr_std"]) if r["psnr_std"] else None
        ours = plus_minus(float(r["psnr"]), spread, 2) + (f" / {float(r['ssim']):.3f}" if r["ssim"] else "")
        change = r["psnr_minus_paper"] or "—"
        rows.append((r["training"], r["column"], paper, ours, change, r["n_volumes"], r["n_seeds"], r["data"]))
    text = [markdown_table(header, rows), "", "Commands:", ""]
    return "\n".join([*text, *(f"    {printable(line.command)}" for line in found)])


def as_csv(task: str, found: Sequence[Line]) -> str:
    """Write the records as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: cell(value) for key, value in record.items()} for record in records(task, found))
    return out.getvalue()


def as_latex(task: str, found: Sequence[Line]) -> str:
    """Write a task's table for booktabs."""
    return latex_table(task_title(found[0].first), columns(found[0].first), found)


def latex_table(name: str, columns: Mapping[str, Key], found: Sequence[Line]) -> str:
    """Write a table for booktabs; the best of each column is bold.

    Parameters
    ----------
    name
        Title of the table, for a comment above it.
    columns
        Condition of every column by its title.
    found
        Lines of the table, on the same data.

    Returns
    -------
    str
        Table in LaTeX.
    """
    out = [
        printable(f"% {name}, {found[0].first.data} data, scale {found[0].first.scale}: PSNR (dB) / SSIM"),
        *([f"% {version}"] if (version := note(found[0].rows)) else []),
        rf"\begin{{tabular}}{{l{'c' * len(columns)}}}",
        r"\toprule",
        "training & " + " & ".join(map(latex, columns)) + r" \\",
        r"\midrule",
    ]
    for line in found:
        cells = []
        for condition in columns.values():
            texts = []
            for metric, digits in _DIGITS.items():
                if not line.measures(condition, metric):
                    continue
                mean, spread = line.cell(condition, metric)
                text = f"{mean:.{digits}f}" + ("" if spread is None else rf" \pm {spread:.{digits}f}")
                texts.append(rf"$\mathbf{{{text}}}$" if _best(found, condition, metric) is line else f"${text}$")
            cells.append(" / ".join(texts) or "---")
        out.append(f"{latex(line.name)} & " + " & ".join(cells) + r" \\")
    return "\n".join([*out, r"\bottomrule", r"\end{tabular}", ""])
