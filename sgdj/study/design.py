"""List the runs that tables, figures and claims are made of; some evaluate networks that others trained."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypedDict, cast

from omegaconf import OmegaConf

from sgdj.errors import InputError
from sgdj.jobs.composition import CONF, config_options, expand, parse
from sgdj.jobs.load import Job, load
from sgdj.study.paper import ARCHITECTURES, BASELINE, DEVIATIONS, DRAWN, UPSTREAM_TASKS, deviations

#: Seeds whose rows are committed, by scale; other seeds and scales are written beside them.
COMMITTED = {"small": tuple(range(10))}
PARTS = ("tables", "curves", "audits", "robustness", "levels", "upstream")
CURVE_SEEDS = 3  # curves are drawn for this many of the seeds
ROBUSTNESS_TASKS = tuple(
    name.removeprefix("robustness_") for name in config_options("experiment") if name.startswith("robustness_")
)
TASKS = tuple(name.removeprefix("table_") for name in config_options("experiment") if name.startswith("table_"))


@dataclass(frozen=True)
class Cell:
    """One run of the study.

    Parameters
    ----------
    experiment
        Option of the group `experiment`; empty for none.
    overrides
        Command line without it.
    trained
        Cell whose network this one evaluates, or None if it trains its own.
    mode
        Mode of a cell that trains no network: "evaluate" or "audit".
    """

    experiment: str
    overrides: tuple[str, ...]
    trained: "Cell | None" = None
    mode: Literal["evaluate", "audit"] = "evaluate"
    """What is done with the network of `trained`."""

    def job(self, checkpoint: Path | None = None) -> Job:
        """Return the checked configuration; an evaluation needs the checkpoint of `trained`."""
        lines = [*([f"+experiment={self.experiment}"] if self.experiment else []), *self.overrides]
        if checkpoint is not None:
            return load(parse([f"mode={self.mode}", f"checkpoint={checkpoint}", *lines]))
        same = composed(tuple(line for line in lines if not line.startswith("seed=")))
        return Job(same.settings.changed("seed", _seed(self)), lines, same.notes)

    @property
    def label(self) -> str:
        """Label of the cell, in one line."""
        shown = () if self.trained is None else self.trained.overrides
        return " ".join(filter(None, (self.experiment, *shown, *self.overrides)))


class Levels(TypedDict):
    """Content of conf/levels.yaml: values of a key that are tried, by task and strategy, and the seed of all."""

    seed: int
    candidates: dict[str, dict[str, dict[str, list[float]]]]


def levels() -> Levels:
    """Read the content of conf/levels.yaml."""
    return cast("Levels", OmegaConf.to_container(OmegaConf.load(CONF / "levels.yaml")))


def _table(task: str, scale: str, seeds: Sequence[int]) -> list[Cell]:
    lines = [f"+experiment=table_{task}", f"scale={scale}", f"seed={','.join(map(str, seeds))}"]
    cells = []
    for job in expand(parse(lines)):
        given = [o.input_line or "" for o in job]
        cells.append(Cell(f"table_{task}", tuple(line for line in given if "experiment=" not in line)))
    return sorted(cells, key=lambda cell: seeds.index(_seed(cell)))  # a whole table after each seed


@lru_cache
def composed(lines: tuple[str, ...]) -> Job:
    """The checked configuration of a command line."""
    return load(parse(lines))


def _seed(cell: Cell) -> int:
    return int(next(o for o in cell.overrides if o.startswith("seed=")).removeprefix("seed="))


def _levels(task: str, scale: str) -> Iterator[Cell]:
    known = levels()
    for strategy, grid in known["candidates"].get(task, {}).items():
        for key, values in grid.items():
            for value in values:
                name = "sigma" if key == "strategy.sigma" else key
                settings = (f"task={task}", f"scale={scale}", f"strategy={strategy}", f"{name}={value:g}")
                yield Cell("figure_sigma", (*settings, f"seed={known['seed']}"))


def _robustness(task: str, rows: Sequence[Cell], seed: int) -> Iterator[Cell]:
    """List a full audit and wider curves of every strategy on one architecture, one seed."""
    for cell in rows:
        main = f"architecture={BASELINE[0]}" in cell.overrides
        if main and _seed(cell) == seed and cell.experiment == f"table_{task}":
            yield cell
            yield Cell(f"robustness_{task}", (), cell)
            yield Cell("audit_full", (), cell, "audit")


def _upstream(task: str, scale: str) -> Iterator[Cell]:
    """List SGD and SPGD jittering without, with each, and with all deviations of the authors' code."""
    for architecture in ARCHITECTURES:
        settings = (f"task={task}", f"scale={scale}", f"architecture={architecture}", "strategy=jitter")
        found = [d for d in DEVIATIONS if task in d.tasks and d.architecture == architecture]
        if not found:
            continue
        base = Cell("deviations", (*settings, "seed=0"))
        yield base
        for deviation in found:
            if deviation.training:
                yield Cell("deviations", (*settings, "seed=0", *deviation.overrides))
            else:
                yield Cell("deviations", deviation.overrides, base)
        everything = dict.fromkeys(o for d in deviations(task, architecture) for o in d.overrides)
        yield Cell("deviations", (*settings, "seed=0", *everything))


