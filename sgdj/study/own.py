"""Read a study of one's own, a YAML file that names rows, columns and claims, and collect its finished runs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sgdj.config.composition import expand, parse
from sgdj.config.instantiate import build
from sgdj.config.messages import told
from sgdj.config.nodes import leaves, nearest
from sgdj.config.plain_yaml import parse_mapping
from sgdj.config.roles import Role, has
from sgdj.config.settings import Settings
from sgdj.config.types import STRICT, Count, Name, NonEmpty, NonNegative, Seed
from sgdj.errors import InputError, InputErrors
from sgdj.evaluation.conditions import Key, conditions
from sgdj.modes.plan import plan
from sgdj.runs.catalogue import RunView, view
from sgdj.study.collecting import collect
from sgdj.study.design import COMMITTED, Cell, composed
from sgdj.study.paper import Claim
from sgdj.study.rows import Row
from sgdj.study.store import read as stored
from sgdj.study.store import write
from sgdj.study.tables import Line


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


#: Options of a group, or values of sigma, that a row is repeated for; a single one is a list of one.
Options = Annotated[list[NonEmpty], BeforeValidator(_listed)]
Levels = Annotated[list[NonNegative], BeforeValidator(_listed)]

_AXES = ("task", "dataset", "operator", "architecture", "strategy", "attack", "sigma")
_GIVEN = ("scale", "seed")  # the file gives them once, for all rows


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Column:
    """Condition that a column shows; nothing given is the clean one. See `sgdj.evaluation.conditions.Key`.

    Parameters
    ----------
    attack
        Name of an attack; "gaussian" is random noise of the same norm.
    factor
        Budget of the attack, as a multiple of the configured one.
    shift
        Name of a shift.
    level
        Level of the shift where it is not its own.
    iterations
        Number of iterations K where it is not the network's own.
    """

    attack: str = ""
    factor: NonNegative | None = None
    shift: str = ""
    level: float | None = None
    iterations: Count | None = None

    @property
    def key(self) -> Key:
        """The condition as it is measured."""
        factor = 1.0 if self.attack and self.factor is None else self.factor
        return Key(self.attack, factor, self.shift, self.level, self.iterations)


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Entry:
    """Row of the file, or several: every combination of the values that are lists.

    Parameters
    ----------
    label
        Name in tables; several rows get their own values behind it. None: these values alone, or the overrides.
    experiment
        Option of the group ``experiment`` that the row starts from.
    task, dataset, operator, architecture, strategy, attack
        Options of these groups, one or a list.
    sigma
        Noise level of the strategy, one or a list.
    overrides
        Anything else of the command line, each KEY=VALUE.
    """

    label: NonEmpty | None = None
    experiment: Name | None = None
    task: Options = Field(default_factory=list)
    dataset: Options = Field(default_factory=list)
    operator: Options = Field(default_factory=list)
    architecture: Options = Field(default_factory=list)
    strategy: Options = Field(default_factory=list)
    attack: Options = Field(default_factory=list)
    sigma: Levels = Field(default_factory=list)
    overrides: list[NonEmpty] = Field(default_factory=list)

    def axes(self) -> list[str]:
        """Return the options as overrides, several as a sweep."""
        given = {name: getattr(self, name) for name in _AXES}
        return [f"{name}={','.join(map(str, values))}" for name, values in given.items() if values]


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Statement:
    """Claim that the PSNR of one row exceeds that of another.

    Parameters
    ----------
    text
        The claim in words, as a sentence.
    better, worse
        Labels of the two rows that are compared.
    column
        Title of the column they are compared in.
    """

    text: NonEmpty
    better: NonEmpty
    worse: NonEmpty
    column: NonEmpty


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Content:
    """Content of the file.

    Parameters
    ----------
    title
        Title of the documents.
    scale
        Scale of all rows, such as "small".
    seeds
        Seeds of every row.
    rows
        Rows of the tables.
    columns
        Conditions by the titles of their columns.
    claims
        One family of claims, tested together.
    overrides
        Overrides of all rows, before their own, such as ``plugins=[my_lab]``.
    results
        Folder of the study's rows and documents; None for ``results/`` and the name of the file.
    """

    title: NonEmpty
    scale: Name
    seeds: Annotated[list[Seed], Field(min_length=1)]
    rows: Annotated[list[Entry], Field(min_length=1)]
    columns: Annotated[dict[NonEmpty, Column], Field(min_length=1)]
    claims: list[Statement] = Field(default_factory=list)
    overrides: list[NonEmpty] = Field(default_factory=list)
    results: NonEmpty | None = None


@plain_dataclass(frozen=True)
class OwnStudy:
    """A study of one's own, checked.

    Parameters
    ----------
    path
        File that names it.
    title
        Title of the documents.
    folder
        Folder of its rows and documents.
    seeds
        Seeds of every row.
    columns
        Conditions by the titles of their columns.
    claims
        Claims, whose two sides are labels of rows.
    rows
        Cells by label of their row, one per seed.
    """

    path: Path
    title: str
    folder: Path
    seeds: tuple[int, ...]
    columns: dict[str, Key]
    claims: tuple[Claim, ...]
    rows: dict[str, list[Cell]]

    @property
    def cells(self) -> list[Cell]:
        """All runs, the first seed of every row first."""
        return [cells[i] for i in range(len(self.seeds)) for cells in self.rows.values()]

    @property
    def plugins(self) -> list[str]:
        """Packages that its rows open."""
        return list(dict.fromkeys(name for cell in self.cells for name in cell.job().settings.plugins))

    def lines(self) -> tuple[list[Line], list[str]]:
        """Return the lines of the tables from the rows in the folder, and what is missing."""
        known = {row.config_hash: row for row in stored(self.folder)}
        found, absent = [], []
        for label, cells in self.rows.items():
            keys = [plan(cell.job()).key for cell in cells]
            rows = [known[key] for key in keys if key in known]
            if rows:
                found.append(Line(label, rows))
            if left := [str(seed) for seed, key in zip(self.seeds, keys, strict=True) if key not in known]:
                absent.append(f"{label}, seeds {', '.join(left)}")
        return found, absent


def row_of(path: Path, cell: Cell) -> Row:
    """Read the row of a cell from the folder of its finished run; what the file says of it is its variant."""
    variant = sorted(line for line in cell.overrides if not line.startswith("seed="))
    return replace(collect(path, cell.experiment or "study"), variant=variant)


def _content(path: Path) -> Content:
    if not path.is_file():
        raise InputError("no such file", str(path), "name the YAML file of a study")
    loaded = parse_mapping(path.read_bytes(), str(path), "see README, A study of your own")
    try:
        return TypeAdapter(Content).validate_json(json.dumps(loaded))
    except ValidationError as error:
        raise InputErrors([_in_file(path, mistake) for mistake in told(error, "", _keys(loaded))]) from error


def _keys(loaded: dict[str, object]) -> list[str]:
    """List the keys that the file may have, for hints."""
    found = list(Content.__dataclass_fields__)
    for node, kind in (("rows", Entry), ("claims", Statement), ("columns", Column)):
        many = loaded.get(node)
        places = range(len(many)) if isinstance(many, list) else many if isinstance(many, dict) else ()
        found += [f"{node}.{place}.{name}" for place in places for name in kind.__dataclass_fields__]
    return found


def _in_file(path: Path, mistake: InputError, row: str = "") -> InputError:
    where = mistake.where.removeprefix("command line: ")
    mend = "quote it" if mistake.what.endswith("must be text") else mistake.mend.replace("=VALUE", ": VALUE")
    return InputError(mistake.what, f"{path}: {row}{where}", mend)


def _expanded(content: Content, entry: Entry) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield label and overrides, but the seed, of every row that an entry stands for."""
    overrides = parse([*content.overrides, *entry.overrides])
    given = {override.key_or_group for override in overrides}
    for key in _GIVEN:
        if key in given:
            raise InputError("the study gives it for all rows", key, f"set {key}{'s' * (key == 'seed')} of the file")
    head = [f"+experiment={entry.experiment}"] if entry.experiment else []
    threads = [] if "trainer.threads" in given else ["trainer.threads=1"]  # several run side by side
    common = [*head, *threads, f"scale={content.scale}", *content.overrides]
    jobs = [
        [override.input_line or "" for override in job]
        for job in expand(parse([*common, *entry.axes(), *entry.overrides]))
    ]
    swept = {line for job in jobs for line in job if not all(line in other for other in jobs)}
    for job in jobs:
        values = ", ".join(line.partition("=")[2] for line in job if line in swept)
        own = values or ", ".join([*entry.axes(), *entry.overrides]) or str(entry.experiment)
        label = own if entry.label is None else f"{entry.label}: {values}" if values else entry.label
        yield label, tuple(line for line in job if not line.lstrip("+").startswith("experiment="))


