"""mode=verify: compare a run directory with the hashes that were written for it."""

import sys
from pathlib import Path

from sgdj.errors import ExitCode
from sgdj.jobs.load import Job
from sgdj.runs.verification import differences
from sgdj.runtime.contents import Record
from sgdj.runtime.output import say


def verify(job: Job) -> Record:
    """Report every difference; the exit code says whether there is one."""
    folder = Path(str(job.settings.run_dir))  # it has one, as it was checked
    count, lines = differences(folder)
    for line in lines:
        say(f"differs: {line}", sys.stderr)
    what = (
        f"{count} files compared (run.json itself is covered by no hash)"
        if count
        else "not finished, only checkpoints compared"
    )
    say(f"{folder}: {what}, {len(lines)} differences")
    return {"exit_code": int(ExitCode.CHECK_FAILED if lines else ExitCode.DONE), "folder": str(folder)}
