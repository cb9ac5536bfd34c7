"""Decide about an earlier run in the folder: refuse, skip, resume, or begin again."""

from pathlib import Path

from sgdj.config.nodes import get, leaves
from sgdj.errors import CheckFailed, InputError
from sgdj.jobs.identity import settings
from sgdj.modes.plan import Plan
from sgdj.runs.directory import RunDirectory
from sgdj.runs.earlier import Earlier, look
from sgdj.runs.resuming import has_own
from sgdj.runs.verification import damaged
from sgdj.runtime.contents import Record
from sgdj.runtime.hashing import digest
from sgdj.runtime.ranks import rank, tell


def earlier_run(plan: Plan, run: RunDirectory) -> Earlier:
    """Return what the folder holds; another run is refused, unless it is to be replaced.

    Parameters
    ----------
    plan
        Run that is going to use the folder.
    run
        Folder of the run.

    Returns
    -------
    Earlier
        Earlier run in the folder, if any.

    Raises
    ------
    InputError
        If the folder holds another run, something that is no run, or files that this run reads.
    """
    if rank() > 0:  # the leader decides, and may be changing it already
        record = run.read_record()
        return Earlier(record, bool(record), record.get("config_hash") == plan.key)
    earlier = look(run, plan.key, plan.settings.plain())
    if earlier.found and not earlier.same and not plan.settings.force:
        raise InputError(
            f"the folder holds another run ({_difference(plan, run, earlier.record)})",
            f"run_dir={run.path}",
            "choose another folder, or force=true to replace it",
        )
    if earlier.found:
        _refuse_loss(plan, run, begins_again=not earlier.same or plan.settings.force or not plan.settings.resume)
    return earlier


def _refuse_loss(plan: Plan, run: RunDirectory, begins_again: bool) -> None:
    """Refuse to replace an earlier run whose files this one reads, or whose folders lie elsewhere.

    Raises
    ------
    InputError
        If something would be lost, naming it.
    """
    own = {path.resolve() for path in run.own_files()}
    for key, value in leaves(plan.settings.plain()):
        reads = isinstance(value, str) and (key == "checkpoint" or key.endswith(".source"))
        if reads and Path(value).resolve() in own:
            raise InputError("the run would remove what it reads", f"{key}={value}", "choose another run_dir")
    linked = run.linked_folders() if begins_again else []
    if linked:
        what = "the earlier run cannot be replaced, since this folder of it is a link to another place"
        raise InputError(what, str(linked[0]), "choose another run_dir, or take the link away")


def _difference(plan: Plan, run: RunDirectory, record: Record) -> str:
    """How the planned run differs from the one in the folder."""
    config, planned, plugins = run.read_config(), plan.settings.plain(), plan.settings.plugins
    there, here = settings(config, plugins), settings(planned, plugins)
    keys = [key for key in sorted(there.keys() | here.keys()) if there.get(key) != here.get(key)]
    shown = [f"{key} is {get(config, key)} there, {get(planned, key)} here" for key in keys[:5]]
    if keys:
        return "; ".join(shown) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
    if record.get("data_hash") != digest(plan.source.manifest()):
        return "of other data"
    files = [name for name, content in plan.subject.items() if record.get(name) != content]
    if files:
        return f"of another {files[0]}"
    state, commit = record.get("status"), str(record.get("commit") or "unknown")[:12]
    return (
        f"of the same configuration and data, {state}, by another version of this program or of a plugin, commit "
        f"{commit}; its network can be evaluated"
    )


def is_done(plan: Plan, run: RunDirectory, earlier: Earlier) -> bool:
    """Check whether the run was finished, and its results are intact.

    Parameters
    ----------
    plan
        Run that was asked for.
    run
        Folder of the run.
    earlier
        Earlier run in the folder.

    Returns
    -------
    bool
        True if nothing is left to do.

    Raises
    ------
    CheckFailed
        If results are damaged, and nothing is left to make them from.
    """
    if not earlier.same or earlier.record.get("status") != "finished" or plan.settings.force:
        return False
    changed = damaged(run, earlier.record)
    if not changed:
        return True
    some = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    if plan.trains and not _has_checkpoints(plan, run):
        raise CheckFailed(
            f"damaged since the run was finished, and no checkpoint is left to make it from, {some} "
            f"in {run.path}: force=true trains again"
        )
    if run.claimed:
        tell(f"damaged since the run was finished, and made anew: {some}")
    return False


def skipped(run: RunDirectory, earlier: Earlier) -> Record:
    """Return the record of a run that is finished already."""
    tell(f"already finished: {run.path} (force=true repeats it)")
    return {**earlier.record, "folder": str(run.path), "skipped": True}


def goes_on(plan: Plan, run: RunDirectory, earlier: Earlier) -> bool:
    """Check whether the run resumes from checkpoints of an earlier one; says so if there is one and it does not."""
    if not earlier.found:
        return False
    wanted = earlier.same and plan.settings.resume and not plan.settings.force
    if wanted and earlier.record.get("diverged"):
        tell("beginning again: the earlier run diverged")
    elif wanted and plan.trains:
        if _has_checkpoints(plan, run):
            return True
        tell("beginning again: the earlier run left no intact checkpoint")
    return False


def _has_checkpoints(plan: Plan, run: RunDirectory) -> bool:
    return has_own(run, plan.key)
