"""Write the documents of a protocol: what was chosen and why, the tables, and the claims with their verdicts."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sgdj.errors import InputError
from sgdj.evaluation.key import CLEAN
from sgdj.jobs.identity import RESULT_VERSION
from sgdj.runtime.text import Markup, bold, markdown_table
from sgdj.runtime.text import markdown as plain
from sgdj.runtime.writing import write_atomically
from sgdj.study.columns import task_title
from sgdj.study.margins import lost
from sgdj.study.own_documents import table_csv, table_text
from sgdj.study.protocol_file import COLUMNS, Part
from sgdj.study.rows import matrix
from sgdj.study.stages import ATTACKED, Study, on_training
from sgdj.study.tables import Line, latex_table
from sgdj.study.verdicts import Comparison, Outcome, judge

_CLAIMS_HEAD = """# {title}: claims

Generated from the rows in this folder; do not edit. {rules}
"""
_RULES = (
    "Differences are of PSNR in dB, better minus worse as claimed, paired by seed and volume. p: exact sign flips over"
    " seeds, two-sided, Holm over the family; for *not worse*, one-sided (the difference plus the margin), Holm over "
    "the claims of it. Interval: 95 % bootstrap of seeds crossed with volumes, widened for few seeds. Verdict, the "
    "first that holds: underpowered, reversed, supported, no relevant difference (the interval lies inside the "
    "margin), inconclusive. The last column says what became of the claim as it was made: verified if supported (a "
    "claim of *at least*: not worse, and the interval above minus the margin); falsified if reversed (*at least*: by "
    "more than the margin), or if there is no relevant difference in a column that costs the worse side at least "
    "{stake:g} dB of its clean PSNR (*costs*); else inconclusive."
)


def build(study: Study, folder: Path) -> list[Path]:
    """Write README.md, claims.md, claims.json, and a table as CSV and LaTeX for every part that has rows.

    Parameters
    ----------
    study
        Protocol with its rows and choices.
    folder
        Folder of the documents.

    Returns
    -------
    list of Path
        Documents that were written.

    Raises
    ------
    InputError
        If there are no rows, or they lead to other choices than those that were made.
    """
    study.verify()
    if study.chosen.made.regime is None and not any(study.ledger.found("regime", c) for c in study.candidates.values()):
        raise InputError(f"no rows of result version {RESULT_VERSION}", str(folder), "run the study first")
    protocol = study.protocol
    text = [f"# {plain(protocol.title)}", "", "Generated from the rows in this folder; do not edit.", ""]
    for heading, lines in (
        ("Disclosed", protocol.disclosure), ("Left out", protocol.exclusions), ("Cut first", protocol.cuts),
    ):  # fmt: skip
        text += [f"{heading}:", "", *(f"- {plain(line)}" for line in lines), ""]
    text += _regime(study)
    claims: list[str] = []
    records: list[dict[str, object]] = []
    written: dict[str, str] = {}
    for part in study.parts:
        shown = [network for network in part.networks if f"{part.name}/{network.label}" in study.chosen.levels]
        if not shown:
            continue
        text += _levels(study, part)
        if len(shown) < len(part.networks):
            continue
        found = [
            Line(label, rows)
            for label, cells in study.table(part).items()
            if (rows := study.ledger.found("tables", cells))
        ]
        if not found:
            continue
        columns = study.columns()
        name = task_title(found[0].first)
        text += [table_text(f"{name}, {part.name}", columns, found), "", *_absent(study, part), ""]
        for block in (_margins, _against_regime, _checks, _curves, _optimistic):
            text += block(study, part)
        written[f"table-{part.name}.csv"] = table_csv(columns, found)
        written[f"table-{part.name}.tex"] = latex_table(f"{name}, {part.name}", columns, found)
        outcome = judge(_family(study, part), protocol.statistics)
        judged = _judged(study, part, outcome)
        claims += [f"## {part.name}", "", _claims(judged), ""]
        toy = found[0].first.data == "synthetic" or found[0].first.scale != "paper"
        records += [_record(one, part, toy) for one in judged]
    if records:
        rules = _RULES.format(stake=protocol.statistics.stake)
        head = _CLAIMS_HEAD.format(title=plain(protocol.title), rules=rules)
        written["claims.md"] = "\n".join([head, *claims])
        written["claims.json"] = json.dumps(records, indent=1, ensure_ascii=False)
    written["README.md"] = "\n".join(text)
    for file, content in written.items():
        write_atomically(folder / file, (content.rstrip() + "\n").encode())
    return [folder / file for file in written]


def _absent(study: Study, part: Part) -> list[str]:
    absent = []
    for label, cells in study.table(part).items():
        paired = zip(study.protocol.seeds.tables, cells, strict=True)
        if left := [str(seed) for seed, cell in paired if study.ledger.find("tables", cell) is None]:
            absent.append(f"{plain(label)}, seeds {', '.join(left)}")
    doubted = [
        f"{plain(label)}, {column}, seeds {', '.join(map(str, seeds))}"
        for label, cells in study.table(part).items()
        for column, key in study.columns().items()
        if (seeds := [row.seed for row in study.ledger.found("tables", cells) if key in row.unbelievable])
    ]
    text = ["Missing: " + ("; ".join(absent) if absent else "nothing") + "."]
    return [*text, *([f"Not believable, in no comparison of that column: {'; '.join(doubted)}."] if doubted else [])]


def _span(costs: dict[float, float]) -> str:
    return ", ".join(f"{value:.2f} (×{key:g})" for key, value in costs.items())


def _regime(study: Study) -> list[str]:
    """Report what each candidate costs the baseline, and which one was chosen."""
    every = [cell for cells in study.candidates.values() for cell in cells]
    if not study.ledger.found("regime", every):
        return []
    rows = []
    chosen = study.chosen.made.regime
    for one in study.costs():
        picked = study.picked(one)
        shifts = ", ".join(f"{name} {value:.2f}" for name, value in one.shift.items())
        at = picked.budget
        rows.append(
            (
                one.name, _span(one.attack), f"{one.relative[at]:.3f}, {one.gain[at]:.2f}", shifts, _span(one.noise),
                f"{one.generalisation:.2f}", "yes" if not picked.square else "",
                "yes" if chosen and chosen.candidate == one.name else "",
            )
        )  # fmt: skip
    header = (
        "candidate", "attack costs (dB)", "ε/‖error‖, gain", "shifts cost (dB)", "noise costs (dB)",
        "lost from training to validation (dB)", "fits", "chosen",
    )  # fmt: skip
    text = ["## Regime", "", "What MSE training loses on validation data, in dB of PSNR, mean over seeds.", ""]
    text += [markdown_table(header, rows), ""]
    if chosen:
        text += [
            f"Chosen: {plain(chosen.candidate)}, ρ = {chosen.rho:g}, shift {plain(chosen.shift)}, noise × "
            f"{chosen.noise:g}: {plain(chosen.reason)}.",
            "",
        ]
    losses = study.losses() if chosen else {}
    if losses and (choice := study.chosen.made.attack):
        said = "; ".join(f"{steps} steps {loss:.6g}" for steps, loss in losses.items())
        text += [f"Auto-PGD, loss by its steps: {said}. Chosen: {choice.steps} steps, since {choice.reason}.", ""]
    return text


def _levels(study: Study, part: Part) -> list[str]:
    """Report the candidates of a part's networks on validation data."""
    rows, volumes = [], 0
    keys = [study.columns()[name] for name in ("clean", "attacked", "noisy")]
    for network in part.networks:
        choice = study.chosen.levels.get(f"{part.name}/{network.label}")
        if choice is None:
            continue
        for option, found in study.tried(part, network).items():
            score = study.scores(found)
            volumes = len(score)
            means = [f"{matrix(found, key).mean():.2f}" for key in keys]
            best = list(option) == choice.overrides
            shown = " ".join(option) or "as the regime"
            rows.append((network.label, shown, len(found), *means, f"{score.mean():.3f}", "yes" if best else ""))
    header = ("network", "candidate", "seeds", "clean (dB)", "attacked (dB)", "noisy (dB)", "score (dB)", "chosen")
    text = [f"## Levels, {part.name}", "", f"On {volumes} validation volumes; the score is the mean of the three.", ""]
    return [*text, markdown_table(header, rows), ""]


