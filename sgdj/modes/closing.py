"""Say at the end of a run what to look at, and what to try next."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from sgdj.jobs.consistency import ACQUISITION_FILES
from sgdj.runtime.contents import Record

if TYPE_CHECKING:
    from sgdj.jobs.load import Job

#: What a saved network does not choose: code and files of its user's.
_GIVEN_AGAIN = ("plugins", "dataset.root", "dataset.path", *(f"operator.{key}" for key in ACQUISITION_FILES))


def closing_lines(job: "Job", record: Record) -> list[str]:
    """Say what to open of a finished run, and which command to try next.

    Parameters
    ----------
    job
        Job that has run.
    record
        Record of the run, with its folder.

    Returns
    -------
    list of str
        Lines for the terminal; empty for a mode that leaves nothing to look at.
    """
    if job.settings.mode not in ("train", "evaluate", "audit", "certify"):
        return []
    from sgdj.runs.directory import REPORT  # what it imports is not needed for a mistake on the command line

    folder = Path(record["folder"])
    lines = [f"look at: {folder / REPORT}"]
    if job.settings.mode == "train":
        again = [o for o in job.overrides if o.lstrip("+").partition("=")[0] in _GIVEN_AGAIN]
        audit = ["mode=audit", f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}", *again]
        lines.append(f"try next: python run.py {shlex.join(audit)}")
    return lines
