"""List, compare and tidy runs through their directories."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.table import Table

from sgdj.config.nodes import get
from sgdj.errors import InputError
from sgdj.jobs.measured import names
from sgdj.jobs.plain_yaml import read_mapping
from sgdj.runs.directory import RunDirectory
from sgdj.runtime.contents import Record, Summary
from sgdj.runtime.text import printable

#: What runs are filtered by.
FACTS = ("task", "architecture", "strategy", "sigma", "seed", "scale", "mode", "status")
_SHOWN = ("mode", "task", "scale", "architecture", "strategy", "sigma", "seed", "attack", "status")
#: What `lines` says of a run.
COLUMNS = (*_SHOWN, "clean dB", "attacked dB", "OOD dB", "MiB", "folder", "reason")
_GROUPS = ("operator", "dataset", "architecture", "strategy", "attack", "shift", "trainer", "evaluation")


_FORMER = {"x0": "zero_filled"}  # names of reconstructors in older runs, by today's


def current_name(reconstructor: str) -> str:
    """Return today's name of a reconstructor in an older run."""
    return next((today for today, former in _FORMER.items() if former == reconstructor), reconstructor)


def former_name(reconstructor: str) -> str:
    """What a reconstructor was called in older runs."""
    return _FORMER.get(reconstructor, reconstructor)


@dataclass(frozen=True)
class RunView:
    """A run directory, read only.

    Parameters
    ----------
    path
        Folder of the run.
    record, config, summary
        Content of ``run.json``, ``config.yaml`` and ``evaluation/summary.json``; empty if missing or damaged.
    """

    path: Path
    record: Record
    config: dict[str, object]
    summary: Summary

    @property
    def facts(self) -> dict[str, str]:
        """What runs are filtered by: a text for each of `FACTS`."""
        nodes = {name: self.node(name).get("name", "?") for name in ("architecture", "strategy")}
        nodes |= {"sigma": self.node("strategy").get("sigma", ""), "status": self.status}
        if self.setting("reconstructor") is not None:  # what it would train plays no part
            nodes |= dict(zip(("architecture", "strategy"), names(self.config), strict=True)) | {"sigma": ""}
        return {fact: str(nodes[fact] if fact in nodes else self.config.get(fact, "?")) for fact in FACTS}

    @property
    def reason(self) -> str:
        """Why the run is not finished; empty if it is, or if nothing was recorded."""
        if self.status == "killed":
            return "no process is at work on it"
        return str(self.record.get("reason", "")) if self.status in ("failed", "interrupted") else ""

    def setting(self, key: str) -> object:
        """The value under a dotted key of the configuration, or None."""
        return get(self.config, key)

    def node(self, name: str) -> dict[str, object]:
        """Return a node of the configuration; empty if it is missing or damaged."""
        found = self.config.get(name)
        return found if isinstance(found, dict) else {}

    @property
    def status(self) -> str:
        """Status in the record; a run that says running while no process holds its lock was killed."""
        recorded = str(self.record.get("status", "?"))
        return "killed" if recorded == "running" and not _locked(self.path) else recorded

    def psnr(self, condition: str) -> float | None:
        """Return the mean PSNR in dB of the network under a condition."""
        try:
            value = self.summary["network"][condition]["psnr"]["mean"]
            return float(value) if isinstance(value, int | float) else None
        except (KeyError, TypeError, OverflowError):
            return None

    def size(self) -> int:
        """Size on disk, in bytes."""
        return sum(p.stat().st_size for p in self.path.rglob("*") if p.is_file())


def _locked(path: Path) -> bool:
    lock = path / ".lock"
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _load(path: Path) -> dict[str, object]:
    with suppress(OSError, ValueError, RecursionError):
        loaded = json.loads(path.read_text())
        return loaded if isinstance(loaded, dict) else {}
    return {}


