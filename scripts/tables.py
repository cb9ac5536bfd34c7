"""Tables, figures and claims of the paper, from runs.

python scripts/tables.py run --seeds 0,1,2 --tasks mri     run what is missing, then rebuild
python scripts/tables.py run --jobs 64 --launcher submitit_slurm partition=gpu timeout_min=600
python scripts/tables.py build                             rebuild documents from rows and finished runs
python scripts/tables.py run --study my_study.yaml         the same for a study of your own (all verbs but choose)
python scripts/tables.py run --study conf/study/mri.yaml   a protocol, stage by stage: regime, levels, tables, claims
python scripts/tables.py check table_mri/mri-gd-jitter-sigma0.03-seed0
python scripts/tables.py rehash                            give rows the hash that their command has today
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from scripts.common import Parser, number, numbers, one_of, print_csv, some_of, status
from sgdj.config.search_path import config_options
from sgdj.errors import ExitCode, InputError
from sgdj.jobs.identity import RESULT_VERSION
from sgdj.runtime.output import say
from sgdj.study.design import COMMITTED, PARTS, TASKS, Cell, cells, folder

if TYPE_CHECKING:
    from sgdj.study.own import OwnStudy

ROOT = Path(__file__).resolve().parent.parent

RESULTS = Path("results")
#: Pages that show an excerpt of the committed results between markers.
EXCERPTS = (Path("README.md"), Path("docs/results.md"))


def _seeds(options: argparse.Namespace) -> tuple[int, ...]:
    return options.seeds or COMMITTED.get(options.scale, (0,))


def _wanted(options: argparse.Namespace) -> list[Cell]:
    return cells(options.tasks, options.scale, _seeds(options), options.parts)


def _say(line: str) -> None:
    say(f"{time.strftime('%H:%M:%S')} {line}")


def _build(scale: str, seeds: tuple[int, ...]) -> None:
    from sgdj.study.paper import RESULTS_HEAD
    from sgdj.study.report import build, put_excerpts
    from sgdj.study.store import fold

    target = folder(RESULTS, scale, seeds)
    fold(target)
    committed = COMMITTED.get(scale) == seeds
    top = RESULTS if committed else target
    for path in build(target, seeds, top, RESULTS_HEAD.format(place=f"{scale}/" if committed else "")):
        print(path)
    if committed:
        put_excerpts([page for page in EXCERPTS if page.is_file()], target)


def _build_own(study: "OwnStudy") -> None:
    from sgdj.study.own_documents import build as documents
    from sgdj.study.store import fold

    fold(study.folder)
    for path in documents(study):
        print(path)


def _launcher(options: argparse.Namespace) -> list[str]:
    name, *settings = options.launcher or [""]
    return [f"hydra/launcher={name}", *(f"hydra.launcher.{setting}" for setting in settings)] if name else []


def run_own(options: argparse.Namespace) -> int:
    """Do the missing runs of a study of one's own, then rebuild its documents."""
    from sgdj.study.campaign import Campaign, default_parallel, missing
    from sgdj.study.own import read
    from sgdj.study.own_collecting import row_of
    from sgdj.study.store import read as rows

    study = read(options.study, RESULTS)
    known = rows(study.folder)
    wanted = missing(study.cells, known) if options.finished == "rows" else study.cells
    jobs = options.jobs or default_parallel()
    code = Campaign(wanted, study.folder, jobs, _say, _launcher(options), row_of, known).run()
    if code in (ExitCode.DONE, ExitCode.CHECK_FAILED):
        _build_own(study)
    else:
        _say("stopped; the same command goes on from here")
    return code


def _protocol_folder(options: argparse.Namespace) -> Path | None:
    """Return the folder of a protocol's rows; None for another study."""
    from sgdj.study.executing import folder_of
    from sgdj.study.protocol_file import is_protocol

    return folder_of(options.study, RESULTS) if options.study and is_protocol(options.study) else None


def _build_protocol(options: argparse.Namespace, target: Path) -> None:
    from sgdj.study.executing import study_of
    from sgdj.study.protocol_documents import build as documents
    from sgdj.study.protocol_file import read
    from sgdj.study.store import fold

    fold(target)
    for path in documents(study_of(read(options.study), target), target):
        print(path)


