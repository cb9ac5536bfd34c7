"""Read a study of one's own: rows, columns and claims that a YAML file names, checked before anything runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sgdj.config.instantiate import build
from sgdj.config.nodes import nearest
from sgdj.config.settings import Settings
from sgdj.errors import InputError, InputErrors
from sgdj.evaluation.conditions import conditions
from sgdj.evaluation.key import Key
from sgdj.jobs.composition import expand, parse
from sgdj.jobs.identity import RESULT_VERSION
from sgdj.modes.plan import plan
from sgdj.study.design import COMMITTED, Cell, composed
from sgdj.study.own_file import Content, Entry, in_file, read_content
from sgdj.study.paper import Claim
from sgdj.study.rows import Row
from sgdj.study.store import read as stored
from sgdj.study.tables import Line

_GIVEN = ("scale", "seed")  # the file gives them once, for all rows


@dataclass(frozen=True)
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
        Cells by label of their row, one per seed; one alone of a reference that is not trained here.
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
        return [cells[i] for i in range(len(self.seeds)) for cells in self.rows.values() if i < len(cells)]

    def older(self) -> list[Row]:
        """Return the rows in the folder that another result version measured."""
        return [row for row in stored(self.folder) if row.result_version != RESULT_VERSION]

    def lines(self) -> tuple[list[Line], list[str]]:
        """Return the lines of the tables from the rows in the folder, and what is missing."""
        known = {row.config_hash: row for row in stored(self.folder) if row.result_version == RESULT_VERSION}
        found, absent = [], []
        for label, cells in self.rows.items():
            keys = [plan(cell.job()).key for cell in cells]
            rows = [known[key] for key in keys if key in known]
            if rows:
                found.append(Line(label, rows))
            if left := [str(seed) for seed, key in zip(self.seeds, keys, strict=False) if key not in known]:
                absent.append(f"{label}, seeds {', '.join(left)}")
        return found, absent


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
        kept = tuple(line for line in job if not line.lstrip("+").startswith("experiment="))
        yield label, kept if "mode" in given or not _names_reconstructor(job) else ("mode=evaluate", *kept)


def _names_reconstructor(job: list[str]) -> bool:
    """Check whether a job measures a reconstructor that is not trained here."""
    return any(line.startswith("reconstructor=") and line != "reconstructor=null" for line in job)


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
    content = read_content(path)
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
                experiment = [f"+experiment={entry.experiment}"] if entry.experiment else []
                settings = composed((*experiment, *lines)).settings
                seeds = content.seeds[:1] if settings.reconstructor else content.seeds
                cells = [Cell(entry.experiment or "", (*lines, f"seed={seed}")) for seed in seeds]
                measured[label] = _measured(settings)
                if label in rows:
                    raise InputError(f"two rows are called {label}", "label", "give each a label of its own")
                rows[label] = cells
        except InputErrors as error:
            mistakes += [in_file(path, mistake, where) for mistake in error.mistakes]
        except InputError as error:
            mistakes.append(in_file(path, error, where))
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
