"""Manage the folder that reconstructions are written to: what is in it, of which network, and who may write there.

``reconstruction.json`` names the checkpoint and the settings that decide the result, and for each output the hashes of
its input and of its own content. An output is done only if all of these still hold. Files that the record does not
know, or that have changed since it was written, belong to the user and are never replaced.

Everything is written in a private folder under an unpredictable name first and put in place in one step, so that
nothing partial remains, and no existing link is written through.
"""

import csv
import fcntl
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter, ValidationError

from sgdj.errors import InputError, InputErrors, as_run_error
from sgdj.reconstruction.names import Item
from sgdj.reconstruction.record import RECORD, SCORES, Entry, Record, check_names
from sgdj.runtime.hashing import file_digest
from sgdj.runtime.text import cell
from sgdj.runtime.writing import sync_folder, write_atomically

_PRIVATE = ".reconstructing-"
_SHOWN = 5  # largest number of mistakes that are listed


def _digest(path: Path) -> str:
    """Return SHA-256 of a plain file; empty for a link or a file that cannot be read."""
    with suppress(OSError):
        if not path.is_symlink():
            return file_digest(path)
    return ""


class OutputFolder:
    """Folder of reconstructions of one network, held by one process.

    Parameters
    ----------
    path
        Path of the folder; created when it is first needed.
    checkpoint
        SHA-256 of the checkpoint's file.
    settings
        Other settings that decide the result, by dotted key, in plain types.
    force
        Whether outputs of another checkpoint, other settings or other inputs may be replaced.
    renew
        Function that brings settings which an older version may have recorded into the form of `settings`.
    """

    def __init__(
        self,
        path: Path,
        checkpoint: str,
        settings: dict[str, object],
        force: bool,
        renew: Callable[[dict[str, object]], dict[str, object]],
    ) -> None:
        self.path, self.force, self._renew = path, force, renew
        self.record = Record(checkpoint, settings)
        self._lock: int | None = None
        self._created = False

    def _where(self) -> str:
        return f"output={self.path}"

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(f"the folder cannot be written ({error.strerror})", self._where(), "choose another")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Create the folder and keep other processes of this program out; if nothing is written, it is removed again.

        Raises
        ------
        InputError
            If it cannot be written, or another process is at work there.
        """
        missing = [p for p in (self.path, *self.path.parents) if not p.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._keep_out_others()
            yield
        finally:
            os.close(self._lock)
            with suppress(OSError):  # stops at the first folder that is not empty
                for folder in missing:
                    folder.rmdir()

    def _keep_out_others(self) -> None:
        assert self._lock is not None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                "another call is at work there", self._where(), "wait for it, or choose another"
            ) from error
        except OSError:  # no locks on this file system: leftovers cannot be told from files in use
            return
        for left in self.path.iterdir():
            ours = re.fullmatch(re.escape(_PRIVATE) + r"[a-z0-9_]{8}", left.name) and not left.is_symlink()
            if ours and left.is_dir() and left.stat().st_uid == os.geteuid():
                shutil.rmtree(left, ignore_errors=True)

    def read(self) -> dict[str, Entry]:
        """Return the outputs of earlier calls.

        Returns
        -------
        dict
            Entries by path relative to the folder.

        Raises
        ------
        InputError
            If there is a record and it cannot be read.
        """
        self._earlier: Record | None = None
        path = self.path / RECORD
        if not os.path.lexists(path):
            return {}
        try:
            if path.is_symlink():
                raise ValueError("a link")
            self._earlier = TypeAdapter(Record).validate_python(json.loads(path.read_bytes()))
            self._earlier.settings = self._renew(self._earlier.settings)
            for name, entry in self._earlier.outputs.items():
                check_names(name, entry)
        except (OSError, ValueError, RecursionError, ValidationError) as error:
            raise InputError(
                "the record of what is there cannot be read", str(path), "restore it, or choose another output"
            ) from error
        return self._earlier.outputs

    def _other(self) -> str:
        """Say how the recorded network differs from this call's, in words; empty if it does not."""
        there, here = self._earlier, self.record
        if there is None or not there.outputs:
            return ""
        if there.checkpoint != here.checkpoint:
            return f"checkpoint {there.checkpoint[:12]}, and this one is {here.checkpoint[:12]}"
        keys = sorted(
            key for key in there.settings.keys() | here.settings.keys()
            if there.settings.get(key) != here.settings.get(key)
        )  # fmt: skip
        return "; ".join(f"{key} = {there.settings.get(key)}, here {here.settings.get(key)}" for key in keys[:_SHOWN])

    def _occupied(self, name: str, digest: str) -> str:
        """Say why an output cannot be put at a name; empty if it can.

        `digest` is the hash of the output that was written there before.
        """
        for parent in (PurePosixPath(name), *PurePosixPath(name).parents)[1:-1]:
            folder = self.path / parent
            if folder.is_symlink() or (os.path.lexists(folder) and not folder.is_dir()):
                return f"{parent} is a link or no folder"
        path = self.path / name
        if not os.path.lexists(path):
            return ""
        if not digest:
            return "a file of this name was there before"
        return "" if _digest(path) == digest else "the file has changed since it was written"

    def plan(self, items: Sequence[Item], drawn: bool, scored: bool) -> tuple[list[Item], list[Item]]:
        """Compare the folder's content with the items to reconstruct.

        Parameters
        ----------
        items
            Items that this call is asked for.
        drawn
            Whether panels are drawn.
        scored
            Whether scores may be written.

        Returns
        -------
        tuple
            Items to reconstruct, and items that are done.

        Raises
        ------
        InputErrors
            If a file would be replaced that must not be.
        """
        known = self._earlier.outputs if self._earlier else {}
        other = self._other()
        if other and not self.force:
            raise InputErrors(
                [
                    InputError(
                        f"the folder holds reconstructions with {other}",
                        self._where(),
                        "choose another folder, or force=true to replace them",
                    )
                ]
            )
        extra = [name for name in known if name not in {item.output for item in items}] if other else []
        if extra:
            what = f"the folder holds reconstructions with {other}, and this call would leave {len(extra)} of them"
            raise InputErrors([InputError(what, self._where(), "choose another folder")])
        todo, done, mistakes = [], [], []
        for item in items:
            entry = known.get(item.output)
            found = self._occupied(item.output, entry.sha256 if entry else "")
            if found:
                mistakes.append((item.output, found, "choose another folder, or move it away"))
                continue
            there, same = (self.path / item.output).exists(), True
            if entry is not None and there and not other:
                same = _digest(item.source.resolve()) in ("", entry.input_sha256)  # "": reported when it is read
                if not same and not self.force:
                    what = f"{entry.input} had other content when this was made of it"
                    mistakes.append((item.output, what, "choose another folder, or force=true to replace it"))
                    continue
            if entry is not None and there and same and not self.force:
                done.append(item)
                continue
            found = self._occupied(item.panel, entry.panel_sha256 if entry else "") if drawn else ""
            if found:
                mistakes.append((item.panel, found, "choose another folder, or move it away"))
            todo.append(item)
        if scored and os.path.lexists(self.path / SCORES) and not any(entry.scores for entry in known.values()):
            mistakes.append((SCORES, "a file of this name was there before", "choose another folder, or move it away"))
        if mistakes:
            told = [InputError(what, str(self.path / name), mend) for name, what, mend in mistakes[:_SHOWN]]
            if len(mistakes) > _SHOWN:
                told.append(InputError(f"{len(mistakes) - _SHOWN} more", self._where(), "choose another folder"))
            raise InputErrors(told)
        return todo, done

    def begin(self) -> int:
        """Keep the outputs of this network, and remove those of another one.

        Returns
        -------
        int
            Number of outputs removed.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        removed = 0
        try:
            with self.private() as place:
                if self._earlier is not None and self._other():
                    for name, entry in self._earlier.outputs.items():
                        removed += self._remove(name, entry)
                        if entry.scores:
                            (self.path / SCORES).unlink(missing_ok=True)
                    self._write_record(place)
                elif self._earlier is not None:
                    self.record.outputs = self._earlier.outputs
        except OSError as error:
            raise as_run_error(error) or self._unwritable(error) from error
        return removed

    def _remove(self, name: str, entry: Entry) -> bool:
        """Remove an output and its panel, if they are unchanged since they were written."""
        if entry.panel and not self._occupied(entry.panel, entry.panel_sha256):
            (self.path / entry.panel).unlink(missing_ok=True)
        path = self.path / name
        there = path.exists()
        path.unlink(missing_ok=True)
        return there

    @contextmanager
    def private(self) -> Iterator[Path]:
        """Create a folder that no other user can enter, and remove it afterwards with all that is left in it."""
        folder = Path(tempfile.mkdtemp(prefix=_PRIVATE, dir=self.path))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, item: Item, digest: str, made: Path, panel: Path | None, scores: dict[str, float]) -> None:
        """Put a finished output in place; the record is written first, so that no output is unknown to it.

        Parameters
        ----------
        item
            Item that was reconstructed.
        digest
            SHA-256 of the input that was read.
        made
            Finished output in a private folder.
        panel
            Finished figure in a private folder, or None.
        scores
            Metrics of the file, by name.
        """
        entry = Entry(item.name, digest, file_digest(made), scores=scores)
        if panel is not None:
            entry.panel, entry.panel_sha256 = item.panel, file_digest(panel)
        former = self.record.outputs.get(item.output)
        if former is not None:
            self._remove(item.output, former)
        self.record.outputs[item.output] = entry
        self._write_record(made.parent)
        for name, path in ((item.panel, panel), (item.output, made)):
            if path is not None:
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                self._move(path, name)

    def _move(self, path: Path, name: str) -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
        sync_folder(target.parent)

    def _write_record(self, place: Path) -> None:
        """Write record and scores in a private folder, then put them in place."""
        text = json.dumps(asdict(self.record), indent=1)  # bytes that are not UTF-8 become escapes
        write_atomically(place / RECORD, text.encode() + b"\n")
        self._move(place / RECORD, RECORD)
        rows = [{"file": entry.input, **entry.scores} for entry in self.record.outputs.values() if entry.scores]
        if rows:
            content = io.StringIO(newline="")
            writer = csv.DictWriter(content, list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows({key: cell(value) for key, value in row.items()} for row in rows)
            write_atomically(place / SCORES, content.getvalue().encode())
            self._move(place / SCORES, SCORES)
