"""The hashes that rows carry, computed anew when the rule has changed by which runs are named."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

from sgdj.errors import InputError, InputErrors
from sgdj.jobs.identity import RESULT_VERSION, without_defaults
from sgdj.jobs.load import Job
from sgdj.modes.plan import plan
from sgdj.study.design import composed
from sgdj.study.rows import Measured, Row
from sgdj.study.store import fold, read, read_audits, write

_FOLDER = re.compile(r"(?<=-)[0-9a-f]{12}(?=/checkpoints/)")


def _evaluates(one: Measured) -> bool:
    """Whether a run measured a network that another one trained."""
    return any(word.startswith("checkpoint=") for word in shlex.split(one.command))


def hash_today(one: Measured) -> str:
    """Compute the configuration hash that a training's command has today.

    Parameters
    ----------
    one
        Row of a training.

    Returns
    -------
    str
        Configuration hash, 12 hexadecimal digits.

    Raises
    ------
    InputError, InputErrors
        If the command does not compose any more, or its data are files that are not there.
    """
    lines = shlex.split(one.command)[2:]
    job = composed(tuple(line for line in lines if not line.startswith("seed=")))
    return plan(Job(job.settings.changed("seed", one.seed), lines)).key


def rehash(folder: Path) -> tuple[list[str], list[str]]:
    """Give every row the configuration hash that its own command has today; the measured values stay.

    A training's hash is made of the configuration that its command composes and of the manifest of its data. That of
    an evaluation or an audit is also made of the bytes of the checkpoint, which are no longer there: it stays as it
    was, a record of the checkpoint that was measured. Such a row is found again by its experiment, network and variant
    (`sgdj.study.campaign.missing`). The folder of the checkpoint in its command follows the hash of the training. A row
    of an older result version keeps its hash, since its command gives other numbers today. Files of older columns get
    today's.

    Parameters
    ----------
    folder
        Folder of the evidence, such as ``results/small``.

    Returns
    -------
    tuple
        Names of the rows that changed; and lines that name those that could not be computed, with the reason.
    """
    measured: list[Measured] = [*read(folder), *read_audits(folder)]
    known = [one for one in measured if one.result_version == RESULT_VERSION]
    today: dict[str, str] = {}
    left = []
    for one in known:
        if not _evaluates(one):
            try:
                today[one.config_hash] = hash_today(one)
            except (InputError, InputErrors) as error:
                left.append(f"{one.experiment}/{one.name}: {str(error).splitlines()[0]}")
    changed = []
    for one in known:
        command = _FOLDER.sub(lambda found: today.get(found[0], found[0]), one.command)
        name = one.config_hash if _evaluates(one) else today.get(one.config_hash, one.config_hash)
        new = replace(one, config_hash=name, command=command)
        if isinstance(new, Row):
            new = replace(new, attack=without_defaults("attack", new.attack))
        if new != one:
            write(new, folder)
            changed.append(f"{one.experiment}/{one.name}")
    fold(folder, rewrite=True)
    return changed, left