def cells(tasks: Sequence[str], scale: str, seeds: Sequence[int], parts: Sequence[str]) -> list[Cell]:
    """List all runs of a study, trainings before the evaluations that need them.

    Parameters
    ----------
    tasks
        Tasks of the study.
    scale
        Scale of the study, such as "small".
    seeds
        Seeds of the study.
    parts
        "tables"; "curves": robustness and iteration curves, and error on training data, of the tables' first seeds;
        "audits": a light audit of every network in the tables; "robustness": full audits and wider curves of the first
        seed; "levels": candidates for noise levels and budgets; "upstream": the effect of each deviation of the
        authors' code.

    Returns
    -------
    list of Cell
        Runs in an order in which they can be done.

    Raises
    ------
    InputError
        If a task has no table, or a part is unknown.
    """
    for task in tasks:
        if task not in TASKS:
            raise InputError(f"task {task} has no table", f"TASKS={','.join(tasks)}", f"choose of {', '.join(TASKS)}")
    for part in parts:
        if part not in PARTS:
            raise InputError(f"unknown part {part}", f"PARTS={','.join(parts)}", f"choose of {', '.join(PARTS)}")
    rows = [cell for task in tasks for cell in _table(task, scale, seeds)]
    rows.sort(key=lambda cell: seeds.index(_seed(cell)))
    found = list(rows) if "tables" in parts or "curves" in parts else []
    if "curves" in parts:  # each right after its table's seed
        for seed in seeds[:CURVE_SEEDS]:
            drawn = [cell for cell in rows if _seed(cell) == seed]
            place = max(found.index(cell) for cell in drawn) + 1
            found[place:place] = [Cell(name, (), c) for c in drawn for name in DRAWN]
    if "audits" in parts:
        found += rows + [Cell("audit_light", (), cell, "audit") for cell in rows]
    if "robustness" in parts:
        found += [cell for task in tasks if task in ROBUSTNESS_TASKS for cell in _robustness(task, rows, seeds[0])]
    if "levels" in parts:
        candidates = [cell for task in tasks for cell in _levels(task, scale)]
        found += candidates + [Cell("selection", (), cell) for cell in candidates]
    if "upstream" in parts:
        found += [cell for task in tasks if task in UPSTREAM_TASKS for cell in _upstream(task, scale)]
    return list(dict.fromkeys(found))


def folder(root: Path, scale: str, seeds: Sequence[int]) -> Path:
    """Return the folder of a study's rows and tables: ``results/small`` if committed, else a folder beside it."""
    if COMMITTED.get(scale) == tuple(seeds):
        return root / scale
    return root / f"{scale}-seeds-{'-'.join(map(str, seeds))}"
