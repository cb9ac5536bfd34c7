"""Keep every document to one result version, and say which one it is."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sgdj.jobs.identity import RESULT_VERSION
from sgdj.study.rows import Audited, Measured, Row
from sgdj.study.store import read, read_audits


class Evidence(NamedTuple):
    """Rows and audits that documents show, of one result version for each task.

    Parameters
    ----------
    rows, audits
        What is shown, in the order of `sgdj.study.store`.
    left_out
        Rows and audits of other versions.
    """

    rows: list[Row]
    audits: list[Audited]
    left_out: list[Measured]


def one_version(folder: Path) -> Evidence:
    """Read what a folder's documents show: for each task, rows and audits of the newest result version of its rows.

    Parameters
    ----------
    folder
        Folder with the CSV files.

    Returns
    -------
    Evidence
        What is shown, and what is left out.
    """
    rows, audits = read(folder), read_audits(folder)
    newest: dict[str, int] = {}
    for row in rows:
        newest[row.task] = max(row.result_version, newest.get(row.task, 0))

    def shown(one: Measured) -> bool:
        return one.result_version == newest.get(one.task, one.result_version)

    left_out = [one for one in (*rows, *audits) if not shown(one)]
    return Evidence(list(filter(shown, rows)), list(filter(shown, audits)), left_out)


def note(measured: Sequence[Measured]) -> str:
    """Say with which version rows of one version were measured; empty if it is today's."""
    version = measured[0].result_version
    if version == RESULT_VERSION:
        return ""
    return (
        f"Measured with result version {version} of this program; today's version, {RESULT_VERSION}, computes other "
        "numbers (CHANGELOG.md says why)."
    )


def left_out(others: Sequence[Measured]) -> str:
    """Say what is left out because another version measured it; empty if that is nothing."""
    counts = Counter((one.result_version, "audits" if isinstance(one, Audited) else "rows") for one in others)
    parts = [f"{count} {what} of result version {version}" for (version, what), count in sorted(counts.items())]
    return f"Left out, since a document is of one version: {', '.join(parts)}." if parts else ""
