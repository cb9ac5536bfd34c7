"""Find out what a folder holds: nothing, an earlier state of this run, or another run; anything else is refused."""

import re
from dataclasses import dataclass
from pathlib import Path

from sgdj.errors import InputError
from sgdj.jobs.identity import settings
from sgdj.runs.directory import RunDirectory
from sgdj.runs.resuming import has_own, owned
from sgdj.runtime.contents import Record


@dataclass(frozen=True)
class Earlier:
    """An earlier run in a folder.

    Parameters
    ----------
    record
        Content of its ``run.json``; empty if there is no run, or the record is damaged.
    found
        Whether there is a run.
    same
        Whether it is of this very configuration.
    """

    record: Record
    found: bool
    same: bool


def _plugins(config: dict[str, object]) -> list[str]:
    """Return the packages that a run opens."""
    named = config.get("plugins")
    return list(map(str, named)) if isinstance(named, list) else []


def look(run: RunDirectory, key: str, config: dict[str, object]) -> Earlier:
    """See what a folder holds, changing nothing there.

    A folder without a readable ``run.json`` is known by the hash in an intact checkpoint, or, if there is none, by its
    ``config.yaml``, as long as there is nothing in it but files that runs write.

    Parameters
    ----------
    run
        The folder that is looked at.
    key
        Configuration hash of the run that asks.
    config
        Configuration of the run that asks, in plain types.

    Returns
    -------
    Earlier
        The record that was found, and whether it is of the same run.

    Raises
    ------
    InputError
        If it holds something that is no run of this program.
    """
    if run.path.exists() and not run.path.is_dir():
        raise InputError("the folder cannot be written (Not a directory)", str(run.path), "choose another output_dir")
    try:
        inside = run.entries()
    except OSError as error:
        raise InputError(
            f"the folder cannot be read ({error.strerror})", str(run.path), "choose another run_dir"
        ) from error
    if not inside:
        return Earlier({}, False, False)
    record = run.read_record()
    if record.get("config_hash") == key:
        return Earlier(record, True, True)
    if record:  # the record of another run, or one whose hash is damaged
        mine = has_own(run, key)
        return Earlier({} if mine else record, True, mine)
    plugins = _plugins(config)
    there, own = settings(run.read_config(), plugins), owned(run, key)
    if any(own) or (not own and _is_all_ours(run, inside) and there == settings(config, plugins)):
        return Earlier({}, True, True)
    damaged = (run.path / "run.json").is_file()
    raise InputError(
        "run.json cannot be read, and nothing else there is of this configuration"
        if damaged
        else "the folder is not empty and holds no run of this program",
        f"run_dir={run.path}",
        "choose another folder; this one is left as it is",
    )


def _is_all_ours(run: RunDirectory, inside: list[Path]) -> bool:
    """Check whether a folder has ``run.json``, and nothing but what runs write."""
    own, folders = set(run.own_files()), {"checkpoints", "evaluation", "figures", "model"}
    for path in inside:
        if path.name in folders and path.is_dir():
            if not all(p in own or re.fullmatch(r"\..*\.tmp", p.name) for p in path.iterdir()):
                return False
        elif path not in own and path.name != "wandb":
            return False
    return run.path / "run.json" in own
