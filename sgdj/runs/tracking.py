"""Mirror a run to Weights & Biases; problems there never stop a run."""

import getpass
import logging
import os
import platform
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sgdj.config.settings import Settings
from sgdj.errors import first_line

#: Settings of W&B that keep machine and user out of a private record.
_PRIVATE: dict[str, Any] = {
    "disable_git": True,
    "disable_code": True,
    "save_code": False,
    "disable_job_creation": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "symlink": False,  # from wandb/ to logs
    "host": "private",
    "username": "private",
    "program": "run.py",
}

#: Seconds that the start of a record may take: a server may be away; a busy machine is only slow.
_PATIENCE = {"online": 15, "offline": 120}


def _without_folders(value: Any) -> Any:
    """Shorten every path in a configuration to its last part, and drop that if it names a user or a machine."""
    if isinstance(value, dict):
        return {key: _without_folders(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_folders(entry) for entry in value]
    if not isinstance(value, str) or not set(value) & {"/", "\\", "~"}:
        return value
    last = value.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return "private" if any(name in last for name in _names()) else last


def _names() -> set[str]:
    """Return the names of this machine and its user."""
    names = {platform.node(), Path.home().name if "HOME" in os.environ else ""}
    with suppress(OSError, KeyError, ImportError):
        names.add(getpass.getuser())
    return names - {""}


class Tracker:
    """One W&B run, offline unless asked otherwise, or nothing.

    The run directory is the record; what W&B loses can be sent again from there. A private W&B record holds no name of
    a host, user or folder; of paths in the configuration it has the last part.

    Parameters
    ----------
    settings
        Of the run; they are shown in W&B.
    folder
        The run directory; W&B writes to ``wandb/`` in it.
    name
        Name of the run; a private one is named after task, design and seed.
    tell
        Called with a line when something did not work.
    """

    def __init__(self, settings: Settings, folder: Path, name: str, tell: Callable[[str], None]) -> None:
        self._run: Any = None
        logger = settings.logger
        self._private = logger.private
        self._troubled = False
        self._tell = tell
        if logger.mode == "disabled":
            return
        os.environ.setdefault("WANDB_SILENT", "true")
        logging.raiseExceptions = False  # W&B's own log on a full disk would fill the terminal with tracebacks
        try:
            import wandb

            self._wandb = wandb
        except Exception as error:
            tell(f"W&B is not available ({error}); going on without it")
            return
        config = settings.plain()
        group = f"{settings.task} {settings.architecture.name}-{settings.strategy.name}"
        if self._private:
            name = f"{group} seed{settings.seed}"
            config = _without_folders(config)
        more = _PRIVATE if self._private else {}
        arguments: dict[str, Any] = {
            "project": logger.project,
            "dir": str(folder.absolute()),  # its service may have been started in another folder
            "name": name,
            "group": group,  # of the seeds of one training
            "job_type": settings.mode,
            "tags": [settings.task, settings.scale],
            "config": config,
            "reinit": "finish_previous",
        }
        for mode in dict.fromkeys((logger.mode, "offline")):
            try:
                self._run = wandb.init(
                    mode=mode,
                    settings=wandb.Settings(init_timeout=_PATIENCE[mode], console="off", silent=True, **more),
                    **arguments,
                )
                break
            except Exception as error:
                reason = first_line(error)
                tell(
                    f"W&B {mode} did not start ({reason})" + ("; recording offline instead" if mode == "online" else "")
                )
        if self._run is not None:
            self._remove_logs()
            self._run.define_metric("global_step")
            for metric in ("train_loss", "val_psnr", "val_ssim", "lr", "epoch"):
                self._run.define_metric(metric, step_metric="global_step")

    def _remove_logs(self) -> None:
        """Remove W&B's own logs, which name folders, from a private record."""
        if self._private and self._run is not None:
            shutil.rmtree(Path(self._run.settings.log_user).parent, ignore_errors=True)

    def _attempt(self, action: Callable[[], Any]) -> None:
        if self._run is None:
            return
        try:
            action()
        except Exception as error:
            if not self._troubled:
                reason = first_line(error)
                self._tell(f"W&B did not record everything ({reason}); the run directory is complete")
            self._troubled = True

    def scalars(self, row: dict[str, Any]) -> None:
        """Log a row of metrics; it names its own global_step."""
        self._attempt(lambda: self._run.log({key: value for key, value in row.items() if value is not None}))

    def summary(self, values: dict[str, Any]) -> None:
        """Set summary values of the run."""
        self._attempt(lambda: self._run.summary.update(values))

    def images(self, key: str, paths: list[Path]) -> None:
        """Log figures, each under its own name (W&B lists only images of equal size)."""
        if paths:
            self._attempt(
                lambda: self._run.log({f"{key}/{p.stem}": self._wandb.Image(str(p), caption=p.stem) for p in paths})
            )

    def table(self, key: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Log a table, such as the points of the robustness curve; with it goes the path of W&B's own folder."""
        if self._run is not None and self._private:
            return
        self._attempt(lambda: self._run.log({key: self._wandb.Table(columns=columns, data=rows)}))

    def finish(self, failed: bool = False) -> None:
        """Close the run, so that the jobs of a sweep do not merge."""
        self._attempt(lambda: self._run.finish(exit_code=int(failed)))
        self._attempt(self._remove_logs)
        self._run = None