def run_protocol(options: argparse.Namespace, target: Path) -> int:
    """Do the missing runs of every stage of a protocol, then rebuild its documents."""
    from sgdj.study.campaign import default_parallel
    from sgdj.study.executing import execute
    from sgdj.study.protocol_file import read

    protocol = read(options.study)
    parts = _parts(options, [part.name for part in protocol.parts])
    code = execute(protocol, target, options.jobs or default_parallel(), _say, _launcher(options), parts)
    if code in (ExitCode.DONE, ExitCode.CHECK_FAILED):
        _build_protocol(options, target)
    else:
        _say("stopped; the same command goes on from here")
    return code


def _parts(options: argparse.Namespace, known: list[str]) -> list[str]:
    """Return the parts of a protocol that are asked for."""
    asked = options.only.split(",") if getattr(options, "only", None) else []
    for name in asked:
        if name not in known:
            raise InputError(f"no part {name}", "--only", f"choose of {', '.join(known)}")
    return asked


def build_own(options: argparse.Namespace) -> int:
    """Add finished runs of a study of one's own that have no row yet, and rebuild its documents."""
    from sgdj.study.own import read
    from sgdj.study.own_collecting import collect_own

    study = read(options.study, RESULTS)
    _tell(*collect_own(study, Path("outputs")))
    _build_own(study)
    return int(ExitCode.DONE)


def _tell(added: Iterable[str], passed: Iterable[str]) -> None:
    """Name the runs that were added, and those that were passed over."""
    for name in added:
        _say(f"new: {name}")
    for line in passed:
        _say(f"passed over: {line}")


def run(options: argparse.Namespace) -> int:
    """Do the missing runs, then rebuild the documents."""
    from sgdj.study.campaign import Campaign, default_parallel, missing
    from sgdj.study.store import read, read_audits

    if (target := _protocol_folder(options)) is not None:
        return run_protocol(options, target)
    if options.study:
        return run_own(options)
    seeds, wanted = _seeds(options), _wanted(options)
    target = folder(RESULTS, options.scale, seeds)
    known = read(target)
    if options.finished == "rows":
        wanted = missing(wanted, [*known, *read_audits(target)])
    jobs = options.jobs or default_parallel()
    code = Campaign(wanted, target, jobs, _say, _launcher(options), earlier=known).run()
    if code in (ExitCode.DONE, ExitCode.CHECK_FAILED):
        _build(options.scale, seeds)
    else:
        _say("stopped; the same command goes on from here")
    return code


def show_missing(options: argparse.Namespace) -> int:
    """List the runs that no row shows."""
    from sgdj.study.campaign import missing
    from sgdj.study.own import read as read_own
    from sgdj.study.store import read, read_audits

    if (place := _protocol_folder(options)) is not None:
        return _missing_of_protocol(options, place)
    if options.study:
        study = read_own(options.study, RESULTS)
        target, wanted = study.folder, study.cells
    else:
        target, wanted = folder(RESULTS, options.scale, _seeds(options)), _wanted(options)
    left = missing(wanted, [*read(target), *read_audits(target)])
    rows = [(cell.experiment or "-", cell.mode if cell.trained else "train", _command(cell)) for cell in left]
    if options.csv:
        print_csv(("experiment", "mode", "settings"), rows)
        return int(ExitCode.DONE)
    for row in rows:
        say(" ".join(row))
    say(f"{len(left)} of {len(wanted)} runs are missing")
    return int(ExitCode.DONE)


def _missing_of_protocol(options: argparse.Namespace, target: Path) -> int:
    """List the runs that the next stage of a protocol needs; later stages depend on what it chooses."""
    from sgdj.study.executing import study_of
    from sgdj.study.protocol_file import read

    protocol = read(options.study)
    step = study_of(protocol, target, _parts(options, [part.name for part in protocol.parts])).next()
    rows = [(step.stage, cell.mode if cell.trained else "train", _command(cell)) for cell in step.cells] if step else []
    if options.csv:
        print_csv(("experiment", "mode", "settings"), rows)
        return int(ExitCode.DONE)
    for row in rows:
        say(" ".join(row))
    say(f"stage {step.stage}: {len(rows)} runs are missing" if step else "no runs are missing")
    return int(ExitCode.DONE)


