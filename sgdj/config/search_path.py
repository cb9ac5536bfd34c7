"""Find options: in ``conf/`` of this project, then in ``conf/`` of the packages that the command line opens."""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hydra.core.override_parser.types import Override

from sgdj.config.quoting import literal

CONF = Path(__file__).resolve().parents[1] / "conf"  # a link to conf/ in a checkout, a copy in an installed package


def opened(overrides: Iterable[Override]) -> list[str]:
    """Return the packages that the command line names in ``plugins=[…]``; the last one of several counts."""
    values = [override.value() for override in overrides if override.key_or_group == "plugins"]
    return [str(name) for name in values[-1]] if values and isinstance(values[-1], list) else []


def _options_of(package: str) -> Path | None:
    """Return ``conf/`` beside the ``__init__.py`` of a package, which is not imported for that."""
    try:
        spec = find_spec(package) if package.isidentifier() else None
    except (ImportError, ValueError):
        return None
    places = [Path(place) / "conf" for place in (spec and spec.submodule_search_locations) or []]
    return next((place.resolve() for place in places if place.is_dir()), None)


def folders(plugins: Sequence[str] = ()) -> tuple[Path, ...]:
    """Return the folders with options; of two options of one name the first counts."""
    found = [CONF, *(place for name in plugins if (place := _options_of(name)) is not None)]
    return tuple(place for number, place in enumerate(found) if not number or place != CONF.resolve())


def search_path(plugins: Sequence[str]) -> list[str]:
    """Return the override that tells Hydra the folders of plugins; empty if there are none."""
    places = [literal(f"file://{place}") for place in folders(plugins)[1:]]
    return [f"hydra.searchpath=[{','.join(places)}]"] if places else []


#: Folders of conf/ whose files are no options: its root, and protocols of studies.
_NO_GROUP = (".", "study")


@cache
def _listed(places: tuple[Path, ...]) -> dict[str, list[str]]:
    """List the names of all options by group; read once, since options do not change while a program runs."""
    found: dict[str, set[str]] = {}
    for place in places:
        for path in place.rglob("*.yaml"):
            found.setdefault(path.parent.relative_to(place).as_posix(), set()).add(path.stem)
    return {group: sorted(names) for group, names in sorted(found.items()) if group not in _NO_GROUP}


def groups(plugins: Sequence[str] = ()) -> tuple[str, ...]:
    """Return every group that has an option."""
    return tuple(_listed(folders(plugins)))


GROUPS = groups()  # groups of this project, without plugins


def config_options(group: str, plugins: Sequence[str] = ()) -> list[str]:
    """Return the names of a group's options."""
    return list(_listed(folders(plugins)).get(group, ()))


def option_file(group: str, option: str, plugins: Sequence[str] = ()) -> Path | None:
    """Return the file of an option; None if there is none."""
    if option not in config_options(group, plugins):  # so that a name is no way to another folder
        return None
    return next(path for place in folders(plugins) if (path := place / group / f"{option}.yaml").is_file())
