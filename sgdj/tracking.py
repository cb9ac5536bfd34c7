"""Mirror a run to Weights & Biases; trouble there never stops a run."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Seconds that the start of a record may take: a server may be away; a busy machine is only slow.
_PATIENCE = {"online": 15, "offline": 120}


class Tracker:
    """One W&B run, offline unless asked otherwise, or nothing.

    The run directory is the record; what W&B loses can be sent again from there.

    Parameters
    ----------
    settings
        The `logger` node of the configuration.
    folder
        The run directory; W&B writes to ``wandb/`` in it.
    name
        Name of the run.
    config
        Configuration, shown in W&B.
    tell
        Called with a line when something did not work.
    """

    def __init__(
        self, settings: dict[str, Any], folder: Path, name: str, config: dict[str, Any], tell: Callable[[str], None]
    ) -> None:
        self._run: Any = None
        self._troubled = False
        self._tell = tell
        if settings["mode"] == "disabled":
            return
        os.environ.setdefault("WANDB_SILENT", "true")
        logging.raiseExceptions = False  # W&B's own log on a full disk would fill the terminal with tracebacks
        try:
            import wandb

            self._wandb = wandb
        except Exception as error:
            tell(f"W&B is not available ({error}); going on without it")
            return
        arguments: dict[str, Any] = {
            "project": settings["project"],
            "dir": str(folder),
            "name": name,
            "config": config,
            "reinit": "finish_previous",
        }
        for mode in dict.fromkeys((settings["mode"], "offline")):
            try:
                self._run = wandb.init(
                    mode=mode,
                    settings=wandb.Settings(init_timeout=_PATIENCE[mode], console="off", silent=True),
                    **arguments,
                )
                break
            except Exception as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                tell(
                    f"W&B {mode} did not start ({reason})" + ("; recording offline instead" if mode == "online" else "")
                )
        if self._run is not None:
            self._run.define_metric("global_step")
            for metric in ("train_loss", "val_psnr", "val_ssim", "lr", "epoch"):
                self._run.define_metric(metric, step_metric="global_step")

    def _attempt(self, action: Callable[[], Any]) -> None:
        if self._run is None:
            return
        try:
            action()
        except Exception as error:
            if not self._troubled:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                self._tell(f"W&B did not record everything ({reason}); the run directory is complete")
            self._troubled = True

    def scalars(self, row: dict[str, Any]) -> None:
        """Log a row of metrics; it names its own global_step."""
        self._attempt(lambda: self._run.log({key: value for key, value in row.items() if value is not None}))

    def summary(self, values: dict[str, Any]) -> None:
        """Set summary values."""
        self._attempt(lambda: self._run.summary.update(values))

    def images(self, key: str, paths: list[Path]) -> None:
        """Log figures, each under its own name (W&B lists only images of equal size)."""
        if paths:
            self._attempt(
                lambda: self._run.log({f"{key}/{p.stem}": self._wandb.Image(str(p), caption=p.stem) for p in paths})
            )

    def table(self, key: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Log a table, such as the points of the robustness curve."""
        self._attempt(lambda: self._run.log({key: self._wandb.Table(columns=columns, data=rows)}))

    def finish(self, failed: bool = False) -> None:
        """Close the run, so that the jobs of a sweep do not merge."""
        self._attempt(lambda: self._run.finish(exit_code=int(failed)))
        self._run = None