def _margins(study: Study, part: Part) -> list[str]:
    """Report how much of their gain networks lose from training data to test data."""
    rows = []
    for label, cells in study.table(part).items():
        trained = [(cell, row) for cell in cells if (row := study.ledger.find("tables-train", on_training(cell)))]
        tested = study.ledger.found("tables", [cell for cell, _ in trained])
        if trained and len(tested) == len(trained):
            loss, error = lost([row for _, row in trained], tested)
            rows.append((label, len(trained), f"{loss:.2f} ± {error:.2f}"))
    header = ("network", "seeds", "lost from training to test data (dB, ± standard error)")
    return [markdown_table(header, rows), ""] if rows else []


def _against_regime(study: Study, part: Part) -> list[str]:
    """Report how far networks are from one that keeps the regime's own optimiser; measured, not tested."""
    columns = study.columns()
    by = {name: {row.seed: row for row in study.ledger.found("tables", c)} for name, c in study.table(part).items()}
    text = []
    for label in (network.label for network in part.networks if network.choices == [[]]):
        rows = []
        for other, found in by.items():
            if seeds := sorted(found.keys() & by[label].keys()) if other != label else []:
                sides = [[side[seed] for seed in seeds] for side in (found, by[label])]
                means = [matrix(sides[0], key).mean() - matrix(sides[1], key).mean() for key in columns.values()]
                rows.append((other, str(len(seeds)), *(f"{mean:+.2f}" for mean in means)))
        if rows:
            header = ("network", "seeds", *(f"{column} (dB)" for column in columns))
            text += [f"Differences from {plain(label)}, not tested:", "", markdown_table(header, rows), ""]
    return text


