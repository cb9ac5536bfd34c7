"""What the YAML file of a study of one's own may say."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sgdj.config.messages import told
from sgdj.config.types import STRICT, Count, Name, NonEmpty, NonNegative, Seed
from sgdj.errors import InputError, InputErrors
from sgdj.evaluation.key import Key
from sgdj.jobs.plain_yaml import parse_mapping


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


#: Options of a group, or values of sigma, that a row is repeated for; a single one is a list of one.
Options = Annotated[list[NonEmpty], BeforeValidator(_listed)]
Levels = Annotated[list[NonNegative], BeforeValidator(_listed)]

_AXES = ("task", "dataset", "operator", "architecture", "strategy", "attack", "sigma", "reconstructor")


@dataclass(config=STRICT, frozen=True, kw_only=True)
class Column:
    """Condition that a column shows; nothing given is the clean one. See `sgdj.evaluation.key.Key`.

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
    reconstructor
        A reference that is not trained here, ``module:Class``, or a list of them.
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
    reconstructor: Options = Field(default_factory=list)
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


def read_content(path: Path) -> Content:
    """Read the file of a study.

    Parameters
    ----------
    path
        YAML file of the study.

    Returns
    -------
    Content
        What the file says, of the right types.

    Raises
    ------
    InputError
        If it cannot be read.
    InputErrors
        If it has mistakes, with every one.
    """
    if not path.is_file():
        raise InputError("no such file", str(path), "name the YAML file of a study")
    loaded = parse_mapping(path.read_bytes(), str(path), "see docs/results.md, A study of your own")
    try:
        return TypeAdapter(Content).validate_json(json.dumps(loaded))
    except ValidationError as error:
        raise InputErrors([in_file(path, mistake) for mistake in told(error, "", _keys(loaded))]) from error


def _keys(loaded: dict[str, object]) -> list[str]:
    """List the keys that the file may have, for hints."""
    found = list(Content.__dataclass_fields__)
    for node, kind in (("rows", Entry), ("claims", Statement), ("columns", Column)):
        many = loaded.get(node)
        places = range(len(many)) if isinstance(many, list) else many if isinstance(many, dict) else ()
        found += [f"{node}.{place}.{name}" for place in places for name in kind.__dataclass_fields__]
    return found


def in_file(path: Path, mistake: InputError, row: str = "") -> InputError:
    """Say of a mistake in a setting where in the file it stands."""
    where = mistake.where.removeprefix("command line: ")
    mend = "quote it" if mistake.what.endswith("must be text") else mistake.mend.replace("=VALUE", ": VALUE")
    return InputError(mistake.what, f"{path}: {row}{where}", mend)
