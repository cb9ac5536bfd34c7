"""List, filter, compare, show and tidy runs.

python scripts/runs.py list --strategy jitter --status finished
python scripts/runs.py list outputs /data/runs --csv > runs.csv
python scripts/runs.py compare RUN_A RUN_B
python scripts/runs.py report --task mri --output mri.html
"""

import argparse
import csv
import shlex
import sys
from pathlib import Path

import numpy as np
from rich.table import Table

from scripts.common import Parser, WrongValue, print_csv, status
from sgdj.config.nodes import leaves
from sgdj.errors import ExitCode, InputError
from sgdj.metrics.volumes import volume_averages
from sgdj.runs import catalogue
from sgdj.runtime.output import say
from sgdj.runtime.text import from_cell, printable
from sgdj.runtime.writing import write_atomically


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        name, sign, value = text.partition("=")
        mend = f"filters are options: --{name} {value}" if sign else "give a folder with runs below it"
        raise WrongValue(f"there is no folder {text!r}", mend)
    return path


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python scripts/runs.py", __doc__)
    verbs = made.verbs(
        list="list runs with their scores and folders",
        compare="compare two runs: their settings, and their metrics paired by volume",
        report="write one HTML page of runs: means over seeds, a line for each, robustness curves",
        sync="print the W&B commands that send offline records",
        tidy="remove checkpoints of finished runs; without --yes, say what would go",
    )
    for name in ("list", "report", "sync", "tidy"):
        verbs[name].add_argument("folders", nargs="*", type=_folder, metavar="FOLDER", help="where runs lie (outputs)")
        filters = verbs[name].add_argument_group("filters", "only runs of which this is true")
        for fact in catalogue.FACTS:
            filters.add_argument(f"--{fact}", help=f"its {fact}")
    verbs["list"].add_argument("--csv", action="store_true", help="print the list as CSV, scores unrounded")
    verbs["report"].add_argument("--output", type=Path, default="runs.html", help="file to write (runs.html)")
    verbs["tidy"].add_argument("--yes", action="store_true", help="remove")
    verbs["compare"].add_argument("first", type=Path, metavar="RUN_A", help="run directory")
    verbs["compare"].add_argument("second", type=Path, metavar="RUN_B", help="run directory")
    return made


def _found(options: argparse.Namespace) -> list[catalogue.RunView]:
    wanted = {fact: value for fact in catalogue.FACTS if (value := getattr(options, fact)) is not None}
    return catalogue.find(options.folders or [Path("outputs")], wanted)


def _volumes(run: catalogue.RunView, metric: str) -> dict[str, dict[str, float]]:
    """Return the volume means of the network's metric by condition."""
    path = run.path / "evaluation" / "samples.csv"
    if not path.is_file():
        raise InputError("no evaluation/samples.csv", str(run.path), "finish the run first")
    values: dict[str, list[tuple[str, float]]] = {}
    try:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if row["reconstructor"] == "network" and row[metric]:
                    values.setdefault(from_cell(row["condition"]), []).append(
                        (from_cell(row["volume"]), float(row[metric]))
                    )
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError("the samples cannot be read", str(path), "evaluate the run again") from error
    return {condition: volume_averages(pairs) for condition, pairs in values.items()}


def compare(first: Path, second: Path) -> list[Table]:
    """Compare two runs: differences of configuration, and of metrics paired by volume.

    Parameters
    ----------
    first
        Folder of one run.
    second
        Folder of the other run.

    Returns
    -------
    list of Table
        Tables for the terminal.

    Raises
    ------
    InputError
        If a run is not finished.
    """
    a, b = catalogue.view(first), catalogue.view(second)
    left, right = dict(leaves(a.config)), dict(leaves(b.config))
    settings = Table(title="configuration", title_justify="left")
    for name in ("key", str(first), str(second)):
        settings.add_column(printable(name), overflow="fold")
    for key in sorted(left.keys() | right.keys()):
        if left.get(key) != right.get(key):
            settings.add_row(*map(printable, (key, left.get(key, ""), right.get(key, ""))))
    paired = Table(title="second minus first, paired by volume", title_justify="left")
    for name in ("condition", "metric", "mean difference", "std over volumes", "n volumes"):
        paired.add_column(name, justify="right" if name != "condition" else "left")
    for metric in ("psnr", "ssim"):
        one, two = _volumes(a, metric), _volumes(b, metric)
        for condition in (c for c in one if c in two):
            common = sorted(one[condition].keys() & two[condition].keys())
            if not common:
                continue
            difference = np.array([two[condition][v] - one[condition][v] for v in common])
            spread = f"{difference.std(ddof=1):.4f}" if len(common) > 1 else ""
            paired.add_row(printable(condition), metric, f"{difference.mean():+.4f}", spread, str(len(common)))
    content = {run.record["content_hash"] for run in (a, b) if "content_hash" in run.record}
    if a.record.get("data_hash") != b.record.get("data_hash") or len(content) > 1:
        paired.caption = "the runs used different data: only volumes of the same name are paired"
    return [settings, paired]


def _report(found: list[catalogue.RunView], path: Path, command: str) -> None:
    """Write the page of some runs; a file that is no such page is not replaced."""
    from sgdj.reporting.html import MARK
    from sgdj.reporting.pages import runs_page

    if not found:
        raise InputError("there is no such run", command, "see python scripts/runs.py list")
    if path.exists() or path.is_symlink():
        content = path.read_bytes()[: len(MARK)] if path.is_file() and not path.is_symlink() else b""
        if content != MARK:
            raise InputError("the file is no page of this program", str(path), "give --output another name")
    if not path.parent.is_dir():
        raise InputError("there is no such folder", str(path.parent), "make it first")
    write_atomically(path, runs_page(f"{len(found)} runs", found, command))
    say(f"look at: {path}")


def main(arguments: list[str]) -> int:
    """Run the chosen verb."""
    from sgdj.reporting.terminal import show

    options = parser().parse_args(arguments)
    if options.verb == "compare":
        for table in compare(options.first, options.second):
            show(table)
        return int(ExitCode.DONE)
    found = _found(options)
    if options.verb == "list" and options.csv:
        print_csv(catalogue.COLUMNS, catalogue.lines(found))
    elif options.verb == "list":
        show(catalogue.listing(found), whole=True)
    elif options.verb == "report":
        _report(found, options.output, shlex.join(["python", "scripts/runs.py", *arguments]))
    elif options.verb == "sync":
        for run in found:
            for record in sorted(run.path.glob("wandb/offline-run-*")):
                say(f"wandb sync {shlex.quote(str(record))}")
    else:
        print(catalogue.tidy(found, really=options.yes))
    return int(ExitCode.DONE)


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