def _measured(settings: Settings) -> list[Key]:
    """List the conditions under which a row is measured."""
    shifts = {name: build(settings, f"shift.{name}") for name in settings.shift}
    attack = (settings.attack.name, build(settings, "attack"))
    return [condition.key for condition in conditions(attack, shifts, settings.evaluation)]


def _folder(path: Path, content: Content, results: Path) -> Path:
    folder = Path(content.results) if content.results else results / path.stem
    committed = [(results / scale).resolve() for scale in COMMITTED]
    place = folder.resolve()
    if place == results.resolve() or any(place == one or one in place.parents for one in committed):
        raise InputError(f"{folder} holds the paper's study", f"{path}: results", "name another folder")
    return folder


def read(path: Path, results: Path = Path("results")) -> OwnStudy:
    """Read and check the file of a study.

    Parameters
    ----------
    path
        YAML file of the study.
    results
        Folder of the paper's results, where a study that names no folder gets its own.

    Returns
    -------
    OwnStudy
        Study whose rows can be run.

    Raises
    ------
    InputError
        If the file cannot be read.
    InputErrors
        If it has mistakes, with every one.
    """
    content = _content(path)
    rows: dict[str, list[Cell]] = {}
    measured: dict[str, list[Key]] = {}
    mistakes: list[InputError] = []
    folder = Path()
    try:
        folder = _folder(path, content, results)
    except InputError as error:
        mistakes.append(error)
    for number, entry in enumerate(content.rows):
        where = f"rows.{number}: "
        try:
            for label, lines in _expanded(content, entry):
                cells = [Cell(entry.experiment or "", (*lines, f"seed={seed}")) for seed in content.seeds]
                experiment = [f"+experiment={entry.experiment}"] if entry.experiment else []
                measured[label] = _measured(composed((*experiment, *lines)).settings)
                if label in rows:
                    raise InputError(f"two rows are called {label}", "label", "give each a label of its own")
                rows[label] = cells
        except InputErrors as error:
            mistakes += [_in_file(path, mistake, where) for mistake in error.mistakes]
        except InputError as error:
            mistakes.append(_in_file(path, error, where))
    columns = {title: column.key for title, column in content.columns.items()}
    if not mistakes:  # else they would tell of what follows from them
        mistakes += _missed(path, content, measured)
    if mistakes:
        raise InputErrors(list({str(mistake): mistake for mistake in mistakes}.values()))
    claims = tuple(
        Claim(str(number), claim.text, claim.better, claim.worse, claim.column, "")
        for number, claim in enumerate(content.claims, 1)
    )
    return OwnStudy(path, content.title, folder, tuple(dict.fromkeys(content.seeds)), columns, claims, rows)