def _config(path: Path) -> dict[str, object]:
    """Read a run's configuration; empty if it is missing, or no configuration."""
    with suppress(InputError):
        config = read_mapping(path)
        groups = all(isinstance(config.get(node, {}), dict) for node in _GROUPS)
        words = ("task", "scale", "seed", "epochs", "mode", *(f"{node}.name" for node in _GROUPS), "strategy.sigma")
        if groups and not any(isinstance(get(config, word), dict | list) for word in words):
            return config
    return {}


def read_summary(path: Path) -> Summary:
    """Read the means of a run, reconstructors by today's names; empty if there are none, or they are damaged."""
    found = _load(path / "evaluation" / "summary.json")
    return {current_name(name): entry for name, entry in found.items()}


def view(path: Path) -> RunView:
    """Read a run directory.

    Parameters
    ----------
    path
        Folder of the run.

    Returns
    -------
    RunView
        Content of its files.

    Raises
    ------
    InputError
        If it holds no ``run.json``.
    """
    if not (path / "run.json").is_file():
        raise InputError("no run.json", str(path), "give a run directory")
    return RunView(
        path,
        _load(path / "run.json"),
        _config(path / "config.yaml"),
        read_summary(path),
    )


def find(folders: Sequence[Path], wanted: dict[str, str]) -> list[RunView]:
    """Find the runs below some folders whose facts are as wanted.

    Parameters
    ----------
    folders
        Folders to search.
    wanted
        Wanted value of each fact.

    Returns
    -------
    list of RunView
        Runs that match.

    Raises
    ------
    InputError
        If a filter has another name than the facts.
    """
    found = [view(p.parent) for folder in folders for p in sorted(folder.rglob("run.json"))]
    for key, value in wanted.items():
        if key not in FACTS:
            raise InputError(f"unknown filter {key}", f"{key}={value}", f"choose one of {', '.join(FACTS)}")
    return [run for run in found if all(run.facts[key] == value for key, value in wanted.items())]


def lines(found: Sequence[RunView]) -> list[tuple[str | float | None, ...]]:
    """Give a value for each of `COLUMNS` of every run; None for a score that it lacks."""
    rows: list[tuple[str | float | None, ...]] = []
    for run in found:
        attack = str(run.node("attack").get("name", ""))
        facts = run.facts | {"attack": attack}
        scores = map(run.psnr, ("clean", attack, next(iter(run.node("shift")), "")))
        rows.append((*(facts[name] for name in _SHOWN), *scores, run.size() / 2**20, str(run.path), run.reason))
    return rows


def listing(found: Sequence[RunView]) -> Table:
    """Make the table of `lines` for a terminal; no cell of it is ever broken or cut."""
    rows = lines(found)
    size = sum(run.size() for run in found) / 2**20
    table = Table(title=f"{len(found)} runs, {size:.1f} MiB", title_justify="left", box=None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="right" if name.endswith(("dB", "MiB")) else "left", no_wrap=True)
    for *facts, clean, attacked, shifted, mib, folder, reason in rows:
        scores = ["" if value is None else f"{value:.2f}" for value in (clean, attacked, shifted)]
        table.add_row(*map(printable, facts), *scores, f"{mib:.1f}", printable(folder), printable(reason))
    return table


def tidy(found: Sequence[RunView], really: bool) -> str:
    """Remove the checkpoints of finished runs; those of others stay, since they are needed to resume."""
    finished = [run for run in found if run.status == "finished" and (run.path / "checkpoints").is_dir()]
    own = [p for run in finished for p in RunDirectory(run.path).own_files() if p.parent.name == "checkpoints"]
    size = sum(p.stat().st_size for p in own)
    if really:
        for path in own:
            path.unlink(missing_ok=True)
        for run in finished:
            with suppress(OSError):  # something of the user's is in it
                (run.path / "checkpoints").rmdir()
    done = "removed" if really else "would remove (add --yes)"
    return f"{done} checkpoints of {len(finished)} finished runs, {size / 2**20:.1f} MiB"
