"""Report a finished evaluation: figures, points of curves, W&B, a table on the terminal."""

from sgdj.config.instantiate import build
from sgdj.config.settings import Settings
from sgdj.evaluation.evaluate import COLUMNS, Result
from sgdj.jobs import measured
from sgdj.reporting import curves, figures
from sgdj.reporting.terminal import result_table, show
from sgdj.runs.directory import RunDirectory
from sgdj.runs.tracking import Tracker
from sgdj.runtime.output import say
from sgdj.runtime.text import file_name, label


def report(settings: Settings, result: Result, run: RunDirectory, tracker: Tracker, synthetic: bool) -> None:
    """Draw, log and print what was measured.

    Parameters
    ----------
    settings
        Settings of the run.
    result
        Rows, summary and panels of the evaluation.
    run
        Run directory that figures and points are written to.
    tracker
        Tracker of the run, such as W&B.
    synthetic
        Whether the data are synthetic.
    """
    drawn = _curves(settings, result, run, tracker)
    panels = []
    for i, panel in enumerate(result.panels):
        stem = f"panel-{panel.condition}-{panel.sample}"
        path = run.figures / file_name(stem, ".png")
        panels.append(path if path not in panels else run.figures / file_name(stem, f"-{i}.png"))
        figures.reconstruction_panel(panel, panels[-1])
    tracker.images("panels", panels[: settings.logger.panels])
    tracker.images("curves", [run.figures / file_name(name, ".png") for name in drawn])
    tracker.table("samples", list(COLUMNS), [[row[name] for name in COLUMNS] for row in result.rows])
    for condition, entry in result.summary["network"].items():
        tracker.summary({f"{condition}/{m}": entry[m]["mean"] for m in ("psnr", "ssim")})
    data = "synthetic data" if synthetic else "real data"
    title = f"{settings.task}, {measured.text(settings.plain())} ({data})"
    show(result_table(result.summary, title))
    for note in result.notes:
        say(note)
    say(f"run directory: {run.path}")


def _curves(settings: Settings, result: Result, run: RunDirectory, tracker: Tracker) -> list[str]:
    """Write the points of every curve and draw them; returns the figures' names."""
    found = curves.points(result.rows)
    run.write_rows("curves.csv", curves.COLUMNS, curves.table(found))
    tracker.table("points", list(curves.COLUMNS), [list(row.values()) for row in curves.table(found)])
    drawn = {"robustness": ([p for p in found if p.kind == "attack"], figures.NORM)}
    drawn["iterations"] = ([p for p in found if p.kind == "iterations"], "iterations K at test")
    for name in settings.shift:
        axis = label(f"{name}: {build(settings, f'shift.{name}').parameter}")
        drawn[f"shift-{name}"] = ([p for p in found if p.kind == "shift" and p.curve == name], axis)
    drawn = {name: (shown, axis) for name, (shown, axis) in drawn.items() if shown}
    for name, (shown, axis) in drawn.items():
        note = f"mean and 95 % band over {shown[0].n_volumes} volumes"
        figures.curves(shown, axis, figures.by_curve(shown), note, run.figures, name)
    return list(drawn)
