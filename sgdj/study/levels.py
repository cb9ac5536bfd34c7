"""Choose the noise level or budget of each strategy on validation data, by one rule."""

from collections.abc import Sequence
from dataclasses import dataclass

from sgdj.evaluation.conditions import CLEAN
from sgdj.runtime.text import markdown as plain
from sgdj.runtime.text import markdown_table
from sgdj.study.columns import attacked
from sgdj.study.design import levels
from sgdj.study.paper import BASELINE
from sgdj.study.rows import Row
from sgdj.study.tables import level_text, title

_RULE = (
    "Chosen is the candidate with the highest mean of clean and attacked ({attack}) PSNR on the validation data; ties "
    "go to the smaller one. Every strategy has the same number of candidates, trained on the gradient architecture "
    "with a seed that no table uses. Test data plays no part."
)


@dataclass(frozen=True)
class Candidate:
    """A trained level and its score."""

    row: Row

    @property
    def score(self) -> float:
        """Mean of clean and attacked PSNR in dB."""
        return (self.row.mean(CLEAN) + self.row.mean(attacked(self.row))) / 2

    @property
    def value(self) -> float:
        """The level itself."""
        return next(iter(self.row.level.values()))


def _evaluated(rows: Sequence[Row], task: str) -> list[Row]:
    return [row for row in rows if row.experiment == "selection" and row.task == task]


def candidates(rows: Sequence[Row], task: str) -> dict[str, list[Candidate]]:
    """Return the candidates of each strategy by rising level, from the rows of the experiment `selection`."""
    found: dict[str, list[Candidate]] = {}
    for row in _evaluated(rows, task):
        if row.level:  # a strategy without one has nothing to choose
            found.setdefault(row.strategy, []).append(Candidate(row))
    return {name: sorted(group, key=lambda c: c.value) for name, group in found.items()}


def is_complete(task: str, strategy: str, group: Sequence[Candidate]) -> bool:
    """Check whether every candidate of conf/levels.yaml is there; before that nothing is chosen."""
    grid = levels()["candidates"].get(task, {}).get(strategy)
    return grid is not None and {(key, value) for key, values in grid.items() for value in values} == {
        (key, value) for c in group for key, value in c.row.level.items()
    }


def rule(row: Row) -> str:
    """Say how levels are chosen, with the attack that a candidate's row was measured under."""
    return _RULE.format(attack=plain(str(row.attack["name"]).upper()))


def choose(group: Sequence[Candidate]) -> Candidate:
    """Return the best candidate; see `rule`."""
    return max(group, key=lambda c: (c.score, -c.value))


def markdown(rows: Sequence[Row], task: str) -> str:
    """Write the candidates and the choice as Markdown."""
    header = ("strategy", "level", "validation PSNR clean (dB)", "attacked (dB)", "mean (dB)", "chosen")
    lines = []
    for strategy, group in candidates(rows, task).items():
        best = choose(group) if is_complete(task, strategy, group) else None
        for c in group:
            scores = [f"{value:.2f}" for value in (c.row.mean(CLEAN), c.row.mean(attacked(c.row)), c.score)]
            lines.append((title(BASELINE[0], strategy), level_text(c.row), *scores, "yes" if c is best else ""))
    # few of them choose badly for data of another kind, so that a reader must know
    volumes = max((len(row.values["network"][CLEAN]["psnr"]) for row in _evaluated(rows, task)), default=0)
    return f"{markdown_table(header, lines)}\n\nValidation data: {volumes} volumes."