def _missed(path: Path, content: Content, measured: dict[str, list[Key]]) -> Iterator[InputError]:
    """Yield what columns and claims name that no row has."""
    for title, column in content.columns.items():
        if not any(column.key in keys for keys in measured.values()):
            mend = "let a row measure it, with attack, shift=[…] or evaluation.curve in its overrides"
            yield InputError("no row measures this", f"{path}: columns.{title}", mend)
    for number, claim in enumerate(content.claims):
        where = f"{path}: claims.{number}"
        for side in ("better", "worse"):
            name = getattr(claim, side)
            if name not in measured:
                yield InputError(f"no row is called {name}", f"{where}.{side}", nearest(name, list(measured)))
            elif claim.column in content.columns and content.columns[claim.column].key not in measured[name]:
                yield InputError(f"row {name} does not measure {claim.column}", f"{where}.column", "choose another one")
        if claim.column not in content.columns:
            mend = nearest(claim.column, list(content.columns))
            yield InputError(f"no column is called {claim.column}", f"{where}.column", mend)


def collect_own(study: OwnStudy, outputs: Path) -> tuple[list[str], list[str]]:
    """Write a row for every finished run that is one of the study's and has none yet.

    Parameters
    ----------
    study
        Study whose rows are looked for.
    outputs
        Folder with run directories.

    Returns
    -------
    tuple
        Names of what was added; and lines that name what was passed over, with the reason.
    """
    wanted = {plan(cell.job()).key: (label, cell) for label, cells in study.rows.items() for cell in cells}
    shown = {row.config_hash for row in stored(study.folder)}
    added, passed = [], []
    for path in sorted(outputs.rglob("run.json")):
        run = view(path.parent)
        key = str(run.record.get("config_hash"))
        if key in shown and key in wanted:
            continue
        if key not in wanted:
            passed.append(f"{path.parent}: {_unlike(run, study)}")
        elif run.status != "finished":
            passed.append(f"{path.parent}: it is {run.status}")
        else:
            label, cell = wanted[key]
            try:
                write(row_of(path.parent, cell), study.folder)
            except (InputError, KeyError, TypeError, ValueError) as error:
                passed.append(f"{path.parent}: it cannot be read ({error})")
            else:
                shown.add(key)
                added.append(f"{label}, {cell.overrides[-1]}")
    return added, passed


def _unlike(run: RunView, study: OwnStudy) -> str:
    """Say why a run is none of the study's."""
    if not run.config:
        return "run.json or config.yaml is damaged"
    theirs = dict(leaves(run.config))
    nearest_row, fewest = "", None
    for label, cells in study.rows.items():
        for cell in cells:
            ours = dict(leaves(cell.job().settings.plain()))
            differing = _differing(ours, theirs)
            if fewest is None or len(differing) < len(fewest):
                nearest_row, fewest = label, differing
    if not fewest:
        return f"its settings are those of {nearest_row}, its data or code are not"
    more = f" and {len(fewest) - 3} more" if len(fewest) > 3 else ""
    return f"it is no row; the nearest is {nearest_row}, which differs in {', '.join(fewest[:3])}{more}"


def _differing(ours: dict[str, object], theirs: dict[str, object]) -> list[str]:
    """List the keys that decide numbers and differ."""
    keys = sorted(ours.keys() | theirs.keys())
    return [key for key in keys if has(key, Role.IDENTITY) and ours.get(key) != theirs.get(key)]