def _command(cell: Cell) -> str:
    """Return the settings of a cell; those of the network that it evaluates come first."""
    return shlex.join([*(cell.trained.overrides if cell.trained else ()), *cell.overrides])


def build(options: argparse.Namespace) -> int:
    """Add finished runs that no row shows yet, and rebuild the documents."""
    from sgdj.study.collecting import collect_new

    if (target := _protocol_folder(options)) is not None:
        _build_protocol(options, target)
        return int(ExitCode.DONE)
    if options.study:
        return build_own(options)
    seeds, scale = _seeds(options), options.scale
    _tell(*collect_new(Path("outputs"), folder(RESULTS, scale, seeds), scale, seeds))
    _build(scale, seeds)
    return int(ExitCode.DONE)


def _folder(options: argparse.Namespace) -> Path:
    """Return the folder of the rows that are meant: of a study of one's own, or of the paper's."""
    from sgdj.study.own import read

    if (target := _protocol_folder(options)) is not None:
        return target
    if options.study:
        return read(options.study, RESULTS).folder
    return RESULTS / "small" if options.verb == "check" else folder(RESULTS, options.scale, _seeds(options))


def check(options: argparse.Namespace) -> int:
    """Run a row again, elsewhere, and compare value by value."""
    from sgdj.runtime.importable import python_path
    from sgdj.study.collecting import collect, older_samples_hashes
    from sgdj.study.rows import difference
    from sgdj.study.store import read

    name, place = options.row, _folder(options)
    rows = {f"{row.experiment}/{row.name}": row for row in read(place)}
    if name not in rows:
        near = get_close_matches(name, rows, 1)
        raise InputError("no such row", name, f"did you mean {near[0]}?" if near else f"see {place / 'runs.csv'}")
    row = rows[name]
    if row.result_version != RESULT_VERSION:
        what = f"measured with result version {row.result_version}, and this program computes version {RESULT_VERSION}"
        mend = f"check it with the program of its commit, {row.commit[:12]}, or measure it anew with tables.py run"
        raise InputError(what, name, mend)
    with TemporaryDirectory() as elsewhere:
        command = [sys.executable, "-m", "sgdj", *shlex.split(row.command)[2:], f"output_dir={elsewhere}"]
        done = subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": python_path()})
        if done.returncode:
            return done.returncode
        (made,) = [p.parent for p in Path(elsewhere).rglob("run.json")]
        again = collect(made, row.experiment)
        older = older_samples_hashes(made / "evaluation" / "samples.csv")
    worst = difference(row, again)
    same = "the same bits" if worst == 0 else "not the same bits"
    print(f"{name}: {same}; largest difference of a volume's PSNR {worst:.2e} dB")
    if row.samples_hash in older and row.samples_hash != again.samples_hash:
        print("samples.csv is the same but for columns and names that are younger than the row")
    if again.machine != row.machine:
        print(f"written on another machine ({row.machine}; this is {again.machine}), whose rounding may differ")
    trained = not any(word.startswith("checkpoint=") for word in shlex.split(row.command))
    if trained and again.config_hash != row.config_hash:  # that of an evaluation holds the bytes of a checkpoint, too
        print("the configuration or the data has changed since the row was written")
    return int(ExitCode.DONE if worst < 0.01 else ExitCode.CHECK_FAILED)


