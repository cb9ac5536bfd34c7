"""Kill a sweep again and again, start it again each time, and compare it with one that was left in peace.

python -m scripts.reliability.faults --kills 100

A kill is a SIGKILL that the process sends itself, so that it can come from inside the checkpoint writer. Writes
results/reliability/faults.json and results/reliability.md.
"""

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.common import Parser, WrongValue, number, origin, status

#: Where a kill comes from, and how many such moments a process may live through before it.
PHASES = {
    "before the first step": 6,
    "after an optimiser step": 9,
    "in validation": 5,
    "writer: before the hash": 8,
    "writer: half of the file": 8,
    "writer: before the rename": 8,
    "writer: after the rename": 8,
    "half a line of metrics": 3,
    "in the evaluation": 8,
    "before the model card": 1,
}
WRITER = tuple(phase for phase in PHASES if phase.startswith("writer"))
_WEIGHTS = [4, 5, 2, 2, 2, 2, 2, 2, 2, 1]


class Killer:
    """Hooks that end this process at a chosen moment, and a journal of the epochs that were begun.

    Parameters
    ----------
    phase
        Moment of the kill, one of `PHASES`; all but the first lie after the first optimiser step of the process.
    count
        How many times the moment passes until the kill, counting itself.
    journal
        File to which every begun epoch is appended.
    """

    def __init__(self, phase: str, count: int, journal: Path) -> None:
        self.phase, self.left, self.journal = phase, count, journal
        self.armed = False

    def is_due(self, phase: str) -> bool:
        """Check whether the moment has come."""
        if phase != self.phase or self.armed == (phase == "before the first step"):
            return False
        self.left -= 1
        return self.left <= 0

    def note(self, line: str) -> None:
        """Append a line to the journal."""
        with self.journal.open("a") as file:
            file.write(line + "\n")

    def kill(self) -> None:
        """End the process at once, by SIGKILL."""
        self.note(f"killed {self.phase}")
        os.kill(os.getpid(), signal.SIGKILL)

    def at(self, phase: str) -> None:
        """Kill the process if the moment has come."""
        if self.is_due(phase):
            self.kill()

    def install(self) -> None:
        """Put the hooks into the program."""
        from sgdj.evaluation import evaluate as evaluation
        from sgdj.modes import train as page
        from sgdj.runs import checkpoints
        from sgdj.runs.directory import RunDirectory
        from sgdj.runtime.writing import temporary_path, write_atomically
        from sgdj.training.callbacks import Keeper
        from sgdj.training.module import Training

        claim, start, update = RunDirectory.claim, RunDirectory.start, RunDirectory.update
        append, add, write_model = RunDirectory.append_metrics, evaluation._Table.add, page.write_model
        step, validate = Keeper.on_train_batch_end, Training.validation_step
        epoch = Keeper.on_train_epoch_start

        def claimed(run: RunDirectory) -> None:
            claim(run)
            self.at("before the first step")

        def started(run: RunDirectory, *arguments: Any, **others: Any) -> int:
            removed = start(run, *arguments, **others)
            self.at("before the first step")
            return removed

        def updated(run: RunDirectory, **entries: Any) -> None:
            self.at("before the first step")
            update(run, **entries)
            self.at("before the first step")

        def stepped(keeper: Any, *arguments: Any) -> None:
            step(keeper, *arguments)
            self.armed = True
            self.at("after an optimiser step")

        def begun(keeper: Any, trainer: Any, module: Any) -> None:
            self.note(f"epoch {keeper.run.path.name} {trainer.current_epoch}")
            epoch(keeper, trainer, module)

        def validated(module: Any, *arguments: Any) -> None:
            self.at("in validation")
            validate(module, *arguments)

        def written(path: Path, content: bytes) -> None:
            temporary = temporary_path(path.parent)
            if path.suffix == ".sha256":
                self.at("writer: before the hash")
            elif self.is_due("writer: half of the file"):
                temporary.write_bytes(content[: len(content) // 2])
                self.kill()
            elif self.is_due("writer: before the rename"):
                temporary.write_bytes(content)
                self.kill()
            write_atomically(path, content)
            if path.suffix == ".ckpt":
                self.at("writer: after the rename")

        def appended(run: RunDirectory, row: dict[str, Any]) -> None:
            if self.is_due("half a line of metrics"):
                text = json.dumps(row)
                with (run.path / "metrics.jsonl").open("a") as file:
                    file.write(text[: len(text) // 2])
                self.kill()
            append(run, row)

        def added(table: Any, *arguments: Any) -> None:
            self.at("in the evaluation")
            add(table, *arguments)

        def carded(*arguments: Any) -> None:
            self.at("before the model card")
            write_model(*arguments)

        hooks = [
            (Keeper, "on_train_batch_end", stepped), (Keeper, "on_train_epoch_start", begun),
            (Training, "validation_step", validated), (checkpoints, "write_atomically", written),
            (RunDirectory, "claim", claimed), (RunDirectory, "start", started), (RunDirectory, "update", updated),
            (RunDirectory, "append_metrics", appended), (evaluation._Table, "add", added),
            (page, "write_model", carded),
        ]  # fmt: skip
        for owner, name, hook in hooks:
            setattr(owner, name, hook)


#: Overrides of the sweep that is killed.
KINDS = ("architecture=gd,prox", "strategy=mse,adversarial,input_jitter,jitter")


def _sweep(seed: int, epochs: int, kinds: tuple[str, ...]) -> list[str]:
    fixed = ["task=seismic", "scale=smoke", f"epochs={epochs}", f"seed={seed}", "trainer.schedule=cosine"]
    return ["-m", *fixed, *kinds, "trainer.threads=1", "logger=none", "evaluation.panels=0"]


def _start(folder: Path, arguments: list[str], phase: str = "", count: int = 0) -> int:
    command = [sys.executable, str(Path(__file__).resolve()), "child", phase, str(count), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"exit {done.returncode} after {phase}: {done.stderr[-2000:]}")
    return done.returncode


def _child(arguments: list[str]) -> int:
    phase, count, *rest = arguments
    Killer(phase, int(count), Path("journal.txt")).install()
    from sgdj.modes.cli import main as program

    return program(rest)


@dataclass
class Tally:
    """Counts of a fault campaign."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    differing_bits: int = 0
    lost_rows: int = 0
    epochs: int = 0
    repeated: int = 0
    most_repeated: int = 0


def _bits(one: bytes, other: bytes) -> int:
    if len(one) != len(other):
        return 8 * max(len(one), len(other))
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True) if a != b)


def _rows(run: Path) -> list[str]:
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rows = [json.dumps({key: value for key, value in row.items() if key != "seconds"}) for row in metrics]
    with (run / "evaluation" / "samples.csv").open() as file:
        return rows + [json.dumps(row) for row in csv.DictReader(file)]


def compare(whole: Path, broken: Path, tally: Tally) -> None:
    """Add the differences between two folders of runs to the tally."""
    runs = sorted(path.parent.relative_to(whole) for path in whole.rglob("run.json"))
    assert runs == sorted(path.parent.relative_to(broken) for path in broken.rglob("run.json"))
    for run in runs:
        weights = Path("model") / "weights.safetensors"
        tally.differing_bits += _bits((whole / run / weights).read_bytes(), (broken / run / weights).read_bytes())
        one, other = Counter(_rows(whole / run)), Counter(_rows(broken / run))
        tally.lost_rows += (one - other).total() + (other - one).total()
        tally.runs += 1


def _repeats(journal: Path, tally: Tally) -> None:
    """Count epochs that were begun again; between two kills an epoch may be begun twice at most."""
    seen: set[str] = set()
    again = 0
    for line in journal.read_text().splitlines():
        if line.startswith("killed"):
            again = 0
        elif line in seen:
            again += 1
            tally.repeated += 1
            tally.most_repeated = max(tally.most_repeated, again)
        else:
            seen.add(line)
    tally.epochs += len(seen)


def campaign(kills: int, seed: int, epochs: int, folder: Path, kinds: tuple[str, ...] = KINDS) -> Tally:
    """Run sweeps, killed until they are through, until `kills` kills have been counted."""
    rng, tally = random.Random(seed), Tally()
    shutil.rmtree(folder, ignore_errors=True)
    while tally.kills.total() < kills:
        arguments = _sweep(seed, epochs, kinds)
        whole, broken = folder / f"whole{seed}", folder / f"broken{seed}"
        for place in (whole, broken):
            place.mkdir(parents=True)
        _start(whole, arguments)
        while True:
            (phase,) = rng.choices(list(PHASES), _WEIGHTS)
            if _start(broken, arguments, phase, rng.randint(1, PHASES[phase])) == 0:
                break
            tally.kills[phase] += 1
            print(f"{tally.kills.total()} kills, the last {phase}", flush=True)
        compare(whole, broken, tally)
        _repeats(broken / "journal.txt", tally)
        seed += 1
    return tally


def _folder(text: str) -> Path:
    """A folder that may be emptied: a new one, or one with nothing but what an earlier campaign left."""
    path = Path(text)
    if path.is_dir() and any(re.fullmatch(r"(whole|broken)\d+", one.name) is None for one in path.iterdir()):
        raise WrongValue(f"{text!r} holds other files", "give a new folder")
    return path


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python -m scripts.reliability.faults", __doc__)
    made.add_argument("--kills", type=number(int, 1), default=100, help="how many (%(default)s)")
    made.add_argument(
        "--seed", type=number(int), default=0, help="of the moments, and of the first sweep (%(default)s)"
    )
    made.add_argument("--epochs", type=number(int, 1), default=12, help="of every training (%(default)s)")
    made.add_argument(
        "--folder", type=_folder, default="outputs/faults", help="where the sweeps run; emptied first (%(default)s)"
    )
    return made


def main(arguments: list[str]) -> int:
    """Run the campaign and write its counts; returns 5 if a bit or a row differs."""
    if arguments[:1] == ["child"]:
        return _child(arguments[1:])
    tally = campaign(**vars(parser().parse_args(arguments)))
    from scripts.reliability.report import write

    found = vars(tally) | {"kills": {phase: tally.kills[phase] for phase in PHASES}}
    write(Path("results"), "faults", found | origin("python -m scripts.reliability.faults", arguments))
    return 5 if tally.differing_bits or tally.lost_rows or tally.most_repeated > 1 else 0


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