def _added(study: Study, part: Part) -> dict[str, tuple[float, float]]:
    """Return, by label, the share of the loss and the loss of PSNR in dB that twice the attack's steps add."""
    added = {}
    for label, cells in study.checks(part).items():
        pair = study.ledger.found("check", cells)
        if len(pair) == 2:
            one, two = (row.budgets[ATTACKED]["loss"] for row in pair)
            added[label] = two / one - 1, pair[0].mean(ATTACKED) - pair[1].mean(ATTACKED)
    return added


def _checks(study: Study, part: Part) -> list[str]:
    """Report what twice as many steps of the attack add, for every network."""
    rows = [
        (
            label, f"{100 * more:.2f} %", f"{lower:.3f}",
            bold("attack not converged") if lower > study.protocol.attack.tolerance else "",
        )
        for label, (more, lower) in _added(study, part).items()
    ]  # fmt: skip
    header = ("network", "loss added by twice the steps", "PSNR lowered (dB)", "")
    return [markdown_table(header, rows), ""] if rows else []


def _curves(study: Study, part: Part) -> list[str]:
    """Report PSNR against the attack's budget, mean over the first seeds."""
    rows: list[tuple[str, ...]] = []
    budgets = sorted({1.0, *study.protocol.tables.curve})
    for label, cells in study.table(part).items():
        first = cells[: study.protocol.tables.curve_seeds]
        found = study.ledger.found("curve", [c for c in study.curves(part) if c.trained in first])
        if found:
            keys = [ATTACKED._replace(factor=factor) for factor in budgets]
            rows.append((label, str(len(found)), *(f"{matrix(found, key).mean():.2f}" for key in keys)))
    header = ("network", "seeds", *(f"attack × {factor:g} (dB)" for factor in budgets))
    return [markdown_table(header, rows), ""] if rows else []


def _optimistic(study: Study, part: Part) -> list[str]:
    """Report every network at the level that is best for each column by itself."""
    rows, columns = [], study.columns()
    for label, by_column in study.optimistic(part).items():
        for column, (option, cell) in by_column.items():
            if (found := study.ledger.find("optimistic", cell)) is not None:
                shown = " ".join(option) or "as the regime"
                rows.append((label, column, shown, f"{found.mean(columns[column]):.2f}"))
    header = ("network", "column", "candidate", "PSNR (dB)")
    head = (
        "Optimistic, and in no claim: a candidate for each column, chosen on validation data in that very column, as "
        "if one knew what is to come; of all candidates, each with one seed."
    )
    return [head, "", markdown_table(header, rows), ""] if rows else []


