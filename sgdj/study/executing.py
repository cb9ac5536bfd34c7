"""Run what a protocol needs, stage by stage, until its claims can be written."""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from sgdj.errors import ExitCode
from sgdj.runtime.text import file_name
from sgdj.study.campaign import Campaign
from sgdj.study.chosen import Chosen
from sgdj.study.design import Cell
from sgdj.study.ledger import Ledger, Step, row_of, seed_of
from sgdj.study.protocol_file import Protocol
from sgdj.study.rows import Row
from sgdj.study.stages import Study
from sgdj.study.store import fold
from sgdj.study.store import read as stored
from sgdj.study.worker import Worker

#: Stage whose networks a stage evaluates, where that is not the tables.
_TRAINED_IN = {"regime-train": "regime", "attack": "regime", "optimistic": "levels"}


def folder_of(path: Path, results: Path) -> Path:
    """Return the folder of a protocol's rows and documents."""
    return results / "study" / path.stem


def study_of(protocol: Protocol, folder: Path, parts: Sequence[str] = (), failed: Sequence[Cell] = ()) -> Study:
    """Return a protocol with the rows and the choices of its folder."""
    return Study(protocol, Ledger(stored(folder), failed), Chosen(folder / "chosen.yaml", protocol.sha256), parts)


def _collected(path: Path, cell: Cell, step: Step, folder: Path, kept: Sequence[int]) -> Row:
    """Make the row of a finished run; of a table's first seeds the weights are kept as well."""
    stage = step.stage
    if cell not in step.cells:  # a network that this stage evaluates, trained again because its run is gone
        stage = _TRAINED_IN.get(stage, "tables")
    row = row_of(path, cell, stage)
    if stage == "tables" and seed_of(cell) in kept:
        place = folder / "weights" / file_name(row.name, ".safetensors")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path / "model" / "weights.safetensors", place)
    return row


def execute(
    protocol: Protocol,
    folder: Path,
    jobs: int,
    tell: Callable[[str], None],
    launcher: Sequence[str] = (),
    parts: Sequence[str] = (),
) -> int:
    """Run the missing runs of every stage, and make the choices on the way.

    Parameters
    ----------
    protocol
        What the study's file says.
    folder
        Folder of its rows and choices.
    jobs
        Number of runs at a time, on one thread each.
    tell
        Function that is called with a line after every run.
    launcher
        Overrides of Hydra's launcher; see `Campaign`.
    parts
        Names of the parts that are to be done; none for all.

    Returns
    -------
    int
        0; 5 if a run failed; 130 or 143 after a signal. A training that diverged is left out of what follows; any other
        failure ends the campaign after its stage, and nothing is chosen from that.
    """
    failed: set[Cell] = set()
    workers = [Worker() for _ in range(jobs)]
    try:
        while (step := study_of(protocol, folder, parts, list(failed)).next()) is not None:
            tell(f"stage {step.stage}: {len(step.cells)} runs")
            cells = list(dict.fromkeys([*(cell.trained for cell in step.cells if cell.trained), *step.cells]))
            kept = protocol.seeds.tables[: protocol.tables.weights]
            collecting = partial(_collected, step=step, folder=folder, kept=kept)
            campaign = Campaign(cells, folder, jobs, tell, launcher, collecting, stored(folder), workers)
            code = campaign.run()
            fold(folder)
            if code not in (ExitCode.DONE, ExitCode.CHECK_FAILED):
                return code
            failed |= campaign.diverged
            if len(campaign.failed) > len(campaign.diverged):  # it may succeed next time
                return int(ExitCode.CHECK_FAILED)
    finally:
        for worker in workers:
            worker.close()
    return int(ExitCode.CHECK_FAILED if failed else ExitCode.DONE)
