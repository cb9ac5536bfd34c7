"""Check a run directory against the hashes that were written for it."""

from collections.abc import Iterator
from pathlib import Path

from sgdj.errors import InputError
from sgdj.runs.checkpoints import is_intact
from sgdj.runs.directory import RunDirectory
from sgdj.runtime.contents import Record
from sgdj.runtime.hashing import file_digest

_FOLDERS = ("checkpoints", "evaluation", "figures", "model")
_FILES = ("config.yaml", "metrics.jsonl", "report.html")


def _files(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in _FILES if (folder / name).is_file())
    for name in _FOLDERS:
        yield from sorted(path for path in (folder / name).rglob("*") if path.is_file())


def hashes(folder: Path) -> dict[str, str]:
    """Compute SHA-256 of every file that a finished run's record lists, by relative path."""
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in _files(folder)}


def damaged(run: RunDirectory, record: Record) -> list[str]:
    """What differs from the hashes of a finished run, of its numbers and its weights.

    Files that were removed do not count: the checkpoints of a finished run may be tidied away. Neither do figures, the
    report and the model card, which people edit.
    """
    expected = record.get("files", {})
    found = hashes(run.path)
    vouched = [name for name in found if name in expected and not name.endswith((".md", ".png", ".pdf", ".html"))]
    return [name for name in vouched if found[name] != expected[name]]


def differences(folder: Path) -> tuple[int, list[str]]:
    """Compare a run directory with its record.

    Parameters
    ----------
    folder
        Folder of the run.

    Returns
    -------
    tuple
        Number of files whose hash is recorded (none before a run is finished), and one line per difference.

    Raises
    ------
    InputError
        If there is no run, or a file cannot be read.
    """
    record = RunDirectory(folder).read_record()
    if not record:
        raise InputError("no readable run.json", f"run_dir={folder}", "give a run directory")
    expected: dict[str, str] = record.get("files", {})
    try:
        found = hashes(folder)
    except OSError as error:
        raise InputError(
            f"a file cannot be read ({error.strerror})", str(error.filename), "check the folder"
        ) from error
    lines = [f"{name} is missing" for name in expected if name not in found]
    lines += [f"{name} has changed" for name in expected if name in found and found[name] != expected[name]]
    if expected:
        lines += [f"{name} was added" for name in found if name not in expected]
    checkpoints = sorted((folder / "checkpoints").glob("*.ckpt"))
    lines += [f"checkpoints/{p.name} is damaged (see its .sha256)" for p in checkpoints if not is_intact(p)]
    if record.get("status") == "finished" and not expected:
        lines.append("run.json says finished and holds no hashes")
    return len(expected), lines
