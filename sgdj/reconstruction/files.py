"""Reconstruct measured files, volume by volume."""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sgdj.errors import ExitCode, InputError, ResourceError, as_run_error
from sgdj.reconstruction.base import Format, Outcome
from sgdj.reconstruction.images import ImageFormat
from sgdj.reconstruction.kspace import KSpaceFormat
from sgdj.reconstruction.names import Item, name_outputs
from sgdj.reconstruction.output_folder import OutputFolder
from sgdj.reconstruction.section import SectionFormat
from sgdj.runtime.arrays import Array
from sgdj.runtime.hashing import file_digest
from sgdj.runtime.output import print_error, say_traceback
from sgdj.runtime.progress import follow

_SHOWN = 5  # largest number of names in a note

#: Formats by the names that tasks use.
FORMATS: dict[str, type[Format]] = {"kspace": KSpaceFormat, "section": SectionFormat, "image": ImageFormat}

Picture = Callable[[Array, Array, Array | None, str, Path], None]


@dataclass
class Done:
    """Outcome of a call over several files.

    Parameters
    ----------
    scores
        One row per file with a reference that was reconstructed now.
    skipped
        Files that could not be used.
    failed
        Files that a fault of this program or too little memory kept from being reconstructed, with its exit code.
    """

    scores: list[dict[str, str | float]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, ExitCode] = field(default_factory=dict)


def _files(
    source: Path, output: Path, suffixes: Collection[str], tell: Callable[[str], None]
) -> list[tuple[Path, str]]:
    """List fitting files of a folder and its sub-folders with relative names, or the file itself with its name."""
    if source.is_file():
        return [(source, source.name)] if source.suffix.lower() in suffixes else []
    found, linked, results = [], [], output.resolve()
    for folder, inner, names in os.walk(source):
        here = Path(folder)
        linked += [name for name in inner if (here / name).is_symlink()]
        inner[:] = sorted(n for n in inner if not n.startswith(".") and (here / n).resolve() != results)
        paths = (here / name for name in names if not name.startswith("."))
        found += [p for p in paths if p.suffix.lower() in suffixes and p.is_file()]
    if linked:
        tell(f"{source}: passed over {len(linked)} links to folders, {', '.join(sorted(linked)[:_SHOWN])}")
    return sorted(((path, path.relative_to(source).as_posix()) for path in found), key=lambda pair: pair[1])


def reconstruct(
    formats: list[Format],
    source: Path,
    folder: OutputFolder,
    tell: Callable[[str], None],
    picture: Picture | None = None,
) -> Done:
    """Reconstruct a file, or every fitting file of a folder and its sub-folders, each into an output of its own.

    An output that exists already, of the same input and the same network, is passed over, so that an interrupted call
    can be repeated; each output appears in one step.

    Parameters
    ----------
    formats
        Kinds of files that can be read, the preferred one first.
    source
        File or folder to reconstruct.
    folder
        Folder for the results.
    tell
        Function that is called with notes for the user.
    picture
        Function that draws a panel: called with starting point, reconstruction and reference (or None) of each file,
        shape (H, W), its name, and where to draw them.

    Returns
    -------
    Done
        Scores, skipped and failed files.

    Raises
    ------
    InputError
        If there is nothing to reconstruct, the one file given cannot be used, or the output folder cannot be written.
    InputErrors
        If an existing file would be replaced.
    """
    by_suffix = {suffix: form for form in reversed(formats) for suffix in form.suffixes}
    files = _files(source, folder.path, by_suffix, tell)
    if not files:
        raise InputError("nothing to reconstruct", f"input={source}", f"give {', '.join(sorted(by_suffix))} files")
    if source.is_dir() and source.resolve() == folder.path.resolve():
        raise InputError("the outputs would lie among the inputs", f"output={folder.path}", "choose another folder")
    done = Done()
    with folder.held():
        named = [(path, name, by_suffix[path.suffix.lower()].result_suffix(path)) for path, name in files]
        items = name_outputs(named, folder.read())
        inputs = {path.resolve() for path, _ in files}
        if any((folder.path / item.output).resolve() in inputs for item in items):
            raise InputError("the output would replace the input", f"output={folder.path}", "choose another folder")
        todo, before = folder.plan(items, picture is not None, any(form.scores for form in formats))
        removed = folder.begin()
        if removed:
            tell(f"removed {removed} reconstructions of another network")
        for item in before:
            tell(f"{item.name}: reconstructed before")
        for item in todo:
            if PurePosixPath(item.output).stem != PurePosixPath(item.name).stem:
                tell(f"{item.name}: its output is {item.output}, since another has the plain name")
        for item in follow(todo, len(todo), "reconstructing"):
            try:
                outcome = _one(by_suffix[item.source.suffix.lower()], item, folder, picture)
            except InputError as error:
                if source.is_file():
                    raise
                tell(f"skipped {item.name}: {error}")
                done.skipped.append(item.name)
            except Exception as error:
                code = _of_this_file(error)
                if code is None or source.is_file():
                    error.add_note(f"while {item.source} was reconstructed")
                    raise
                _tell_failure(error, item, code)
                done.failed[item.name] = code
            else:
                if outcome.scores:
                    done.scores.append({"file": item.name, **outcome.scores})
    return done


def _one(form: Format, item: Item, folder: OutputFolder, picture: Picture | None) -> Outcome:
    """Reconstruct one file; nothing of it remains unless all succeeds."""
    try:
        digest = file_digest(item.source)
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", str(item.source), "allow reading it") from error
    with folder.private() as place:
        made, panel = place / f"made{PurePosixPath(item.output).suffix}", place / "panel.png"
        outcome = form.reconstruct(item.source, made)
        if picture is not None:
            picture(outcome.start, outcome.reconstruction, outcome.reference, item.name, panel)
        folder.put(item, digest, made, panel if picture is not None else None, outcome.scores)
    return outcome


def _of_this_file(error: Exception) -> ExitCode | None:
    """Return the exit code of a failure after which the other files may well succeed; None if it stops everything."""
    known = as_run_error(error)
    if known is None:
        return None if isinstance(error, OSError) else ExitCode.FAULT  # the machine, not this file
    return ExitCode.RESOURCES if "out of memory" in str(known) else None


def _tell_failure(error: Exception, item: Item, code: ExitCode) -> None:
    if code is ExitCode.RESOURCES:
        print_error(ResourceError(f"out of memory, {item.source}: it is left out; give it more memory"))
        return
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        say_traceback(error)
    what = f"a fault of this program ({type(error).__name__}: {error})"
    print_error(InputError(what, str(item.source), "please report it; the file is left out"))