def choose(options: argparse.Namespace) -> int:
    """Write the levels chosen on validation data."""
    from sgdj.study.levels import candidates, is_complete
    from sgdj.study.levels import choose as best
    from sgdj.study.versions import one_version

    if options.study:
        what, mend = "levels are chosen for the paper's study alone", "give a row its sigma, or compare by mode=tune"
        raise InputError(what, "--study", mend)
    rows = one_version(_folder(options)).rows
    for task in options.tasks:
        for strategy, group in candidates(rows, task).items():
            if not is_complete(task, strategy, group):
                print(f"{task} {strategy}: candidates are missing, run --parts levels first")
                continue
            chosen = best(group)
            (key, value) = next(iter(chosen.row.level.items()))
            path = ROOT / "conf" / "scale_task_strategy" / f"{options.scale}_{task}_{strategy}.yaml"
            from omegaconf import OmegaConf

            node = OmegaConf.create() if not path.exists() else OmegaConf.load(path)
            OmegaConf.update(node, key, value)
            if key.endswith("rho"):
                OmegaConf.update(node, key.replace("rho", "epsilon"), None)
            head = "# @package _global_\n# Chosen on validation data by the rule in conf/levels.yaml.\n"
            path.write_text(head + OmegaConf.to_yaml(node))
            print(json.dumps({"task": task, "strategy": strategy, key: value, "score": round(chosen.score, 3)}))
    return int(ExitCode.DONE)


def rehash(options: argparse.Namespace) -> int:
    """Give every row the hash that its own command has today."""
    from sgdj.study.rehash import rehash as renew

    changed, left = renew(_folder(options))
    print(f"{len(changed)} rows changed")
    for line in left:
        print(f"left as it is: {line}")
    return int(ExitCode.CHECK_FAILED if left else ExitCode.DONE)


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python scripts/tables.py", __doc__)
    verbs = made.verbs(
        run="run what is missing, then rebuild the documents",
        missing="list the runs that no row shows",
        build="rebuild the documents from rows and finished runs",
        check="run a row again and compare it value by value",
        choose="write the levels chosen on validation data to conf/",
        rehash="give rows the hash that their command has today",
    )
    for name in ("run", "missing", "build", "choose", "rehash"):
        scales = config_options("scale")
        verbs[name].add_argument(
            "--scale", type=one_of(*scales), default="small", help=f"{', '.join(scales)} (%(default)s)"
        )
        verbs[name].add_argument(
            "--seeds", type=numbers, metavar="0,1,2", help="seeds of the runs (those whose rows are committed)"
        )
    for name in ("run", "missing", "choose"):
        verbs[name].add_argument(
            "--tasks", type=some_of(*TASKS), default="mri,seismic", help=f"of {', '.join(TASKS)} (%(default)s)"
        )
    for name in ("run", "missing"):
        verbs[name].add_argument(
            "--parts", type=some_of(*PARTS), default="tables,curves,audits", help=f"of {', '.join(PARTS)} (%(default)s)"
        )
        verbs[name].add_argument("--only", metavar="gd,prox", help="parts of a protocol (all)")
    for name, verb in verbs.items():
        what = "a study of your own: a YAML file that names rows and columns"
        verb.add_argument(
            "--study", type=Path, metavar="FILE", help=what if name != "choose" else f"refused: {what}, and its levels"
        )
    run_ = verbs["run"]
    run_.add_argument("--jobs", type=number(int, 1), help="runs side by side, on one thread each (one per core)")
    run_.add_argument(
        "--finished",
        type=one_of("runs", "rows"),
        default="runs",
        help="rows: what has a row already is not run again, even if its run is gone (%(default)s)",
    )
    run_.add_argument(
        "--launcher",
        nargs="+",
        metavar=("NAME", "KEY=VALUE"),
        help="jobs go where this launcher of Hydra sends them, with these settings of it",
    )
    verbs["missing"].add_argument("--csv", action="store_true", help="print the list as CSV")
    verbs["check"].add_argument("row", metavar="EXPERIMENT/NAME", help="such as table_mri/mri-gd-mse-seed0")
    return made


def main(arguments: list[str]) -> int:
    """Run the chosen verb."""
    options = parser().parse_args(arguments)
    if getattr(options, "study", None):
        for word in arguments:
            if (name := word.partition("=")[0]) in ("--scale", "--seeds", "--tasks", "--parts"):
                raise InputError("the study's file says this", name, "leave it out")
    verbs = {"run": run, "missing": show_missing, "build": build, "check": check, "choose": choose, "rehash": rehash}
    return verbs[options.verb](options)


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