def _family(study: Study, part: Part) -> list[Comparison]:
    """Pair the rows of every claim by seed; a condition that cannot be believed on one side has none."""
    table, columns = study.table(part), study.columns()
    by = {label: {row.seed: row for row in study.ledger.found("tables", cells)} for label, cells in table.items()}
    family: list[Comparison] = []
    for claim in part.claims:
        key, sides = columns[claim.column], (by[claim.better], by[claim.worse])
        seeds = [
            s for s in sorted(sides[0].keys() & sides[1].keys()) if all(key not in d[s].unbelievable for d in sides)
        ]
        if not seeds:
            family.append((claim, (), None))
            continue
        one, other = (matrix([side[seed] for seed in seeds], key) for side in sides)
        family.append((claim, tuple(seeds), one - other))
    return family


class _Judged(NamedTuple):
    outcome: Outcome
    cost: float
    claim_is: str


def _judged(study: Study, part: Part, outcome: Sequence[Outcome]) -> list[_Judged]:
    """Say what became of every claim: by what its column costs the worse side, and whether the attack converged."""
    table, columns, rules = study.table(part), study.columns(), study.protocol
    converged = {label for label, (_, lower) in _added(study, part).items() if lower <= rules.attack.tolerance}
    out = []
    for one in outcome:
        claim = one.claim
        rows = [row for row in study.ledger.found("tables", table[claim.worse]) if row.seed in one.seeds]
        costs = [row.mean(CLEAN) - row.mean(columns[claim.column]) for row in rows]
        cost = sum(costs) / len(costs) if costs else math.nan
        found = claim.column != "attacked" or {claim.better, claim.worse} <= converged
        out.append(_Judged(one, cost, one.decided(rules.statistics, cost, found)))
    return out


def _claims(judged: Sequence[_Judged]) -> str:
    """Write one line of Markdown per claim, and how many came out how."""
    rows, outcome = [], [one for one, _, _ in judged]
    for one, cost, claim_is in judged:
        known = not math.isnan(one.difference)
        interval = f"{one.interval[0]:+.3f} to {one.interval[1]:+.3f}" if known else "—"
        numbers = (f"{one.difference:+.3f}" if known else "—", interval, f"{one.margin:g}")
        costs = "—" if math.isnan(cost) else f"{cost + 0.0:.2f}"
        p = (f"{one.adjusted:.4f}", f"{one.adjusted_at_least:.4f}" if one.claim.at_least else "—")
        drawn = f"{len(one.seeds)} × {one.volumes}"
        verdict = Markup(bold(one.verdict) + (f" ({one.needed} would decide)" if one.needed else ""))
        rows.append((one.claim.text, one.claim.column, *numbers, *p, costs, drawn, verdict, claim_is))
    header = (
        "claim", "column", "difference (dB)", "95 % interval", "margin", "p, Holm", "p not worse, Holm",
        "costs (dB)", "seeds × volumes", "verdict", "the claim is",
    )  # fmt: skip
    widest = {c: max((one.half_width for one in outcome if one.claim.column == c), default=math.nan) for c in COLUMNS}
    widths = ", ".join(f"{column} {width:.3f}" for column, width in widest.items() if not math.isnan(width))
    counts = Counter(one.verdict for one in outcome)
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    text = f"Of {len(outcome)} claims: {said}. Widest half-width of an interval (dB): {widths or 'none'}."
    return f"{markdown_table(header, rows)}\n\n{text}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _record(judged: _Judged, part: Part, toy: bool) -> dict[str, object]:
    """Return an outcome in plain types."""
    one = judged.outcome
    return {
        "part": part.name,
        "claim": one.claim.text,
        "better": one.claim.better,
        "worse": one.claim.worse,
        "column": one.claim.column,
        "about": COLUMNS[one.claim.column].strip() or "in distribution",
        "at_least": one.claim.at_least,
        "seeds": list(one.seeds),
        "volumes": one.volumes,
        "difference_dB": _number(one.difference),
        "interval_dB": [_number(limit) for limit in one.interval],
        "margin_dB": one.margin,
        "p": one.p,
        "p_holm": one.adjusted,
        "p_not_worse": one.p_at_least,
        "p_not_worse_holm": _number(one.adjusted_at_least),
        "cost_dB": _number(judged.cost),
        "verdict": one.verdict,
        "claim_is": judged.claim_is,
        "would_decide": one.needed,
        "toy": toy,
    }
